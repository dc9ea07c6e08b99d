import Diagnostics
import KubernetesClient
import KubernetesModel

/// Finds an object by what a person calls it.
struct ObjectLookUp {
    let api: KubernetesClient

    /// - Parameter text: `deployment/web/site`, `Namespace/web`; the kind in any case, or its plural.
    func object(_ text: String) async throws -> Manifest {
        let parts = text.split(separator: "/").map(String.init)
        guard parts.count == 2 || parts.count == 3 else {
            throw Diagnostic(.error, "\(text) is no object", remedy: "KIND/NAME, or KIND/NAMESPACE/NAME")
        }
        let kind = parts[0].lowercased()
        let known = try await api.resources().filter { $0.kind.kind.lowercased() == kind || $0.plural == kind }
        guard let resource = known.first else {
            throw Diagnostic(.error, "the cluster knows no kind \(parts[0])", remedy: "`kubectl api-resources` lists the kinds")
        }
        let namespace = resource.isNamespaced ? (parts.count == 3 ? parts[1] : "default") : ""
        guard let found = try await api.get(resource.kind, namespace: namespace, name: parts[parts.count - 1]) else {
            throw Diagnostic(
                .error, "there is no \(resource.kind.kind) \(parts[parts.count - 1])" + (namespace.isEmpty ? "" : " in \(namespace)"))
        }
        return found
    }
}
