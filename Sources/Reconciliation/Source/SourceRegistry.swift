import Cryptography
package import KubernetesModel
import YAML

/// Makes something to follow of a GitRepository object and its Secret's data; nil when it knows no way to reach such a URL.
package typealias RepositoryFactory = @Sendable (GitRepositorySpec, [String: [UInt8]]) async throws -> (any RepositorySource)?

/// The repositories that GitRepository objects name. The agent's own is followed once, however many objects name it.
package actor SourceRegistry {
    private struct Entry {
        var object: Manifest
        var spec: GitRepositorySpec
        var source: GitSource?
        /// Follows the source; nil for the agent's own, which is followed elsewhere.
        var follower: Task<Void, Never>?
        var problem = ""
        var written: Value?
    }

    /// Rung when a source comes or goes.
    package nonisolated let changed = Bell()
    private let own: GitSource
    /// How GitRepository objects may name the agent's own repository.
    private let ownURLs: Set<String>
    private let api: any ClusterAPI
    private let clock: any AgentClock
    private let factory: RepositoryFactory?
    private var entries: [ObjectKey: Entry] = [:]
    private nonisolated let bell = Bell()

    package init(own: GitSource, urls: Set<String>, api: any ClusterAPI, clock: any AgentClock, factory: RepositoryFactory?) {
        self.own = own
        ownURLs = urls
        self.api = api
        self.clock = clock
        self.factory = factory
    }

    /// nil while there is no such GitRepository, or none that can be followed.
    package func source(for reference: KustomizationSpec.SourceReference?) -> GitSource? {
        guard let reference else { return own }
        let key = ObjectKey(
            group: FluxKinds.gitRepository.group, kind: reference.kind, namespace: reference.namespace, name: reference.name)
        return entries[key]?.source
    }

    package func take(_ object: Manifest) async {
        let key = object.key
        let spec = GitRepositorySpec(of: object)
        let old = entries[key]
        if object.annotation(FluxKinds.requestedAt) != old?.object.annotation(FluxKinds.requestedAt) { old?.source?.wake() }
        guard old?.spec != spec || old?.object.annotation(FluxComponents.agentSource) != object.annotation(FluxComponents.agentSource)
        else {
            entries[key]?.object = object
            bell.ring()
            return
        }
        stop(key)
        var entry = Entry(object: object, spec: spec)
        if isOwn(object, spec) {
            entry.source = own
        } else {
            await open(&entry)
        }
        entry.source?.state.attach(bell)
        entries[key] = entry
        changed.ring()
        bell.ring()
    }

    package func remove(_ key: ObjectKey) {
        stop(key)
        entries[key] = nil
        changed.ring()
    }

    private func stop(_ key: ObjectKey) {
        entries[key]?.follower?.cancel()
        entries[key]?.source?.state.detach(bell)
    }

    private func isOwn(_ object: Manifest, _ spec: GitRepositorySpec) -> Bool {
        if object.annotation(FluxComponents.agentSource) == "agent" { return true }
        return ownURLs.contains(spec.url) && spec.branch == own.reference
    }

    private func open(_ entry: inout Entry) async {
        let spec = entry.spec
        guard spec.obstacles.isEmpty else {
            entry.problem = spec.obstacles.joined(separator: "; ")
            return
        }
        do {
            guard let factory, let repository = try await factory(spec, try await secret(of: spec)) else {
                entry.problem = "\(spec.url) cannot be followed yet: only the agent's own repository is"
                return
            }
            let source = GitSource(
                repository: repository, clock: clock, pollInterval: spec.interval, reference: spec.referenceName,
                ignore: spec.ignore, followsBranch: spec.branch != nil)
            entry.source = source
            entry.follower = spec.isSuspended ? nil : Task { await source.run() }
        } catch {
            entry.problem = String(describing: error)
        }
    }

    private func secret(of spec: GitRepositorySpec) async throws -> [String: [UInt8]] {
        guard let name = spec.secret else { return [:] }
        let kind = GroupVersionKind(group: "", version: "v1", kind: "Secret")
        guard let secret = try await api.get(kind, namespace: spec.namespace, name: name) else {
            throw ClusterError(
                .notFound, subject: "Secret/\(spec.namespace)/\(name)", message: "it is named by spec.secretRef and is not there")
        }
        var data: [String: [UInt8]] = [:]
        for member in secret.value["data"]?.object ?? Object() {
            data[member.key] = member.value.string.flatMap { Base64.decode($0) }
        }
        return data
    }

    // MARK: Status

    /// Shows how the repositories are, until cancelled.
    package func run() async {
        while !Task.isCancelled {
            var retryAt: Duration?
            for (key, entry) in entries {
                let status = GitRepositoryStatus(entry.object, entry.source, problem: entry.problem, now: clock.timestamp).patch
                guard status != entry.written else { continue }
                do {
                    _ = try await api.mergePatch(
                        FluxKinds.gitRepository, namespace: key.namespace, name: key.name, patch: status, subresource: "status")
                    entries[key]?.written = status
                } catch {
                    retryAt = clock.now + .seconds(5)
                }
            }
            await bell.wait(until: retryAt, clock: clock)
        }
        for entry in entries.values { entry.follower?.cancel() }
    }
}
