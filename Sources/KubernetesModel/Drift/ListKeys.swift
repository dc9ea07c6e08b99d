import YAML

/// Which lists of an object are maps in disguise: their items are matched by key fields, not by position.
package struct ListKeys: Sendable {
    /// By the keys on the way to the list, without positions: `spec.template.spec.containers`.
    private var byPath: [[String]: [String]]
    private let isBuiltIn: Bool

    /// The key fields of the list at `path`; nil when it is compared as a whole. An empty array means a set of scalars.
    package func keys(at path: [String]) -> [String]? {
        if let exact = byPath[path] { return exact }
        if path.first == "metadata" { return Self.metadataLists[path.last ?? ""] }
        guard isBuiltIn, let field = path.last else { return nil }
        if field == "ports" { return path == ["spec", "ports"] ? ["port", "protocol"] : ["containerPort", "protocol"] }
        return Self.builtInLists[field]
    }

    /// For a kind of Kubernetes itself, from its API's `patchMergeKey` and `listMapKey` markers; for others nothing is known.
    package init(for kind: GroupVersionKind) {
        isBuiltIn = ListKeys.isBuiltIn(kind.group)
        byPath = [:]
    }

    /// For a custom resource: what its definition's schema says (`x-kubernetes-list-type`, `x-kubernetes-list-map-keys`).
    package init(definition: Manifest, version: String) {
        isBuiltIn = false
        byPath = [:]
        let versions = definition.value[path: "spec", "versions"]?.array ?? []
        if let schema = versions.first(where: { $0["name"]?.string == version })?[path: "schema", "openAPIV3Schema"] {
            collect(schema, at: [])
        }
    }

    private mutating func collect(_ schema: Value, at path: [String]) {
        switch schema["x-kubernetes-list-type"]?.string {
        case "map": byPath[path] = (schema["x-kubernetes-list-map-keys"]?.array ?? []).compactMap(\.string)
        case "set": byPath[path] = []
        default: break
        }
        for property in schema["properties"]?.object ?? Object() { collect(property.value, at: path + [property.key]) }
        if let items = schema["items"] { collect(items, at: path) }
    }

    /// Whether the kinds of a group are Kubernetes' own, so that its typed defaults and omissions apply to them.
    static func isBuiltIn(_ group: String) -> Bool { !group.contains(".") || builtInGroups.contains(group) }

    private static let builtInGroups: Set<String> = [
        "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "certificates.k8s.io", "coordination.k8s.io",
        "discovery.k8s.io", "events.k8s.io", "flowcontrol.apiserver.k8s.io", "networking.k8s.io", "node.k8s.io",
        "rbac.authorization.k8s.io", "scheduling.k8s.io", "storage.k8s.io", "resource.k8s.io",
    ]

    private static let metadataLists: [String: [String]] = ["ownerReferences": ["uid"], "finalizers": []]

    private static let builtInLists: [String: [String]] = [
        "containers": ["name"], "initContainers": ["name"], "ephemeralContainers": ["name"], "volumes": ["name"], "env": ["name"],
        "volumeMounts": ["mountPath"], "volumeDevices": ["devicePath"], "imagePullSecrets": ["name"], "hostAliases": ["ip"],
        "topologySpreadConstraints": ["topologyKey", "whenUnsatisfiable"], "secrets": ["name"], "webhooks": ["name"],
        "conditions": ["type"], "resourceClaims": ["name"], "schedulingGates": ["name"], "podFailurePolicy": ["action"],
        "matchConditions": ["name"],
    ]
}
