import Cryptography
import Diagnostics
package import KubernetesClient
package import KubernetesModel
import YAML

/// The kubeconfig that a Kustomization names: a Secret in its namespace.
package struct KubeconfigSecret: Hashable, Sendable {
    static let kind = GroupVersionKind(group: "", version: "v1", kind: "Secret")

    let reference: KustomizationSpec.KubeconfigReference
    let key: ObjectKey

    package init(_ reference: KustomizationSpec.KubeconfigReference, namespace: String) {
        self.reference = reference
        key = ObjectKey(group: "", kind: "Secret", namespace: namespace, name: reference.secret)
    }

    /// - Returns: The connection of its current context, and the version of the Secret that it was read from.
    /// - Throws: `Diagnostic` when it is not there or not usable; `ClusterError` when the server cannot be asked.
    package func connection(_ api: any ClusterAPI) async throws -> (connection: ClusterConnection, version: String) {
        guard let secret = try await api.get(Self.kind, namespace: key.namespace, name: key.name) else {
            throw Diagnostic(
                .error, "the kubeconfig cannot be read", subject: key.description, cause: "there is no such Secret",
                remedy: "make it, with the kubeconfig under the key `\(reference.key.isEmpty ? "value" : reference.key)`")
        }
        let data = secret.value["data"]
        let names = reference.key.isEmpty ? ["value", "value.yaml"] : [reference.key]
        guard let text = names.lazy.compactMap({ data?[$0]?.string }).first, let bytes = Base64.decode(text) else {
            throw Diagnostic(
                .error, "the kubeconfig cannot be read", subject: key.description,
                cause: "the Secret has no key " + names.joined(separator: " or "),
                remedy: "put the kubeconfig there, or name its key in spec.kubeConfig.secretRef.key")
        }
        let connection = try Kubeconfig.connection(selfContained: String(decoding: bytes, as: UTF8.self), name: key.description)
        return (connection, secret.resourceVersion)
    }
}
