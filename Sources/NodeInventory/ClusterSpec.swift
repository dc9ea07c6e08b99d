package import Diagnostics

/// What `inventory/<cluster>.yaml` says: the machines of one cluster and what runs them. Read by `ClusterSpec.load`.
package struct ClusterSpec: Hashable, Sendable {
    package var name: String
    package var k3s: K3sSpec
    /// A DNS name or virtual address that leads to the servers' API; it is put into the certificate and into the kubeconfig.
    package var endpoint: Endpoint?
    package var network: NetworkSpec
    package var repository: RepositorySpec
    package var policy: PolicySpec
    /// Empty: changes that interrupt something may be made at any time.
    package var maintenanceWindows: [MaintenanceWindow]
    package var agent: AgentSpec
    /// In the order they were written; files under `inventory/<cluster>/nodes/` follow the inline ones, sorted by path.
    package var nodes: [NodeSpec]
    /// `paused: true`: the machines are only watched.
    package var paused: Bool
    /// The files that secrets are read from, each as often as it is named.
    package var secretFiles: [SecretFile] = []
    package var location: SourceLocation

    package init(name: String, k3s: K3sSpec, nodes: [NodeSpec], location: SourceLocation) {
        self.name = name
        self.k3s = k3s
        endpoint = nil
        network = NetworkSpec()
        repository = RepositorySpec()
        policy = PolicySpec()
        maintenanceWindows = []
        agent = AgentSpec()
        self.nodes = nodes
        paused = false
        self.location = location
    }

    package func node(named name: String) -> NodeSpec? { nodes.first { $0.name == name } }

    /// The servers that are to be there (`present` or `paused`), in the order of the inventory.
    package var servers: [NodeSpec] { nodes.filter { $0.role == .server && $0.state != .absent } }

    /// The agents that are to be there (`present` or `paused`), in the order of the inventory.
    package var agents: [NodeSpec] { nodes.filter { $0.role == .agent && $0.state != .absent } }

    /// The data store of the control plane: as written, or by k3s' own rule that more than one server needs etcd.
    package var datastore: Datastore { k3s.datastore ?? (servers.count > 1 ? .etcd : .sqlite) }
}

/// Where the API of the cluster is reached from outside of its servers.
package struct Endpoint: Hashable, Sendable {
    package var host: String
    package var port: Int

    package init(host: String, port: Int = 6443) {
        self.host = host
        self.port = port
    }
}

/// The address ranges of the cluster; each list has one range, or one of each family in a dual-stack cluster.
package struct NetworkSpec: Hashable, Sendable {
    /// k3s' own defaults (docs.k3s.io, `k3s server`): pods 10.42.0.0/16, services 10.43.0.0/16.
    package static let defaultPods = CIDR(IPAddress(v4: 0x0A2A_0000), prefix: 16)
    package static let defaultServices = CIDR(IPAddress(v4: 0x0A2B_0000), prefix: 16)

    package var pods: [CIDR] = [NetworkSpec.defaultPods]
    package var services: [CIDR] = [NetworkSpec.defaultServices]
    /// The ranges the machines live in; when given, every node address must be inside of one.
    package var nodes: [CIDR] = []
    package var dns: IPAddress?
    package var domain: String?

    package init() {}
}

/// The homelab agent that runs beside k3s on every server.
package struct AgentSpec: Hashable, Sendable {
    /// nil: the version of the program that makes the plan.
    package var version: String?
    /// Where that version is taken from, `<source>/<version>/homelab-<arch>`; nil: the program that makes the plan is what is installed.
    package var source: AgentSource?
    /// The pinned sha256 of that version for each architecture, from the lock file.
    package var sha256: [Architecture: String] = [:]
    /// Seconds between two looks at a remote repository that cannot announce pushes.
    package var pollInterval: Int = 30
    /// The address of its health and metrics endpoint.
    package var listen: String = "127.0.0.1:9797"
    /// nil: no webhook is answered.
    package var webhook: WebhookSpec?
    /// Whether a kustomization in the tree may name directories of other repositories by URL.
    package var allowsRemoteBases = false

    package init() {}
}

/// Where a git host tells the agents that there was a push.
package struct WebhookSpec: Hashable, Sendable {
    package var listen: String = "0.0.0.0:9292"
    /// What the host signs its messages with.
    package var secret: SecretReference

    package init(secret: SecretReference) { self.secret = secret }
}

/// Where the agents' own binary is taken from when git names its version.
package enum AgentSource: Hashable, Sendable {
    case web(String)
    case folder(String)
}

/// Where the tree with `inventory/` and `clusters/` comes from.
/// Namespace and name of a Kustomization.
package struct UnitName: Hashable, Sendable {
    package var namespace: String
    package var name: String

    package init(namespace: String, name: String) {
        self.namespace = namespace
        self.name = name
    }

    init?(_ written: Located?) {
        guard let namespace = written?.text("namespace"), let name = written?.text("name") else { return nil }
        self.init(namespace: namespace, name: name)
    }
}

package struct RepositorySpec: Hashable, Sendable {
    /// nil: a bare repository on the first server.
    package var url: String?
    package var branch: String = "main"
    /// The directory of this cluster's objects in the tree; nil: `clusters/<cluster>`.
    package var path: String?
    /// What the unit of that directory is called in the cluster; nil: homelab-system/<cluster>.
    package var unit: UnitName?
    package var username: String?
    /// An https token; nil for a public repository and for ssh.
    package var token: SecretReference?
    /// Certificates (PEM) that vouch for an https host in place of the system's; no secret, and read like one.
    package var ca: SecretReference?
    /// The accepted host keys of an ssh repository.
    package var hostKeys: [HostKey] = []
    /// The file with the keys that may sign changes of the inventory (ssh-keygen(1), ALLOWED SIGNERS); nil: nothing has to be signed.
    package var signers: SecretReference?

    package init() {}
}
