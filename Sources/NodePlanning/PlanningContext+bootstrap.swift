internal import Cryptography
internal import NodeInventory

/// What only `homelab bootstrap` can bring, since an agent has none of the operator's secrets.
extension PlanningContext {
    static let onlyBootstrapHas = "holds a secret that only homelab bootstrap has"
    static let bootstrapRemedy = "run `homelab bootstrap`"

    /// Whether an agent leaves a file with secrets on a machine as it is. It gives one that has no such file what its own server has; another
    /// one may have been given something newer.
    func leavesToBootstrap(_ file: PlannedFile, _ facts: NodeFacts) -> Bool {
        guard acting != nil, !file.secrets.isEmpty else { return false }
        guard let text = file.resolved(secrets) else { return true }
        guard file.secrets.values.contains(where: borrowed.contains), case .file(let sha256?, _, _, _)? = facts.files[file.path] else {
            return false
        }
        return sha256 != SHA256.hex(of: text)
    }

    /// The same of a file that is nothing but a secret: one that is there stays.
    func leavesToBootstrap(_ secret: SecretReference, to path: String, _ facts: NodeFacts) -> Bool {
        guard acting != nil, secrets[secret] == nil else { return false }
        if case .file? = facts.files[path] { return false }
        return true
    }
}
