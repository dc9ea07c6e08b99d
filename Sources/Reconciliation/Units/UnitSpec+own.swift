import Diagnostics
import KubernetesModel
import Kustomize
import SyncPlanning

extension UnitSpec {
    /// Takes over how the Kustomization that Flux' bootstrap left in the repository for the agent's own directory is built and applied. Its name,
    /// path, source, order and waits are the agent's own.
    /// - Parameter given: holds where there is no such Kustomization.
    mutating func take(own: Manifest?, otherwise given: UnitSpec) {
        let said = own.map { UnitSpec(of: $0) } ?? given
        definedIn = own?.namespace
        overlay = said.overlay
        variables = said.variables
        isDecrypting = said.isDecrypting
        decryptionSecret = said.decryptionSecret
        forces = said.forces
        ignoreRules = said.ignoreRules
        serviceAccount = said.serviceAccount
        retryLimit = said.retryLimit
        prune.isEnabled = said.prune.isEnabled
    }

    /// What a Kustomization says in vain when it is the agent's own unit's.
    var withoutEffect: [String] {
        warnings
            + (dependsOn.isEmpty ? [] : ["spec.dependsOn: the agent's own unit makes the others and waits for none"])
            + (isSuspended ? ["spec.suspend: `homelab suspend` leaves the agent's own unit alone"] : [])
            + (kubeconfig == nil ? [] : ["spec.kubeConfig: the agent's own unit is applied to its own cluster"])
    }
}

extension FluxComponents {
    /// The Kustomization for the agent's own directory as the files have it, whether or not they can be decrypted.
    /// - Throws: why the directory cannot be built; what lies in other repositories is not fetched.
    static func own(in files: some FileTree, at path: String) throws(Diagnostics) -> Manifest? {
        var options = BuildOptions(generatesMissingKustomization: true)
        options.loadRestriction = .none
        return FluxComponents(try KustomizeBuild(files: files, options: options).result(path).manifests, path: path).own
    }
}
