import Diagnostics
import KubernetesClient
import KubernetesModel

/// Finds an object by what a person calls it.
struct ObjectLookUp {
    let api: KubernetesClient

    /// - Parameter text: `deployment/web/site`, `Namespace/web`, `gateway.networking.istio.io/web/site`; the kind in any case, or its
    ///   plural, and its group where several have one of that name.
    func object(_ text: String) async throws -> Manifest {
        let parts = text.split(separator: "/").map(String.init)
        guard parts.count == 2 || parts.count == 3 else {
            throw Diagnostic(
                .error, "\(text) is no object", remedy: "KIND/NAME, or KIND/NAMESPACE/NAME; KIND.GROUP where several groups have the kind")
        }
        let known = Self.kinds(called: parts[0], among: try await api.resources())
        guard !known.isEmpty else {
            throw Diagnostic(.error, "the cluster knows no kind \(parts[0])", remedy: "`kubectl api-resources` lists the kinds")
        }
        let name = parts[parts.count - 1]
        for resource in known {
            let namespace = resource.isNamespaced ? (parts.count == 3 ? parts[1] : "default") : ""
            if let found = try await api.get(resource.kind, namespace: namespace, name: name) { return found }
        }
        let place = known.contains(where: \.isNamespaced) ? " in \(parts.count == 3 ? parts[1] : "default")" : ""
        let kinds = known.count == 1 ? known[0].kind.kind : known.map(\.kind.groupKind.description).joined(separator: " and no ")
        throw Diagnostic(.error, "there is no \(kinds) \(name)" + place)
    }

    /// One for each group that has the kind, in the order of the cluster.
    /// - Parameter name: `deployment`, `Deployments`, `deployments.apps`.
    static func kinds(called name: String, among known: [APIResource]) -> [APIResource] {
        let parts = name.lowercased().split(separator: ".", maxSplits: 1).map(String.init)
        guard let kind = parts.first else { return [] }
        var seen: Set<GroupKind> = []
        return known.filter { resource in
            guard resource.kind.kind.lowercased() == kind || resource.plural == kind else { return false }
            guard parts.count == 1 || resource.kind.group == parts[1] else { return false }
            return seen.insert(resource.kind.groupKind).inserted
        }
    }
}
