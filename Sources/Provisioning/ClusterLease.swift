internal import Diagnostics
internal import Glibc
internal import KubernetesModel
internal import NodePlanning
internal import Synchronization
internal import YAML

/// The Lease `homelab-system/homelab-machines`: who changes the cluster's machines. The locks on the machines keep two runs apart that work on
/// the same ones; this keeps those apart that do not, and could each take a server out of etcd. While the API is away nobody can take it.
final class ClusterLease: Sendable {
    static let namespace = "homelab-system"
    static let name = "homelab-machines"

    /// Servers whose kubectl may be asked; the first that answers is.
    private let servers: [any Host]
    private let run: String
    private let owner: String
    private let recorder: RunRecorder
    /// Seconds after the last sign of life at which another may take it, and the pause between two looks at it.
    private let duration: Int64
    private let pause: Duration
    private let isHeld = Mutex(false)
    /// What this run wrote last, and the version that has: what is there, unless another has written since.
    private let last = Mutex<(record: LeaseRecord, version: String)?>(nil)
    /// Of another holder, while this run goes on without: what was seen, and since when.
    private let seen = Mutex<(version: String, since: ContinuousClock.Instant)?>(nil)
    private let subject: String

    init(
        cluster: String, servers: [any Host], run: String, owner: String, recorder: RunRecorder,
        duration: Int64 = Int64(HostLock.staleAfter), pause: Duration = .seconds(2)
    ) {
        subject = "cluster \"\(cluster)\""
        self.servers = servers
        self.run = run
        self.owner = owner
        self.recorder = recorder
        self.duration = duration
        self.pause = pause
    }

    private enum Look {
        /// No server answers.
        case away
        case found(LeaseRecord?, version: String)
    }

    private enum Written {
        case done(version: String)
        /// Another has written meanwhile.
        case refused
        /// No server answers.
        case away
    }

    private var holder: String { "\(owner)/\(run)" }

    /// Takes the Lease, or goes on without it while no API answers. Whether another holder lives is judged by what is seen of it on this
    /// machine's clock: one that renews is told, one that does not loses it.
    /// - Parameter dead: runs that are known to have ended.
    /// - Throws: `Diagnostics` naming who holds it; `CancellationError`.
    func acquire(besides dead: Set<String>) async throws {
        var seen: (version: String, since: ContinuousClock.Instant)?
        for _ in 0..<Self.attempts {
            guard case .found(let record, let version) = await look() else { return }
            let other = record.flatMap { isOther($0) && !dead.contains(Self.run(of: $0)) ? $0 : nil }
            if let other {
                if let before = seen, before.version != version { throw Diagnostics([held(by: other)]) }
                if seen == nil {
                    recorder.emit(.note(node: nil, text: "waits whether \(Self.owner(of: other)), who changes the machines, still does"))
                    seen = (version, .now)
                }
            }
            let isOver = seen.map { ContinuousClock.now - $0.since > .seconds(other?.durationSeconds ?? 0) } ?? true
            if other == nil || isOver {
                if case .done = await write(record, version) { return }
                // Another was faster: what it wrote is looked at anew.
                seen = nil
            }
            try await Task.sleep(for: pause)
        }
        recorder.emit(.note(node: nil, text: "goes on without the Lease \(Self.name): the API does not take what is written to it"))
    }

    /// Enough to see a holder run out.
    private static let attempts = 60

    /// Gives signs of life until the task is cancelled or another run has it.
    func keepAlive() async -> Diagnostics? {
        while (try? await Task.sleep(for: HostLock.heartbeatEvery)) != nil {
            if let lost = await renew() { return Diagnostics([lost]) }
        }
        return nil
    }

    /// Gives a sign of life, or takes the Lease where no API answered before.
    /// - Returns: who has it, if it is not this run any more.
    func renew() async -> Diagnostic? {
        if let last = last.withLock({ $0 }) {
            guard case .refused = await write(last.record, last.version) else { return nil }
        }
        let wasHeld = isHeld.withLock { $0 }
        guard case .found(let record, let version) = await look() else { return nil }
        if let record, isOther(record) {
            if wasHeld { return HostLock.lost(subject, to: Self.owner(of: record)) }
            // Taken while this look was on its way, which saw the holder before.
            if isHeld.withLock({ $0 }) { return nil }
            // One that was there before this run could take it lives when it renews, and has died when it does not.
            let before = seen.withLock { seen in
                defer { if seen?.version != version { seen = (version, .now) } }
                return seen
            }
            if let before, before.version != version { return held(by: record) }
            if before.map({ ContinuousClock.now - $0.since <= .seconds(record.durationSeconds) }) ?? true { return nil }
        }
        _ = await write(record, version)
        return nil
    }

    /// Gives it back, if it is this run's; not for long, since it runs out by itself.
    func release() async {
        await withTaskGroup { group in
            group.addTask { try? await Task.sleep(for: .seconds(5)) }
            group.addTask { await self.giveBack() }
            await group.next()
            group.cancelAll()
        }
    }

    private func giveBack() async {
        let wasHeld = isHeld.withLock { isHeld in
            defer { isHeld = false }
            return isHeld
        }
        guard wasHeld else { return }
        if let last = last.withLock({ $0 }) {
            guard case .refused = await put(freed(last.record), last.version) else { return }
        }
        guard case .found(let record?, let version) = await look(), record.holder == holder else { return }
        _ = await put(freed(record), version)
    }

    private func freed(_ record: LeaseRecord) -> LeaseRecord {
        var free = record
        free.holder = ""
        return free
    }

    private func isOther(_ record: LeaseRecord) -> Bool { !record.holder.isEmpty && record.holder != holder }

    private static func owner(of record: LeaseRecord) -> String {
        record.holder.lastIndex(of: "/").map { String(record.holder[..<$0]) } ?? record.holder
    }

    private static func run(of record: LeaseRecord) -> String { record.holder.split(separator: "/").last.map(String.init) ?? "" }

    private func held(by record: LeaseRecord) -> Diagnostic {
        Diagnostic(
            .error, "another run is changing the machines of this cluster", subject: subject,
            cause: "\(Self.owner(of: record)), since \(record.acquireTime?.description ?? "a while")",
            remedy: "Wait until it has ended. A run that died gives way \(duration) s after its last sign of life.")
    }

    // MARK: Through a server's kubectl

    private func look() async -> Look {
        for server in servers {
            let command = kubectl(["get", "lease", "-n", Self.namespace, Self.name, "-o", "json", "--ignore-not-found"])
            guard let result = try? await server.run(command), result.succeeded else { continue }
            guard let value = try? JSONReader.value(result.output) else { return .found(nil, version: "") }
            return .found(LeaseRecord(of: Manifest(value)), version: value[path: "metadata", "resourceVersion"]?.string ?? "")
        }
        return .away
    }

    /// Writes this run's claim over what was seen.
    private func write(_ seen: LeaseRecord?, _ version: String) async -> Written {
        let now = Timestamp(secondsSinceEpoch: Int64(time(nil)))
        var record = seen ?? LeaseRecord(holder: "", durationSeconds: duration, acquireTime: now, renewTime: now)
        if record.holder != holder {
            record.acquireTime = now
            if seen != nil { record.transitions += 1 }
        }
        record.holder = holder
        record.durationSeconds = duration
        record.renewTime = now
        let written = await put(record, version)
        if case .done(let version) = written {
            isHeld.withLock { $0 = true }
            last.withLock { $0 = version.isEmpty ? nil : (record, version) }
        } else {
            last.withLock { $0 = nil }
        }
        return written
    }

    private func put(_ record: LeaseRecord, _ version: String) async -> Written {
        let manifest = record.manifest(namespace: Self.namespace, name: Self.name, resourceVersion: version)
        let text = JSONWriter.text(manifest.value)
        let verb = version.isEmpty ? "create" : "replace"
        // kubectl would ask for the API's whole schema before each sign of life.
        let command = kubectl([verb, "--validate=false", "-o", "json", "-f", "-"], text)
        for server in servers {
            guard var result = try? await server.run(command) else { continue }
            if verb == "create", result.errorOutput.contains("namespaces \"\(Self.namespace)\" not found") {
                _ = try? await server.run(kubectl(["create", "namespace", Self.namespace]))
                guard let again = try? await server.run(command) else { continue }
                result = again
            }
            if result.succeeded {
                let object = try? JSONReader.value(result.output)
                return .done(version: object?[path: "metadata", "resourceVersion"]?.string ?? "")
            }
            if ["Conflict", "AlreadyExists", "NotFound"].contains(where: { result.errorOutput.contains($0) }) { return .refused }
        }
        return .away
    }

    private func kubectl(_ arguments: [String], _ input: String? = nil) -> RemoteCommand {
        RemoteCommand(
            [NodeLayout.k3s, "kubectl"] + arguments + ["--request-timeout=5s"], input: input.map { .text($0) } ?? .none)
    }
}
