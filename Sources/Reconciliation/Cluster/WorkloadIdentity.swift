package import Diagnostics
import HTTP
import KubernetesClient
package import KubernetesModel
import YAML

/// A way to another cluster without a secret that lasts: its API server takes the tokens that this cluster gives a ServiceAccount. What
/// Flux' ConfigMaps for `spec.kubeConfig.configMapRef` say with `provider: generic`.
package struct WorkloadIdentity: Hashable, Sendable {
    static let accountKind = GroupVersionKind(group: "", version: "v1", kind: "ServiceAccount")

    /// `https://host:port`, in lower case, as a client of Flux would write it.
    package let address: String
    /// PEM; nil for the authorities that this machine trusts.
    package let authority: String?
    package let namespace: String
    /// The ServiceAccount, in the namespace of the ConfigMap.
    package let account: String
    package let audiences: [String]

    /// - Throws: `Diagnostic` that names what is missing or cannot be done.
    package init(of configMap: Manifest) throws(Diagnostic) {
        func text(_ key: String) -> String? {
            configMap.value[path: "data", key]?.string.flatMap { text in text.contains { !$0.isWhitespace } ? text : nil }
        }
        func problem(_ cause: String, _ remedy: String) -> Diagnostic {
            Diagnostic(
                .error, "the way to the other cluster cannot be used", subject: configMap.key.description, at: configMap.origin,
                cause: cause, remedy: remedy)
        }
        let provider = text("provider") ?? ""
        switch provider {
        case "generic": break
        case "": throw problem("`provider` is missing", "add provider: generic")
        case "aws", "azure", "gcp":
            throw problem(
                "`provider` is \(provider), whose credentials only its own machines are given, and none in a cupboard is",
                "write provider: generic and let that cluster take tokens of a ServiceAccount of this one, or put a kubeconfig into a Secret "
                    + "and name it in spec.kubeConfig.secretRef")
        default: throw problem("`provider` is \(provider), which is not known", "write provider: generic")
        }
        guard let given = text("address") else {
            throw problem("`address` is missing", "add the address of the API server, https://HOST:PORT")
        }
        guard let address = Self.canonical(given) else {
            throw problem("`address` is \(given)", "write it as https://HOST:PORT")
        }
        guard let account = text("serviceAccountName") else {
            throw problem(
                "`serviceAccountName` is missing, and the agent itself is no ServiceAccount",
                "name a ServiceAccount in the namespace \(configMap.namespace)")
        }
        self.address = address
        authority = text("ca.crt")
        namespace = configMap.namespace
        self.account = account.filter { !$0.isWhitespace }
        let listed = Self.list(text("audiences") ?? "")
        audiences = listed.isEmpty ? [address] : listed
    }

    /// One in each line, or a list in YAML: Flux has taken both.
    private static func list(_ text: String) -> [String] {
        if let items = (try? YAMLReader.values(text, file: "audiences"))?.first?.array { return items.compactMap(\.string) }
        return text.split(separator: "\n").map { $0.filter { !$0.isWhitespace } }.filter { !$0.isEmpty }
    }

    /// - Parameter issuer: the cluster that has the ServiceAccount.
    func connection(_ issuer: any ClusterAPI) -> ClusterConnection {
        let credential = ServiceAccountCredential(namespace: namespace, name: account, audiences: audiences, issuer: issuer)
        return ClusterConnection(server: address, tls: TLSOptions(trustRoots: authority), credentials: .serviceAccount(credential))
    }

    /// The host and port alone, 443 where none is given; nil for what is not reached by https.
    private static func canonical(_ address: String) -> String? {
        let text = address.filter { !$0.isWhitespace }.lowercased()
        let rest = text.hasPrefix("https://") ? text.dropFirst("https://".count) : text[...]
        let authority = rest.prefix { $0 != "/" }
        guard !rest.contains("://"), !authority.isEmpty, !authority.contains("@"), !authority.hasPrefix(":") else { return nil }
        // The colons of an IPv6 address are in brackets.
        guard authority.hasPrefix("[") || authority.count(where: { $0 == ":" }) <= 1 else { return nil }
        let colon = authority.hasSuffix("]") ? nil : authority.lastIndex(of: ":")
        guard let colon else { return "https://\(authority):443" }
        guard let port = Int(authority[authority.index(after: colon)...]), (1...65535).contains(port) else { return nil }
        return "https://\(authority)"
    }
}
