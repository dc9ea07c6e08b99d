/// The identity of an object in a cluster, whatever version it is read in; `namespace` is empty for cluster-scoped objects.
package struct ObjectKey: Hashable, Sendable, Comparable, CustomStringConvertible {
    package var group: String
    package var kind: String
    package var namespace: String
    package var name: String

    package init(group: String, kind: String, namespace: String = "", name: String) {
        self.group = group
        self.kind = kind
        self.namespace = namespace
        self.name = name
    }

    package var groupKind: GroupKind { GroupKind(group: group, kind: kind) }

    /// `Deployment/web/frontend`, `Namespace/web`, with the group only where the kind alone could be mistaken.
    package var description: String {
        let kind = group.isEmpty || Self.wellKnownGroups.contains(group) ? kind : "\(kind).\(group)"
        return namespace.isEmpty ? "\(kind)/\(name)" : "\(kind)/\(namespace)/\(name)"
    }

    private static let wellKnownGroups: Set<String> = ["apps", "batch", "networking.k8s.io", "rbac.authorization.k8s.io", "policy"]

    package static func < (a: Self, b: Self) -> Bool {
        (a.namespace, a.kind, a.group, a.name) < (b.namespace, b.kind, b.group, b.name)
    }
}
