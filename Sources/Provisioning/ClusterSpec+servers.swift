internal import Diagnostics
internal import FileSystem
internal import NodeInventory
internal import NodePlanning
internal import YAML

/// The operator's secrets, as far as the servers have them.
extension ClusterSpec {
    /// The operator's files are not on the servers: what bootstrap brought from them is. A list of signers that bootstrap has not brought
    /// yet is not asked for, since only bootstrap may begin with one.
    func asServersHoldIt(isThere: (String) -> Bool = Files.exists) -> ClusterSpec {
        var spec = self
        if repository.token != nil, isThere(NodeLayout.repositoryToken) { spec.repository.token = .file(NodeLayout.repositoryToken) }
        if repository.ca != nil, isThere(NodeLayout.repositoryCA) { spec.repository.ca = .file(NodeLayout.repositoryCA) }
        if isThere(NodeLayout.webhookSecret) { spec.agent.webhook?.secret = .file(NodeLayout.webhookSecret) }
        spec.repository.signers = repository.signers != nil && isThere(NodeLayout.allowedSigners) ? .file(NodeLayout.allowedSigners) : nil
        return spec
    }

    /// The secrets of registries.yaml that cannot be had on this server by their references, as its own file has them at the same places.
    /// - Parameter written: that file; nil when there is none.
    func borrowedSecrets(from written: String?, lackedBy secrets: SecretSource) -> [SecretReference: Secret] {
        guard let registries = k3s.registries, let written,
            let own = (try? YAMLReader.values(written, file: NodeLayout.registries))?.first
        else { return [:] }
        let lacked = Registries.secrets(of: .object(registries), in: own).filter { reference, _ in
            (try? secrets.secret(reference, question: "Secret for registries.yaml", subject: "cluster \"\(name)\"")) == nil
        }
        return lacked.mapValues { Secret($0) }
    }
}
