/// Where things are on a node. k3s' own places are fixed by k3s (docs.k3s.io); the others are homelab's.
package enum NodeLayout {
    package static let binaries = "/usr/local/bin/"
    package static let k3s = "/usr/local/bin/k3s"
    package static let k3sConfig = "/etc/rancher/k3s/config.yaml"
    /// Labels and taints a node registers itself with; k3s reads it after config.yaml.
    package static let k3sRegistration = "/etc/rancher/k3s/config.yaml.d/homelab-registration.yaml"
    package static let registries = "/etc/rancher/k3s/registries.yaml"
    package static let token = "/etc/rancher/k3s/homelab-token"
    package static let kubeconfig = "/etc/rancher/k3s/k3s.yaml"
    package static let serverToken = "/var/lib/rancher/k3s/server/token"
    package static let dataDirectory = "/var/lib/rancher/k3s"
    package static let imageDirectory = "/var/lib/rancher/k3s/agent/images"
    package static let snapshots = "/var/lib/rancher/k3s/server/db/snapshots"
    package static let homelab = "/usr/local/bin/homelab"
    /// The two places of the agent's binary, `a` and `b`, of which `homelab` is a link to one once git has upgraded it.
    package static let homelabSlots = "/usr/local/lib/homelab"
    /// What came of the last upgrade of the agent on this node.
    package static let agentSwitch = "/var/lib/homelab/agent-switch"
    /// Makes the service run a new agent for as long as it is on trial, under systemd and under OpenRC; gone after a reboot.
    package static let agentTrial = "/run/systemd/system/homelab-agent.service.d/homelab-trial.conf"
    package static let agentTrialOpenRC = "/run/homelab-agent.trial"
    package static let configuration = "/etc/homelab"
    package static let agentConfiguration = "/etc/homelab/agent.yaml"
    package static let agentKey = "/etc/homelab/id_ed25519"
    package static let deployKey = "/etc/homelab/deploy_key"
    package static let knownHosts = "/etc/homelab/known_hosts"
    package static let repositoryToken = "/etc/homelab/repository-token"
    package static let repositoryCA = "/etc/homelab/repository-ca.crt"
    package static let webhookSecret = "/etc/homelab/webhook-secret"
    package static let allowedSigners = "/etc/homelab/allowed_signers"
    package static let state = "/var/lib/homelab"
    package static let repository = "/var/lib/homelab/repository.git"
    package static let agentUnit = "homelab-agent.service"
    package static let modules = "/etc/modules-load.d/homelab-k3s.conf"
    package static let sysctls = "/etc/sysctl.d/90-homelab-k3s.conf"
    /// On machines that OpenRC starts, where services log to files.
    package static let logRotation = "/etc/logrotate.d/homelab"
    /// Held by a run while it changes this node; see `facts.sh`.
    package static let lock = "/run/homelab.lock"

    /// Where archives of images are uploaded to: they are large, and /tmp is often in memory.
    static let imageUploads = "/var/tmp"

    /// Where the SSH user uploads a binary to before it is verified and moved into place.
    package static func upload(_ artifact: Artifact) -> String {
        let folder = artifact.name == .images ? imageUploads : "/tmp"
        return "\(folder)/homelab-upload-\(artifact.name.rawValue)-\(artifact.sha256.prefix(16))"
    }

    /// An archive of images, by its content: so that looking at the folder tells whether it is there.
    package static func images(sha256: String, ending: String) -> String { "\(imageDirectory)/homelab-\(sha256.prefix(16))\(ending)" }

    /// A name without `.service` is one of OpenRC's.
    package static func unitFile(_ unit: String) -> String { (unit.hasSuffix(".service") ? "/etc/systemd/system/" : "/etc/init.d/") + unit }
}
