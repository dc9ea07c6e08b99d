import KubernetesModel

/// What names a resource within a build: group, version, kind, name and namespace. The empty namespace and "default" are the
/// same, and kinds known as cluster-scoped have none. A class: ids are handed around too often to copy five strings each time.
final class ResourceID: Hashable, Sendable {
    let type: GroupVersionKind
    let name: String
    /// As written; empty where none is.
    let namespace: String
    let isClusterScoped: Bool

    init(type: GroupVersionKind, name: String, namespace: String, isClusterScoped: Bool) {
        self.type = type
        self.name = name
        self.namespace = namespace
        self.isClusterScoped = isClusterScoped
    }

    /// The namespace that counts in comparisons; a cluster-scoped resource has one of its own that no namespace is called.
    var effectiveNamespace: String {
        isClusterScoped ? Self.clusterScope : namespace.isEmpty ? "default" : namespace
    }

    static let clusterScope = "_non_namespaceable_"

    static func == (a: ResourceID, b: ResourceID) -> Bool {
        a === b || a.name == b.name && a.type == b.type && a.effectiveNamespace == b.effectiveNamespace
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(name)
        hasher.combine(type.kind)
        hasher.combine(effectiveNamespace)
    }

    /// `Deployment "web" in namespace "shop"`, for messages.
    var description: String {
        let kind = type.group.isEmpty ? type.kind : "\(type.kind).\(type.group)"
        return "\(kind) \"\(name)\"" + (isClusterScoped || namespace.isEmpty ? "" : " in namespace \"\(namespace)\"")
    }
}

/// A type with parts left open: an empty part matches any.
struct TypeSelector: Hashable {
    var group = ""
    var version = ""
    var kind = ""

    func selects(_ type: GroupVersionKind) -> Bool {
        (kind.isEmpty || kind == type.kind) && (group.isEmpty || group == type.group) && (version.isEmpty || version == type.version)
    }

    func isSelected(by other: TypeSelector) -> Bool {
        (other.kind.isEmpty || other.kind == kind) && (other.group.isEmpty || other.group == group)
            && (other.version.isEmpty || other.version == version)
    }
}
