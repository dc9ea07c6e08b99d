internal import Cryptography
internal import Diagnostics
package import NodeInventory
internal import SSH

/// A host key that a machine shows and that nobody has pinned yet.
package struct OfferedHostKey: Hashable, Sendable {
    package let key: HostKey
    /// `SHA256:…`, as `ssh-keygen -l` shows it.
    package let fingerprint: String
    /// The operator's known_hosts has this very key for this machine.
    package let isKnown: Bool
}

extension SSHConnector {
    /// The key a machine shows, without logging in to it; through its jump hosts where it has some.
    /// - Throws: `HostError`, also when known_hosts has other keys for it; `CancellationError`.
    package func offeredHostKey(of node: NodeSpec) async throws -> OfferedHostKey {
        let settings = settings(for: node.host, user: node.writtenUser, port: node.writtenPort)
        let host = settings.hostName ?? node.host
        let port = node.writtenPort ?? settings.port ?? 22
        let jumps = try jumps(for: node, settings: settings)
        do throws(SSHError) {
            let offered = try await SSHSession.offeredHostKey(host: host, port: port, jump: jumps)
            let known = try KnownHosts(files: Self.knownHostsFiles(settings) + Self.systemKnownHostsFiles).record(host: host, port: port)
            if known.revoked.contains(offered) { throw SSHError(target: host, kind: .hostKeyRevoked(offered: offered)) }
            // A known key of another type says nothing about this one.
            let ofType = known.keys.filter { $0.type == offered.type }
            if !ofType.isEmpty, !ofType.contains(offered) {
                throw SSHError(target: host, kind: .hostKeyChanged(offered: offered, expected: ofType.map(SSHError.words)))
            }
            let words = offered.line.split(separator: " ").map(String.init)
            return OfferedHostKey(
                key: .key(type: words[0], blob: words[1]), fingerprint: offered.fingerprint, isKnown: !ofType.isEmpty)
        } catch {
            throw HostError.translated(error, node: node.name)
        }
    }
}
