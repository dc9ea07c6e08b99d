package import KubernetesModel
package import YAML

/// What tests do behind the back of the code under test.
extension FakeClusterAPI {
    struct InjectedFailure {
        var verb: Verb?
        var kind: GroupKind?
        var name: String?
        var user: String?
        var error: ClusterError
        var times: Int

        func matches(_ verb: Verb, _ kind: GroupKind, _ name: String, _ user: String?) -> Bool {
            (self.verb ?? verb) == verb && (self.kind ?? kind) == kind && (self.name ?? name) == name && (self.user ?? user) == user
        }
    }

    struct Happening {
        var verb: Verb
        var name: String
        var work: @Sendable (FakeClusterAPI) async -> Void
    }

    /// While the next call that matches is on its way, something happens in the cluster, and everybody has the time to hear of it.
    package func during(_ verb: Verb, name: String, _ work: @escaping @Sendable (FakeClusterAPI) async -> Void) {
        happenings.append(Happening(verb: verb, name: name, work: work))
    }

    func pass(_ verb: Verb, _ name: String) async throws {
        guard let index = happenings.firstIndex(where: { ($0.verb, $0.name) == (verb, name) }) else { return }
        await happenings.remove(at: index).work(self)
        try await Task.sleep(for: .milliseconds(100))
    }

    /// The next `times` calls that match are refused with `error`.
    /// - Parameter user: with whose rights they are made; nil for anybody's.
    package func fail(
        _ verb: Verb? = nil, kind: GroupKind? = nil, name: String? = nil, user: String? = nil, with error: ClusterError, times: Int = 1
    ) {
        failures.append(InjectedFailure(verb: verb, kind: kind, name: name, user: user, error: error, times: times))
    }

    /// No call is refused any more that was to be.
    package func mend() { failures = [] }

    package func setReachable(_ reachable: Bool) {
        isReachable = reachable
        if !reachable { endWatches(throwing: ClusterError(.unreachable, subject: "watch", message: "connection reset")) }
    }

    package func answer(_ path: String, status: Int = 200, body: String) { rawAnswers[path] = (status, body) }

    package func register(_ resource: APIResource) { resources[resource.kind.groupKind] = resource }

    /// Writes as another client would: a person with kubectl, a controller.
    @discardableResult
    package func put(_ manifest: Manifest, manager: String = "kubectl-edit") -> Manifest {
        let key = manifest.key
        ownership[key, default: FieldOwnership()].update(
            from: objects[key]?.value ?? .null, to: manifest.value, manager: manager, listKeys: ListKeys(for: manifest.groupVersionKind))
        return store(manifest, at: key)
    }

    /// Sets `status` as a controller does; nothing happens to an object that does not exist.
    package func setStatus(_ key: ObjectKey, _ status: Value) {
        guard var manifest = objects[key] else { return }
        manifest.value["status"] = status
        store(manifest, at: key)
    }

    package func edit(_ key: ObjectKey, _ change: @Sendable (inout Value) -> Void) {
        guard var manifest = objects[key] else { return }
        change(&manifest.value)
        put(manifest)
    }

    /// Deletes as another client would.
    package func remove(_ key: ObjectKey) { markOrRemove(key) }

    package func object(_ key: ObjectKey) -> Manifest? { objects[key] }
    package var keys: [ObjectKey] { objects.keys.sorted() }
    package var watchCount: Int { watchers.count }

    /// Ends every watch: normally, as a server does after some minutes, or with an error.
    package func endWatches(throwing error: ClusterError? = nil) {
        for watcher in watchers.values { watcher.continuation.finish(throwing: error) }
        watchers = [:]
    }

    /// All that a restore brings back.
    package struct Snapshot: Sendable {
        var objects: [ObjectKey: Manifest]
        var ownership: [ObjectKey: FieldOwnership]
        var clock: Int64
    }

    package func snapshot() -> Snapshot { Snapshot(objects: objects, ownership: ownership, clock: clock) }

    /// Sets the cluster back to an earlier state, as a restored etcd does: its versions go on from where they were then.
    package func restore(_ snapshot: Snapshot) {
        (objects, ownership, clock) = (snapshot.objects, snapshot.ownership, snapshot.clock)
        history.removeAll { $0.version > snapshot.clock }
        compactedBefore = min(compactedBefore, clock)
        endWatches(throwing: ClusterError(.unreachable, subject: "watch", message: "connection reset"))
    }

    /// Forgets the past: a watch from an older resourceVersion is answered with 410.
    package func compact() {
        compactedBefore = clock
        history = []
    }
}

extension FakeClusterAPI {
    /// The kinds of Kubernetes that the project's tests use.
    package static let builtInResources: [APIResource] =
        namespaced.map { resource($0, isNamespaced: true) }
        + clusterWide.map { resource($0, isNamespaced: false) }

    private static func resource(_ entry: (group: String, kind: String, plural: String), isNamespaced: Bool) -> APIResource {
        APIResource(
            kind: GroupVersionKind(group: entry.group, version: "v1", kind: entry.kind), plural: entry.plural, isNamespaced: isNamespaced,
            verbs: ["get", "list", "watch", "create", "update", "patch", "delete"])
    }

    private static let namespaced: [(group: String, kind: String, plural: String)] = [
        ("", "ConfigMap", "configmaps"), ("", "Secret", "secrets"), ("", "Service", "services"),
        ("", "ServiceAccount", "serviceaccounts"), ("", "Pod", "pods"), ("", "Event", "events"),
        ("", "PersistentVolumeClaim", "persistentvolumeclaims"), ("apps", "Deployment", "deployments"),
        ("apps", "ReplicaSet", "replicasets"), ("apps", "StatefulSet", "statefulsets"), ("apps", "DaemonSet", "daemonsets"),
        ("batch", "Job", "jobs"), ("networking.k8s.io", "Ingress", "ingresses"), ("rbac.authorization.k8s.io", "Role", "roles"),
        ("rbac.authorization.k8s.io", "RoleBinding", "rolebindings"), ("coordination.k8s.io", "Lease", "leases"),
    ]

    private static let clusterWide: [(group: String, kind: String, plural: String)] = [
        ("", "Namespace", "namespaces"), ("", "Node", "nodes"), ("", "PersistentVolume", "persistentvolumes"),
        ("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions"),
        ("rbac.authorization.k8s.io", "ClusterRole", "clusterroles"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding", "clusterrolebindings"), ("storage.k8s.io", "StorageClass", "storageclasses"),
    ]
}
