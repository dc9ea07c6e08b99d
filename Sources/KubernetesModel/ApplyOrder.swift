/// What has to be there before the next objects are sent. None is waited for until it is healthy: an object whose definition is not served
/// yet waits by itself for the event that it is, and the rest goes on.
package enum ApplyStage: Int, Hashable, Sendable, Comparable, CaseIterable {
    /// CustomResourceDefinition, Namespace, ClusterRole: the rest cannot be accepted without them.
    case definitions
    /// Kinds that end in `Class`: others name them.
    case classes
    case workloads
    /// Admission webhooks: registered after what serves them, or they would refuse their own server's pods.
    case admission

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// The order in which objects are applied, and reversed in which they are deleted.
///
/// The table is the one Flux uses (fluxcd/pkg `ssa`): a repository written for it finds the same order here.
package enum ApplyOrder {
    /// Position of a kind: objects of one position may be sent side by side, a lower position goes first.
    package static func rank(of kind: GroupKind) -> Int {
        if let first = firstKinds[kind] { return first }
        if lastKinds.contains(kind) { return kind.kind.hasPrefix("Mutating") ? 1001 : 1002 }
        return kind.kind.hasSuffix("Class") ? classRank : 1000
    }

    package static func stage(of kind: GroupKind) -> ApplyStage {
        if definitionKinds.contains(kind) { return .definitions }
        if kind.kind.hasSuffix("Class") { return .classes }
        return lastKinds.contains(kind) ? .admission : .workloads
    }

    /// In the order of application; equal ranks go by group, kind, namespace and name, so the same objects always give the same order.
    package static func sorted<Element>(_ elements: [Element], by key: (Element) -> ObjectKey) -> [Element] {
        elements.map { (place: place(of: key($0)), element: $0) }.sorted { $0.place < $1.place }.map(\.element)
    }

    package static func sorted(_ keys: [ObjectKey]) -> [ObjectKey] { sorted(keys, by: \.self) }

    /// In the order of deletion: users before what they use.
    package static func sortedForDeletion(_ keys: [ObjectKey]) -> [ObjectKey] { sorted(keys).reversed() }

    /// The stages that have objects, in order, and each stage's objects in order.
    package static func stages(of keys: [ObjectKey]) -> [(stage: ApplyStage, keys: [ObjectKey])] {
        let byStage = Dictionary(grouping: sorted(keys)) { stage(of: $0.groupKind) }
        return ApplyStage.allCases.compactMap { stage in byStage[stage].map { (stage, $0) } }
    }

    /// Runs of equal rank: each may be sent in parallel once the one before it has been.
    package static func waves(of keys: [ObjectKey]) -> [[ObjectKey]] {
        var waves: [[ObjectKey]] = []
        var lastRank: Int?
        for key in sorted(keys) {
            let rank = rank(of: key.groupKind)
            if rank == lastRank, !waves.isEmpty {
                waves[waves.count - 1].append(key)
            } else {
                waves.append([key])
            }
            lastRank = rank
        }
        return waves
    }

    private struct Place: Comparable {
        var rank: Int
        var key: ObjectKey

        static func < (a: Place, b: Place) -> Bool {
            if a.rank != b.rank { return a.rank < b.rank }
            return (a.key.group, a.key.kind, a.key.namespace, a.key.name) < (b.key.group, b.key.kind, b.key.namespace, b.key.name)
        }
    }

    private static func place(of key: ObjectKey) -> Place { Place(rank: rank(of: key.groupKind), key: key) }

    private static let definitionKinds: Set<GroupKind> = [
        GroupKind(group: "apiextensions.k8s.io", kind: "CustomResourceDefinition"),
        GroupKind(group: "", kind: "Namespace"),
        GroupKind(group: "rbac.authorization.k8s.io", kind: "ClusterRole"),
    ]

    private static let lastKinds: Set<GroupKind> = [
        GroupKind(group: "admissionregistration.k8s.io", kind: "MutatingWebhookConfiguration"),
        GroupKind(group: "admissionregistration.k8s.io", kind: "ValidatingWebhookConfiguration"),
    ]

    private static let classRank = 10

    private static let firstKinds: [GroupKind: Int] = [
        GroupKind(group: "apiextensions.k8s.io", kind: "CustomResourceDefinition"): 0,
        GroupKind(group: "", kind: "Namespace"): 1,
        GroupKind(group: "rbac.authorization.k8s.io", kind: "ClusterRole"): 2,
        // 3 to 9: classes that other classes name; any further kind ending in Class has 10.
        GroupKind(group: "cluster.x-k8s.io", kind: "ClusterClass"): 3,
        GroupKind(group: "node.k8s.io", kind: "RuntimeClass"): 4,
        GroupKind(group: "scheduling.k8s.io", kind: "PriorityClass"): 5,
        GroupKind(group: "storage.k8s.io", kind: "StorageClass"): 6,
        GroupKind(group: "snapshot.storage.k8s.io", kind: "VolumeSnapshotClass"): 7,
        GroupKind(group: "networking.k8s.io", kind: "IngressClass"): 8,
        GroupKind(group: "gateway.networking.k8s.io", kind: "GatewayClass"): 9,
        GroupKind(group: "rbac.authorization.k8s.io", kind: "ClusterRoleBinding"): 20,
        GroupKind(group: "", kind: "ResourceQuota"): 21,
        GroupKind(group: "", kind: "ServiceAccount"): 22,
        GroupKind(group: "rbac.authorization.k8s.io", kind: "Role"): 23,
        GroupKind(group: "rbac.authorization.k8s.io", kind: "RoleBinding"): 24,
        GroupKind(group: "", kind: "ConfigMap"): 25,
        GroupKind(group: "", kind: "Secret"): 26,
        GroupKind(group: "", kind: "Service"): 27,
        GroupKind(group: "", kind: "LimitRange"): 28,
        GroupKind(group: "apps", kind: "Deployment"): 29,
        GroupKind(group: "apps", kind: "StatefulSet"): 30,
        GroupKind(group: "batch", kind: "CronJob"): 31,
        GroupKind(group: "policy", kind: "PodDisruptionBudget"): 32,
    ]
}
