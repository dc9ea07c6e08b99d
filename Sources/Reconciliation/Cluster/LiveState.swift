import Diagnostics
package import KubernetesModel
package import SyncPlanning
import YAML

/// Watches every kind that some unit wants or has applied, once for all units and namespaces, and wakes the units that a change concerns.
package actor LiveState {
    private let api: any ClusterAPI
    private let clock: any AgentClock
    private var objects = LiveObjects()
    /// Each version of a kind by itself, as what is applied in one cannot be compared with what is read in another.
    private var watched: [GroupVersionKind: APIResource] = [:]
    /// Kinds whose first list has come.
    private var listed: Set<GroupVersionKind> = []
    private var listProblems: [GroupVersionKind: ClusterError] = [:]
    private var followsDefinitions = false
    /// Counts the kinds whose definition went away while they were watched, so that each unit notices.
    private var losses: [GroupKind: Int] = [:]
    private let requests: AsyncStream<APIResource>
    private let requester: AsyncStream<APIResource>.Continuation
    /// Each waits on a bell of its own, because a bell is heard by one.
    private var listeners: [Int: Bell] = [:]
    private var nextListener = 0

    private static let definitionKind = GroupVersionKind(
        group: "apiextensions.k8s.io", version: "v1", kind: "CustomResourceDefinition")

    /// The UIDs of what went last, the last last.
    private var gone: [String] = []
    private var bells: [Ownership: Bell] = [:]
    /// The objects of large units that changed since the unit asked last.
    private var news: [Ownership: Set<ObjectKey>] = [:]

    package init(api: any ClusterAPI, clock: any AgentClock) {
        self.api = api
        self.clock = clock
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

    /// Rings `bell` when something that concerns the unit changes.
    package func attach(_ unit: Ownership, _ bell: Bell) { bells[unit] = bell }

    package func detach(_ unit: Ownership) {
        bells[unit] = nil
        news[unit] = nil
        objects.setDesired([], of: unit)
        objects.setInterests([], of: unit)
        objects.setHealthExpressions(HealthRules(), of: unit)
    }

    /// - Parameter collectsNews: whether the unit will ask which objects changed, instead of looking at all.
    package func setDesired(_ objects: [DesiredObject], of unit: Ownership, collectsNews: Bool = false) {
        self.objects.setDesired(objects, of: unit)
        news[unit] = collectsNews ? news[unit] ?? [] : nil
    }

    /// Which of the unit's objects changed since it asked last.
    package func takeNews(of unit: Ownership) -> Set<ObjectKey> {
        guard let found = news[unit], !found.isEmpty else { return [] }
        news[unit] = []
        return found
    }

    package func setInterests(_ keys: Set<ObjectKey>, of unit: Ownership) { objects.setInterests(keys, of: unit) }

    /// How these kinds are addressed; the unknown ones are missing, and any change of a definition rings the bell from now on.
    package func resources(for kinds: Set<GroupVersionKind>) async throws -> [GroupVersionKind: APIResource] {
        var result: [GroupVersionKind: APIResource] = [:]
        for kind in kinds.sorted() {
            result[kind] = if let known = watched[kind] { known } else { try await api.resource(for: kind) }
            if result[kind] == nil { watchForDefinitions() }
        }
        return result
    }

    /// As `resources(for:)`, of what was applied once: in any version that is watched, and in another where the server has that one no
    /// more. Missing is only what it has in no version.
    package func resources(forRecorded kinds: Set<GroupVersionKind>) async throws -> [GroupKind: APIResource] {
        let groups = Set(kinds.map(\.groupKind))
        var result: [GroupKind: APIResource] = [:]
        for (kind, resource) in watched where groups.contains(kind.groupKind) && (kinds.contains(kind) || result[kind.groupKind] == nil) {
            result[kind.groupKind] = resource
        }
        for (kind, resource) in try await resources(for: kinds.filter { result[$0.groupKind] == nil }) { result[kind.groupKind] = resource }
        for kind in groups where result[kind] == nil { result[kind] = try await api.resource(for: kind) }
        return result
    }

    /// Sees to it that all of these are watched and their objects known.
    /// - Throws: `ClusterError` when the server cannot be asked, or a first list does not come.
    package func prepare(_ resources: [APIResource]) async throws {
        if let problem = try await follow(resources).min(by: { "\($0.key)" < "\($1.key)" }) { throw problem.value }
    }

    /// Sees to it that all of these are watched, and the objects known of those that can be listed.
    /// - Returns: why the others cannot: rights that are missing, a conversion webhook that fails. They are tried on.
    /// - Throws: `ClusterError` when the server cannot be asked.
    package func follow(_ resources: [APIResource]) async throws -> [GroupKind: ClusterError] {
        for resource in resources where watched[resource.kind] == nil {
            watched[resource.kind] = resource
            requester.yield(resource)
        }
        return try await awaitLists(resources.map(\.kind))
    }

    package func observations(of keys: some Sequence<ObjectKey>) -> [ObjectKey: Observation] {
        Dictionary(keys.map { ($0, objects.observation(of: $0)) }) { $1 }
    }

    /// As `unit` judges it, which may have rules of its own.
    package func health(of keys: some Sequence<ObjectKey>, for unit: Ownership) -> [ObjectKey: Health] {
        Dictionary(keys.map { ($0, objects.health(of: $0, for: unit)) }) { $1 }
    }

    /// How `unit` judges kinds from now on; what is known of its objects of these kinds is looked at again.
    package func setHealthExpressions(_ expressions: HealthRules, of unit: Ownership) async throws {
        for key in objects.setHealthExpressions(expressions, of: unit) {
            let kind = objects.desired[key]?.kind ?? watched.keys.first { $0.groupKind == key.groupKind }
            if let kind { _ = try await lookUp(kind, key) }
        }
    }

    /// Of those that the watches see.
    package func resourceVersions(of keys: some Sequence<ObjectKey>) -> [ObjectKey: String] {
        Dictionary(keys.compactMap { key in objects.isUnlabelled(key) ? nil : objects[key].map { (key, $0.resourceVersion) } }) { $1 }
    }

    /// Those that are there and that the watches do not see, with the marks of what was looked at.
    package func unlabelled(among wanted: [DesiredObject]) -> [(object: DesiredObject, mark: Int)] {
        wanted.compactMap { object in
            guard objects.isUnlabelled(object.key), let mark = objects[object.key]?.mark else { return nil }
            return (object, mark)
        }
    }

    /// nil for what nobody has seen yet.
    package func uid(of key: ObjectKey) -> String? { objects[key]?.object.uid }

    package func completedJobs(of keys: some Sequence<ObjectKey>) -> [ObjectKey: String] {
        Dictionary(keys.compactMap { key in objects.completedJobs[key].map { (key, $0) } }) { $1 }
    }

    package func lastForeignManager(of key: ObjectKey) -> String? { objects[key]?.lastForeignManager }

    /// Takes in the answer to an apply by `unit`; the watch will bring nothing new of it, so whom else it concerns is told here.
    package func settle(_ live: Manifest, with wanted: DesiredObject, by unit: Ownership, keepsAdditions: Bool) {
        // What was made, ended and was cleared away before the answer came does not come back.
        if gone.contains(live.uid) { return }
        let before = objects.audience(of: wanted.key)
        objects.settle(live, with: wanted, keepsAdditions: keepsAdditions, now: clock.timestamp)
        ring(before.union(objects.audience(of: wanted.key)).subtracting([unit]), about: wanted.key)
    }

    package func learnStanding(_ answer: Manifest, of wanted: DesiredObject) { objects.learnStanding(answer, of: wanted) }

    /// Looks at one object itself: watches see only what carries an owner label. One without it is kept only where it is followed by name.
    /// - Parameter user: with whose rights; nil for the agent's.
    package func lookUp(_ kind: GroupVersionKind, _ key: ObjectKey, as user: String? = nil) async throws -> Observation {
        guard let live = try await api.get(kind, namespace: key.namespace, name: key.name, as: user) else {
            objects.remove(key)
            return .absent
        }
        objects.take(live, tellsWriters: true, now: clock.timestamp)
        defer { objects.forgetUnfollowed(key) }
        return objects.observation(of: key)
    }

    package func forget(_ key: ObjectKey) { objects.remove(key) }

    package func learnStorageClasses() async throws {
        do {
            objects.healthContext.take(storageClasses: try await HealthContext.storageClasses(of: api))
        } catch let error as ClusterError where error.kind == .forbidden {
            // Then a claim that is not bound is waited for, whatever its class says.
            return
        }
    }

    package func learnLoadBalancers() async throws {
        guard !objects.healthContext.servesLoadBalancers else { return }
        do {
            if try await HealthContext.servesLoadBalancers(api) { objects.healthContext.servesLoadBalancers = true }
        } catch let error as ClusterError where error.kind == .forbidden {
            // Then it is told by what is seen of the units' own.
            return
        }
    }

    /// How often the definition of any of these kinds went away so far.
    package func losses(of kinds: some Sequence<GroupKind>) -> Int { kinds.reduce(0) { $0 + (losses[$1] ?? 0) } }

    // MARK: Watching

    private func awaitLists(_ kinds: [GroupVersionKind]) async throws -> [GroupKind: ClusterError] {
        let deadline = clock.now + .seconds(30)
        if kinds.allSatisfy({ listed.contains($0) || watched[$0] == nil }) { return [:] }
        let (listener, bell) = (nextListener, Bell())
        nextListener += 1
        listeners[listener] = bell
        defer { listeners[listener] = nil }
        while true {
            try Task.checkCancellation()
            let missing = kinds.filter { !listed.contains($0) && watched[$0] != nil }
            let problems = missing.compactMap { kind in listProblems[kind].map { (kind, $0) } }
            if let lost = problems.first(where: { $0.1.kind == .unreachable || $0.1.kind == .unauthorized }) { throw lost.1 }
            guard let silent = missing.first(where: { listProblems[$0] == nil }) else {
                return Dictionary(problems.map { ($0.0.groupKind, $0.1) }) { first, _ in first }
            }
            guard clock.now < deadline else {
                let message = "the list of these objects did not come within 30 s"
                throw ClusterError(.unreachable, subject: "\(silent.groupKind)", message: message)
            }
            await bell.wait(until: deadline, clock: clock)
        }
    }

    private func ringListeners() { for bell in listeners.values { bell.ring() } }

    private func follow(_ resource: APIResource) async {
        let follower = ObjectFollower(
            api: api, clock: clock, kind: resource.kind, namespace: "", labelSelector: Ownership.nameLabel)
        let kind = resource.kind
        await follower.run {
            await self.take($0, kind)
        } onSetBack: {
            await self.setBack(kind.groupKind)
        }
        // The server does not know the kind any more; asking again at once would find what it is just forgetting.
        try? await clock.sleep(for: .seconds(1))
        watched[kind] = nil
        listed.remove(kind)
        listProblems[kind] = nil
        losses[kind.groupKind, default: 0] += 1
        ring(objects.audience(of: kind.groupKind))
    }

    private func ring(_ units: some Sequence<Ownership>) { for unit in units { bells[unit]?.ring() } }

    private func ring(_ units: some Sequence<Ownership>, about key: ObjectKey) {
        for unit in units { bells[unit]?.ring(onlyNews: news[unit]?.insert(key) != nil) }
    }

    private func setBack(_ kind: GroupKind) { objects.forgetVersions(of: kind) }

    private func take(_ change: ObjectFollower.Change, _ kind: GroupVersionKind) {
        let group = kind.groupKind
        switch change {
        case .all(let list):
            if !gone.isEmpty { noteSeen(Set(list.map(\.uid))) }
            let before = objects.audience(of: group)
            objects.replace(group, with: list, now: clock.timestamp)
            listed.insert(kind)
            listProblems[kind] = nil
            ringListeners()
            ring(before.union(objects.audience(of: group)))
        case .present(let manifest):
            noteSeen([manifest.uid])
            if objects.knows(manifest) { return }
            let before = objects.audience(of: manifest.key)
            if objects.take(manifest, now: clock.timestamp) { ring(before.union(objects.audience(of: manifest.key)), about: manifest.key) }
        case .gone(let manifest):
            let before = objects.audience(of: manifest.key)
            objects.noteCompletion(of: manifest)
            gone = gone.suffix(63) + [manifest.uid]
            // One made anew may have been seen in another version of the kind already.
            if objects[manifest.key]?.object.uid == manifest.uid, objects.remove(manifest.key) { ring(before, about: manifest.key) }
        case .failed(let error):
            listProblems[kind] = error
            if error.kind == .unknownKind {
                // Its definition is gone, and with it all its objects; or only this version of it.
                if !isWatchedInAnotherVersion(kind) { objects.removeAll(group) }
                listed.insert(kind)
            }
            ringListeners()
            ring(objects.audience(of: group))
        }
    }

    /// What had only lost its label, or came back by a restore, is not gone.
    private func noteSeen(_ uids: Set<String>) { gone.removeAll { uids.contains($0) } }

    private func isWatchedInAnotherVersion(_ kind: GroupVersionKind) -> Bool {
        watched.keys.contains { $0.groupKind == kind.groupKind && $0 != kind && listProblems[$0]?.kind != .unknownKind }
    }

    private func watchForDefinitions() {
        guard !followsDefinitions else { return }
        followsDefinitions = true
        requester.yield(APIResource(kind: Self.definitionKind, plural: "", isNamespaced: false))
    }

    /// A kind that is waited for may come by a definition that is not ours; any change of a definition makes the unit ask again.
    private func followDefinitions() async {
        let follower = ObjectFollower(api: api, clock: clock, kind: Self.definitionKind, namespace: "", labelSelector: nil)
        await follower.run { _ in await self.ringAll() }
        followsDefinitions = false
    }

    private func ringAll() { for bell in bells.values { bell.ring() } }
}
