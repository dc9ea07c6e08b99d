import Diagnostics
package import KubernetesModel
package import SyncPlanning
import YAML

/// Watches every kind that a unit wants or has applied, all namespaces in one stream, and wakes the unit when something that counts changed.
package actor LiveState {
    package nonisolated let bell: Bell
    private let api: any ClusterAPI
    private let clock: any AgentClock
    private var objects = LiveObjects()
    private var watched: [GroupKind: APIResource] = [:]
    /// Kinds whose first list has come.
    private var listed: Set<GroupKind> = []
    private var listProblems: [GroupKind: ClusterError] = [:]
    private var followsDefinitions = false
    /// Kinds whose definition went away while they were watched.
    private var lost: Set<GroupKind> = []
    private let requests: AsyncStream<APIResource>
    private let requester: AsyncStream<APIResource>.Continuation
    private nonisolated let listBell = Bell()

    private static let definitionKind = GroupVersionKind(
        group: "apiextensions.k8s.io", version: "v1", kind: "CustomResourceDefinition")

    package init(api: any ClusterAPI, clock: any AgentClock, bell: Bell) {
        self.api = api
        self.clock = clock
        self.bell = bell
        (requests, requester) = AsyncStream.makeStream()
    }

    /// Carries the watches until cancelled.
    package func run() async {
        await withDiscardingTaskGroup { group in
            for await resource in requests {
                if resource.kind == Self.definitionKind, resource.plural.isEmpty {
                    group.addTask { await self.followDefinitions() }
                } else {
                    group.addTask { await self.follow(resource) }
                }
            }
            group.cancelAll()
        }
    }

    // MARK: What the unit asks

    package func setDesired(_ objects: [DesiredObject]) { self.objects.setDesired(objects) }

    /// How these kinds are addressed; the unknown ones are missing, and any change of a definition rings the bell from now on.
    package func resources(for kinds: Set<GroupVersionKind>) async throws -> [GroupKind: APIResource] {
        var result: [GroupKind: APIResource] = [:]
        for kind in kinds.sorted() where result[kind.groupKind] == nil {
            result[kind.groupKind] = if let known = watched[kind.groupKind] { known } else { try await api.resource(for: kind) }
            if result[kind.groupKind] == nil { watchForDefinitions() }
        }
        return result
    }

    /// Sees to it that all of these are watched and their objects known.
    /// - Throws: `ClusterError` when the server cannot be asked, or a first list does not come.
    package func prepare(_ resources: [APIResource]) async throws {
        for resource in resources where watched[resource.kind.groupKind] == nil {
            watched[resource.kind.groupKind] = resource
            requester.yield(resource)
        }
        try await awaitLists(resources.map(\.kind.groupKind))
    }

    package func observations(of keys: some Sequence<ObjectKey>) -> [ObjectKey: Observation] {
        Dictionary(keys.map { ($0, objects.observation(of: $0)) }) { $1 }
    }

    package func health(of keys: some Sequence<ObjectKey>) -> [ObjectKey: Health] {
        Dictionary(keys.map { ($0, objects.health(of: $0)) }) { $1 }
    }

    package func resourceVersions(of keys: some Sequence<ObjectKey>) -> [ObjectKey: String] {
        Dictionary(keys.compactMap { key in objects.entries[key].map { (key, $0.resourceVersion) } }) { $1 }
    }

    package func lastForeignManager(of key: ObjectKey) -> String? { objects.entries[key]?.lastForeignManager }

    package func settle(_ live: Manifest, with wanted: DesiredObject) { objects.settle(live, with: wanted, now: clock.timestamp) }

    /// Looks at one object itself: watches see only what carries an owner label.
    package func lookUp(_ kind: GroupVersionKind, _ key: ObjectKey) async throws -> Observation {
        guard let live = try await api.get(kind, namespace: key.namespace, name: key.name) else {
            objects.remove(key)
            return .absent
        }
        objects.take(live, now: clock.timestamp)
        return objects.observation(of: key)
    }

    package func forget(_ key: ObjectKey) { objects.remove(key) }

    /// Claims wait for their first pod when their class says so, which only the classes tell.
    package func learnStorageClasses() async throws {
        let kind = GroupVersionKind(group: "storage.k8s.io", version: "v1", kind: "StorageClass")
        objects.healthContext.take(storageClasses: try await api.list(kind, namespace: "", labelSelector: nil).items)
    }

    package func takeLostKinds() -> Set<GroupKind> {
        defer { lost = [] }
        return lost
    }

    // MARK: Watching

    private func awaitLists(_ kinds: [GroupKind]) async throws {
        let deadline = clock.now + .seconds(30)
        while true {
            let missing = kinds.filter { !listed.contains($0) && watched[$0] != nil }
            guard let first = missing.first else { return }
            if let problem = missing.compactMap({ listProblems[$0] }).first { throw problem }
            try Task.checkCancellation()
            guard clock.now < deadline else {
                throw ClusterError(.unreachable, subject: "\(first)", message: "the list of these objects did not come within 30 s")
            }
            await listBell.wait(until: deadline, clock: clock)
        }
    }

    private func follow(_ resource: APIResource) async {
        let follower = ObjectFollower(
            api: api, clock: clock, kind: resource.kind, namespace: "", labelSelector: Ownership.nameLabel)
        await follower.run { await self.take($0, resource.kind.groupKind) }
        // The server does not know the kind any more; asking again at once would find what it is just forgetting.
        try? await clock.sleep(for: .seconds(1))
        watched[resource.kind.groupKind] = nil
        listed.remove(resource.kind.groupKind)
        lost.insert(resource.kind.groupKind)
        bell.ring()
    }

    private func take(_ change: ObjectFollower.Change, _ kind: GroupKind) {
        var counts = true
        switch change {
        case .all(let list):
            objects.replace(kind, with: list, now: clock.timestamp)
            listed.insert(kind)
            listProblems[kind] = nil
            listBell.ring()
        case .present(let manifest): counts = objects.take(manifest, now: clock.timestamp)
        case .gone(let manifest): counts = objects.remove(manifest.key)
        case .failed(let error):
            if error.kind == .unknownKind {
                // Its definition is gone, and with it all its objects.
                objects.removeAll(kind)
                listed.insert(kind)
            } else {
                listProblems[kind] = error
            }
            listBell.ring()
        }
        if counts { bell.ring() }
    }

    private func watchForDefinitions() {
        guard !followsDefinitions else { return }
        followsDefinitions = true
        requester.yield(APIResource(kind: Self.definitionKind, plural: "", isNamespaced: false))
    }

    /// A kind that is waited for may come by a definition that is not ours; any change of a definition makes the unit ask again.
    private func followDefinitions() async {
        let follower = ObjectFollower(api: api, clock: clock, kind: Self.definitionKind, namespace: "", labelSelector: nil)
        await follower.run { [bell] _ in bell.ring() }
        followsDefinitions = false
    }
}
