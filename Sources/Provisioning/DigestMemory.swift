internal import NodePlanning
internal import Synchronization

/// What the nodes' binaries were hashed to: one that was not touched since is not read again, since a Raspberry Pi works for seconds on it.
/// A disk that forgets bits does not say so: within the hour it is read anew.
final class DigestMemory: Sendable {
    private struct Entry {
        let sha256: String
        let read: ContinuousClock.Instant
    }

    /// By host and stamp.
    private let entries = Mutex<[String: [String: Entry]]>([:])
    private let now: @Sendable () -> ContinuousClock.Instant

    init(now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) { self.now = now }

    /// What is put in front of the script that looks at a host.
    func preamble(for host: String) -> String {
        let oldest = now() - .seconds(3600)
        let known = entries.withLock { entries in
            entries[host] = entries[host]?.filter { $0.value.read > oldest }
            return entries[host] ?? [:]
        }
        if known.isEmpty { return "" }
        return "known='" + known.map { " \($0.key)=\($0.value.sha256)" }.sorted().joined() + " '\n"
    }

    func note(_ facts: NodeFacts, of host: String) {
        var seen: [String: Entry] = [:]
        entries.withLock { entries in
            for binary in [facts.k3s.binary, facts.agent.binary].compactMap(\.self) {
                guard let stamp = binary.stamp, Self.isPlain(stamp), Self.isPlain(binary.sha256) else { continue }
                seen[stamp] = entries[host]?[stamp] ?? Entry(sha256: binary.sha256, read: now())
            }
            entries[host] = seen
        }
    }

    /// It goes to a shell.
    private static func isPlain(_ text: String) -> Bool { text.allSatisfy { $0.isHexDigit || $0 == ":" || $0 == "." } }
}
