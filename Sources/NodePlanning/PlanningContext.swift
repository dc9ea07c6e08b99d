package import Diagnostics
package import NodeInventory

/// What the planner must know that neither the inventory nor the nodes say.
package struct PlanningContext: Hashable, Sendable {
    /// sha256 of the k3s binary of the wanted version, for each architecture that could be had.
    package var k3s: [Architecture: String]
    /// The images of the wanted version, for each architecture: where the inventory says `airgap`, and where the archive lies beside the
    /// binary in the folder they come from.
    package var images: [Architecture: ImageArchive]
    /// sha256 of this program's binary, for each architecture that could be had.
    package var homelab: [Architecture: String]
    /// What the secrets are that files hold (registries.yaml): needed to compare hashes; they never enter the plan.
    package var secrets: [SecretReference: Secret]
    /// Those of `secrets` for which an agent took what its own server's registries.yaml has in their places.
    package var borrowed: Set<SecretReference>
    /// The local kubeconfig for this cluster exists and points at it.
    package var hasKubeconfig: Bool
    /// Whether this run brings a kubeconfig home at all (the CLI does, the agent does not).
    package var wantsKubeconfig: Bool
    /// Whether servers that have another build of this program get this one: a bootstrap brings its own, while an agent must not undo
    /// what a newer one put there.
    package var replacesHomelab: Bool
    /// Work only on these nodes; empty: on all.
    package var only: Set<String>
    /// The server on which snapshots are kept beside the node they are of, when it is the agent that acts; nil for the operator's machine.
    package var acting: String?

    package init(k3s: [Architecture: String], homelab: [Architecture: String]) {
        self.k3s = k3s
        self.homelab = homelab
        images = [:]
        secrets = [:]
        borrowed = []
        hasKubeconfig = false
        wantsKubeconfig = true
        replacesHomelab = true
        only = []
    }

    /// The archive of images that is to be brought to this machine, and where it will be there.
    func missingImages(_ facts: NodeFacts) -> (archive: ImageArchive, path: String)? {
        guard let architecture = facts.system.architecture, let archive = images[architecture] else { return nil }
        let path = NodeLayout.images(sha256: archive.sha256, ending: archive.ending)
        return facts.k3s.images.contains(path) ? nil : (archive, path)
    }
}

/// An archive of container images.
package struct ImageArchive: Hashable, Sendable {
    package var sha256: String
    /// `.tar`, `.tar.gz` or `.tar.zst`.
    package var ending: String

    package init(sha256: String, ending: String) {
        self.sha256 = sha256
        self.ending = ending
    }
}

/// What a step needs at the moment it is carried out and that a plan must not hold.
package struct StepInputs: Sendable {
    package var token: Secret?
    package var secrets: [SecretReference: Secret]
    /// Public keys by the node they belong to, `ssh-ed25519 AAAA…`.
    package var publicKeys: [String: String]

    package init(token: Secret? = nil, secrets: [SecretReference: Secret] = [:], publicKeys: [String: String] = [:]) {
        self.token = token
        self.secrets = secrets
        self.publicKeys = publicKeys
    }
}
