package import KubernetesModel
import SyncPlanning
import YAML

/// Follows what carries no owner label, one kind in one namespace, for as long as some unit asks: the ConfigMaps and Secrets that
/// variables come from, the pods that may still read what is leaving, what a unit wants and finds to be somebody else's. Of each object
/// only its version, its mark and what it reads are kept.
package actor NamespaceFollowers {
    package struct Topic: Hashable, Sendable {
        package var kind: GroupVersionKind
        package var namespace: String
    }

    /// Why a unit follows something; each reason has topics of its own.
    package enum Purpose: Hashable, Sendable, CaseIterable { case materials, users, healthChecks, unlabelled, kubeconfig, token, login }

    private struct Follower: Hashable {
        var unit: Ownership
        var purpose: Purpose
    }

    private struct Interest {
        var topics: Set<Topic>
        /// nil for any object of the topics.
        var keys: Set<ObjectKey>?
        var bell: Bell
    }

    private struct Entry: Hashable {
        var version: String
        /// As `LiveObjects.mark(of:)`.
        var mark: Int
        /// The ConfigMaps and Secrets that it reads; empty for what does not run.
        var reads: Set<ObjectKey>
    }

    private struct Following {
        /// Of those that follow the same one after the other; what an earlier one still brings is not taken.
        var id: Int
        var task: Task<Void, Never>
        var isListed = false
        /// Why the server does not let it be looked at.
        var refusal: String?
        var entries: [ObjectKey: Entry] = [:]
    }

    private let api: any ClusterAPI
    private let clock: any AgentClock
    private var interests: [Follower: Interest] = [:]
    private var followings: [Topic: Following] = [:]
    private var nextID = 0

    package init(api: any ClusterAPI, clock: any AgentClock) {
        self.api = api
        self.clock = clock
    }

    // MARK: What units ask

    /// From now on `bell` rings when one of these objects changes, and at no other's change that was asked for before.
    package func follow(_ objects: [ObjectKey: GroupVersionKind], for unit: Ownership, _ purpose: Purpose, _ bell: Bell) {
        let topics = objects.map { Topic(kind: $0.value, namespace: $0.key.namespace) }
        set(topics.isEmpty ? nil : Interest(topics: Set(topics), keys: Set(objects.keys), bell: bell), of: unit, purpose)
    }

    /// From now on `bell` rings when what the pods and ReplicaSets of these namespaces read changes.
    package func followUsers(in namespaces: Set<String>, for unit: Ownership, _ bell: Bell) {
        let topics = namespaces.flatMap { namespace in Self.userKinds.map { Topic(kind: $0, namespace: namespace) } }
        set(topics.isEmpty ? nil : Interest(topics: Set(topics), keys: nil, bell: bell), of: unit, .users)
    }

    package func leave(_ unit: Ownership) {
        for purpose in Purpose.allCases { set(nil, of: unit, purpose) }
    }

    /// The versions of those that exist; nil while not all have been looked for.
    package func versions(of objects: [ObjectKey: GroupVersionKind]) -> [ObjectKey: String]? { entries(of: objects)?.mapValues(\.version) }

    /// As `versions(of:)`, for what `LiveObjects.mark(of:)` tells.
    func marks(of objects: [ObjectKey: GroupVersionKind]) -> [ObjectKey: Int]? { entries(of: objects)?.mapValues(\.mark) }

    private func entries(of objects: [ObjectKey: GroupVersionKind]) -> [ObjectKey: Entry]? {
        var result: [ObjectKey: Entry] = [:]
        for (key, kind) in objects {
            guard let following = followings[Topic(kind: kind, namespace: key.namespace)], following.isListed else { return nil }
            result[key] = following.entries[key]
        }
        return result
    }

    /// Who reads ConfigMaps and Secrets, as far as that may be known.
    package struct Users: Hashable, Sendable {
        /// A pod, or a ReplicaSet that has some, by what it reads.
        package var readers: [ObjectKey: ObjectKey] = [:]
        /// Of pods or ReplicaSets, why the server does not let them be listed; empty when all could be looked at.
        package var refusals: [String] = []
    }

    /// Who reads these; nil while that is not known yet.
    package func users(of keys: Set<ObjectKey>, in namespace: String) -> Users? {
        var result = Users()
        for kind in Self.userKinds {
            guard let following = followings[Topic(kind: kind, namespace: namespace)] else { return nil }
            if let refusal = following.refusal {
                result.refusals.append(refusal)
                continue
            }
            guard following.isListed else { return nil }
            for (user, entry) in following.entries { for key in entry.reads.intersection(keys) { result.readers[key] = user } }
        }
        return result
    }

    private static let userKinds = [
        GroupVersionKind(group: "apps", version: "v1", kind: "ReplicaSet"), GroupVersionKind(group: "", version: "v1", kind: "Pod"),
    ]

    // MARK: Following

    private func set(_ interest: Interest?, of unit: Ownership, _ purpose: Purpose) {
        let follower = Follower(unit: unit, purpose: purpose)
        guard interest != nil || interests[follower] != nil else { return }
        interests[follower] = interest
        for topic in interest?.topics ?? [] where followings[topic] == nil { start(topic) }
        let wanted = interests.values.reduce(into: Set<Topic>()) { $0.formUnion($1.topics) }
        for topic in followings.keys where !wanted.contains(topic) { followings.removeValue(forKey: topic)?.task.cancel() }
    }

    private func start(_ topic: Topic) {
        let follower = ObjectFollower(api: api, clock: clock, kind: topic.kind, namespace: topic.namespace, labelSelector: nil)
        let id = nextID
        nextID += 1
        let task = Task { [clock] in
            while !Task.isCancelled {
                await follower.run { await self.take($0, topic, id) }
                // Of a kind that the server does not know yet no event comes.
                try? await clock.sleep(for: .seconds(15))
            }
        }
        followings[topic] = Following(id: id, task: task)
    }

    private func take(_ change: ObjectFollower.Change, _ topic: Topic, _ id: Int) {
        guard let before = followings[topic], before.id == id else { return }
        var entries = before.entries
        switch change {
        case .all(let list): entries = Dictionary(list.map { ($0.key, Self.entry($0)) }) { $1 }
        case .present(let object): entries[object.key] = Self.entry(object)
        case .gone(let object): entries[object.key] = nil
        // Of a kind that the server does not know there is nothing; anything else leaves what is known as it is.
        case .failed(let error):
            if error.kind == .forbidden { return refuse(topic, error.message) }
            guard error.kind == .unknownKind else { return }
        }
        followings[topic]?.entries = entries
        followings[topic]?.isListed = true
        followings[topic]?.refusal = nil
        let isFirst = !before.isListed || before.refusal != nil
        for (follower, interest) in interests where interest.topics.contains(topic) {
            let isNews =
                interest.keys.map { keys in keys.contains { Self.isNews(entries[$0], after: before.entries[$0], to: follower.purpose) } }
                ?? (entries.mapValues(\.reads) != before.entries.mapValues(\.reads))
            if isFirst || isNews { interest.bell.ring() }
        }
    }

    private func refuse(_ topic: Topic, _ message: String) {
        guard followings[topic]?.refusal != message else { return }
        followings[topic]?.refusal = message
        for interest in interests.values where interest.topics.contains(topic) { interest.bell.ring() }
    }

    /// Of what is somebody else's the status, which may change all the time, concerns nobody who only wants it.
    private static func isNews(_ entry: Entry?, after old: Entry?, to purpose: Purpose) -> Bool {
        purpose == .unlabelled ? entry?.mark != old?.mark : entry?.version != old?.version
    }

    private static func entry(_ object: Manifest) -> Entry {
        Entry(
            version: object.resourceVersion, mark: LiveObjects.mark(of: object),
            reads: mayRun(object) ? PodReferences.keys(of: object) : [])
    }

    private static func mayRun(_ object: Manifest) -> Bool {
        switch object.kind {
        case "ReplicaSet": (object.value[path: "spec", "replicas"]?.int ?? 0) > 0
        case "Pod": !["Succeeded", "Failed"].contains(object.value[path: "status", "phase"]?.string)
        default: false
        }
    }
}
