import Cryptography
import Diagnostics
package import KubernetesClient
package import KubernetesModel
import YAML

/// What a Kustomization names as the way to another cluster, in its namespace: a Secret with a kubeconfig, or a ConfigMap that names a
/// ServiceAccount whose tokens that cluster takes.
package struct KubeconfigObject: Hashable, Sendable {
    let reference: KustomizationSpec.KubeconfigReference
    let kind: GroupVersionKind
    let key: ObjectKey

    package init(_ reference: KustomizationSpec.KubeconfigReference, namespace: String) {
        self.reference = reference
        let (kind, name) =
            switch reference {
            case .secret(let name, _): ("Secret", name)
            case .configMap(let name): ("ConfigMap", name)
            }
        self.kind = GroupVersionKind(group: "", version: "v1", kind: kind)
        key = ObjectKey(group: "", kind: kind, namespace: namespace, name: name)
    }

    /// - Parameter home: the cluster of the Kustomization.
    /// - Returns: The connection that it leads to, and the version of the object that it was read from.
    /// - Throws: `Diagnostic` when it is not there or not usable; `ClusterError` when the server cannot be asked.
    package func connection(_ home: any ClusterAPI) async throws -> (connection: ClusterConnection, version: String) {
        let object = try await home.get(kind, namespace: key.namespace, name: key.name)
        switch reference {
        case .secret(_, let field):
            let names = field.isEmpty ? ["value", "value.yaml"] : [field]
            guard let object else { throw missing(remedy: "make it, with the kubeconfig under the key `\(names[0])`") }
            return (try connection(of: object, under: names), object.resourceVersion)
        case .configMap:
            guard let object else {
                throw missing(
                    remedy: "make it, with provider: generic and the address, ca.crt, audiences and serviceAccountName to reach it with")
            }
            return (try WorkloadIdentity(of: object).connection(home), object.resourceVersion)
        }
    }

    /// What of that which opens the other cluster is gone; nil while all of it is there.
    func loss(_ home: any ClusterAPI) async throws -> ObjectKey? {
        guard let object = try await home.get(kind, namespace: key.namespace, name: key.name) else { return key }
        guard case .configMap = reference, let identity = try? WorkloadIdentity(of: object) else { return nil }
        let account = ObjectKey(group: "", kind: "ServiceAccount", namespace: identity.namespace, name: identity.account)
        return try await home.get(WorkloadIdentity.accountKind, namespace: account.namespace, name: account.name) == nil ? account : nil
    }

    private func missing(remedy: String) -> Diagnostic {
        Diagnostic(
            .error, "the kubeconfig cannot be read", subject: key.description, cause: "there is no such \(key.kind)", remedy: remedy)
    }

    private func connection(of secret: Manifest, under names: [String]) throws -> ClusterConnection {
        let data = secret.value["data"]
        guard let text = names.lazy.compactMap({ data?[$0]?.string }).first, let bytes = Base64.decode(text) else {
            throw Diagnostic(
                .error, "the kubeconfig cannot be read", subject: key.description,
                cause: "the Secret has no key " + names.joined(separator: " or "),
                remedy: "put the kubeconfig there, or name its key in spec.kubeConfig.secretRef.key")
        }
        return try Kubeconfig.connection(selfContained: String(decoding: bytes, as: UTF8.self), name: key.description)
    }
}
