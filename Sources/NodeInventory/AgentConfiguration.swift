/// What the homelab agent on a server knows before it has seen any repository: `/etc/homelab/agent.yaml`.
package struct AgentConfiguration: Hashable, Sendable {
    /// The repository as this server reaches it.
    package struct Repository: Hashable, Sendable {
        /// A path of a bare repository on this server, `ssh://user@host[:port]/path` or `https://…`.
        package var url: String
        package var branch: String
        /// Files on this server.
        package var identityFile: String?
        package var knownHostsFile: String?
        package var tokenFile: String?
        package var caFile: String?
        package var username: String?
        /// The keys that may sign changes of the inventory; nil: no signature is needed.
        package var signersFile: String?

        package init(url: String, branch: String = "main") {
            self.url = url
            self.branch = branch
        }
    }

    package var cluster: String
    /// The name of the node it runs on.
    package var node: String
    package var kubeconfig: String
    package var repository: Repository
    /// Paths in the repository's tree.
    package var inventory: String
    package var path: String
    /// What the unit of that path is called; nil: homelab-system/<cluster>.
    package var unit: UnitName?
    package var stateDirectory: String
    /// The agent's own key, with which it logs in to the other nodes, and the host keys it accepts.
    package var identityFile: String
    package var knownHostsFile: String
    package var listen: String
    /// Where the webhook is answered, and the file with its secret; nil where none is.
    package var webhookListen: String?
    package var webhookSecretFile: String?
    package var allowsRemoteBases = false
    /// Seconds.
    package var pollInterval: Int

    package init(cluster: String, node: String, repository: Repository) {
        self.cluster = cluster
        self.node = node
        self.repository = repository
        kubeconfig = "/etc/rancher/k3s/k3s.yaml"
        inventory = "inventory/\(cluster).yaml"
        path = "clusters/\(cluster)"
        stateDirectory = "/var/lib/homelab"
        identityFile = "/etc/homelab/id_ed25519"
        knownHostsFile = "/etc/homelab/known_hosts"
        listen = "127.0.0.1:9797"
        pollInterval = 30
    }
}
