import KubernetesModel

/// The order of a build's output.
enum SortOrder {
    static let first = [
        "Namespace", "ResourceQuota", "StorageClass", "CustomResourceDefinition", "ServiceAccount", "PodSecurityPolicy", "Role",
        "ClusterRole", "RoleBinding", "ClusterRoleBinding", "ConfigMap", "Secret", "Endpoints", "Service", "LimitRange", "PriorityClass",
        "PersistentVolume", "PersistentVolumeClaim", "Deployment", "StatefulSet", "CronJob", "PodDisruptionBudget",
    ]
    static let last = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]

    /// A class, so that sorting moves references.
    fileprivate final class Key {
        let rank: Int
        let type: [UInt8]
        let id: [UInt8]
        let resource: Resource

        init(rank: Int, type: [UInt8], id: [UInt8], resource: Resource) {
            self.rank = rank
            self.type = type
            self.id = id
            self.resource = resource
        }
    }

    /// kustomize's "legacy" order: some kinds first, some last, the others between them by group, version and kind.
    static func legacy(_ resources: [Resource], first: [String] = first, last: [String] = last) -> [Resource] {
        var ranks: [String: Int] = [:]
        for (index, kind) in first.enumerated() { ranks[kind] = index - first.count }
        for (index, kind) in last.enumerated() { ranks[kind] = index + 1 }
        let keys = resources.map { resource in
            let id = resource.id
            return Key(rank: ranks[id.type.kind] ?? 0, type: typeText(id.type), id: idText(id), resource: resource)
        }
        return keys.sorted { a, b in
            if a.rank != b.rank { return a.rank < b.rank }
            if a.type != b.type {
                // Of two kinds called Namespace the core one comes first, though its text is the greater.
                let reversed = a.resource.kind == "Namespace" && b.resource.kind == "Namespace" && (a.isCore || b.isCore)
                return a.type.lexicographicallyPrecedes(b.type) != reversed
            }
            return a.id.lexicographicallyPrecedes(b.id)
        }.map(\.resource)
    }

    private static func typeText(_ type: GroupVersionKind) -> [UInt8] {
        func part(_ text: String, _ none: String) -> String { text.isEmpty ? none : text }
        return Array("\(part(type.group, "~G"))_\(part(type.version, "~V"))_\(part(type.kind, "~K"))".utf8)
    }

    private static func idText(_ id: ResourceID) -> [UInt8] {
        func part(_ text: String, _ none: String) -> String { text.isEmpty ? none : text }
        let type = "\(part(id.type.kind, "[noKind]")).\(part(id.type.version, "[noVer]")).\(part(id.type.group, "[noGrp]"))"
        return Array("\(type)|\(part(id.namespace, "~X"))|\(part(id.name, "~N"))".utf8)
    }
}

extension SortOrder.Key {
    fileprivate var isCore: Bool { resource.type.group.isEmpty }
}

/// The order a kustomization asks for with `sortOptions`, or a SortOrderTransformer.
struct SortTransformer: Transformer {
    let options: SortOptions?
    let kind = "SortOrderTransformer"

    func transform(_ set: ResourceSet, _ report: Report) {
        guard let options else { return }
        switch options.order {
        case "legacy":
            let isDefault = options.first == nil && options.last == nil
            set.reorder(
                isDefault ? SortOrder.legacy(set.all) : SortOrder.legacy(set.all, first: options.first ?? [], last: options.last ?? []))
        case "fifo":
            if options.first != nil || options.last != nil {
                report.add("legacySortOptions are only for the order \"legacy\", not \"fifo\"")
            }
        default: report.add("order must be fifo or legacy, not \"\(options.order)\"")
        }
    }
}
