package import NodeInventory

/// One change to a node, or one wait for it. Holds no secret: where one is needed it says where it is taken from.
///
/// What the executor does with each:
/// - cases with commands (`Step.commands(inputs:)`) are carried out by running these on the task's node as root;
/// - `uploadBinary`, `installBinary` and `installImages` first upload the file to `NodeLayout.upload(_:)` as the SSH user;
/// - `writeToken`, `authorizeKeys`, `writeSecretFile` and files with secrets need `StepInputs` that the executor fetches first
///   (see each case);
/// - `reboot`, `saveSnapshot`, `copyDatabase`, `bringCopy`, `drain`, `removeMember`, `fetchKubeconfig` and everything that begins with `await` have
///   rules of their own.
package enum Step: Hashable, Sendable {
    /// Load the modules now (they are written to modules-load.d by a `writeFile`). A module that is missing but built in is no failure.
    case loadModules([String])
    /// Write a file atomically with its mode, owner root.
    case writeFile(PlannedFile)
    /// `sysctl -w` of each pair, so that no reboot is needed.
    case setSysctls([Sysctl])
    /// Put the missing words into the one line of the kernel command line file.
    case extendKernelCommandLine(path: String, words: [String])
    /// Reboot and wait until the boot id has changed and SSH answers again.
    case reboot
    /// Bring the file to the node and no further: so that what follows interrupts the node for moments only.
    case uploadBinary(Artifact)
    /// Verify the uploaded file's sha256 on the node and move it into place; the one before stays as `<path>.prev`.
    case installBinary(Artifact)
    /// Put `<path>.prev` back.
    case restoreBinary(path: String)
    /// Verify the uploaded archive of images, put it where k3s imports it from, and remove the ones of other versions.
    case installImages(Artifact)
    /// Symbolic links in /usr/local/bin to a binary, for tools the node does not have (`kubectl` -> `k3s`).
    case link(names: [String], target: String)
    /// Put the join secret into homelab's token file, 0600.
    case writeToken(TokenSource)
    /// Reload systemd and enable the unit.
    case enableUnit(String)
    /// Start without blocking (`systemctl --no-block`): a k3s that cannot join never returns.
    case startUnit(String)
    case restartUnit(String)
    case stopUnit(String)
    /// Until the unit is active and, on a server, `/readyz` answers ok. The journal's last reason is shown meanwhile.
    case awaitK3s(role: NodeRole)
    /// Until the Node object of this name is Ready, and on an etcd server its member votes, and, when a version is given, its kubelet
    /// is of that version. Asked through the server `via`.
    case awaitNode(name: String, via: String, votingMember: Bool, version: String? = nil)
    /// Delete a bootstrap token of this node, without an id the one that this run made; runs on the server `via`.
    case revokeToken(id: String?, node: String, via: String)
    /// Labels, taints and homelab's annotations of a Node object; run on the server `via`.
    case updateNode(NodeMetadataChange, via: String)
    /// Read k3s' kubeconfig from this node, point it at `server` and name it after the cluster.
    case fetchKubeconfig(server: String)
    /// An empty bare repository that belongs to `owner`.
    case createRepository(path: String, owner: String, branch: String)
    /// Make an ed25519 key pair at `path` (0600), unless there is one.
    case generateKey(path: String, comment: String)
    /// Let keys of other nodes log in as `user` on this node: `inputs.publicKeys[key.node]` holds each public key.
    case authorizeKeys([AuthorizedKey], user: String, home: String)
    /// Write a secret that the operator's side holds to a 0600 file: `inputs.secrets[source]`.
    case writeSecretFile(path: String, source: SecretReference)
    /// Until the homelab agent's `/readyz` answers on `listen`.
    case awaitAgent(listen: String)
    case makeDirectory(path: String, mode: String, owner: String)
    /// An etcd snapshot on this server, verified there, then brought to the operator's side together with the cluster's token.
    case saveSnapshot(name: String, directory: String)
    /// A copy of the SQLite database of a stopped server, on the node.
    case copyDatabase
    /// That copy brought to the operator's side, with the token.
    case bringCopy
    /// Let no new pod onto a node, and note on it that this was homelab and why; one that somebody else cordoned stays his.
    case cordon(node: String, for: Cordon, via: String)
    /// Move the node's pods elsewhere by the eviction API, which respects PodDisruptionBudgets.
    case drain(DrainRequest, via: String)
    /// Let pods onto the node again, when it was homelab that cordoned it.
    case uncordon(node: String, via: String)
    /// Until the workloads that were healthy when the run began are so again.
    case awaitWorkloads(node: String, via: String)
    /// Take the node's member out of etcd and wait until it is seen to be gone and an election has passed.
    case removeMember(node: String, via: String)
    /// Delete the Node object and the Secret with its password.
    case deleteNode(String, via: String)
    /// Remove k3s, homelab and all that they made from the machine.
    case uninstall(Uninstallation)
    /// Take the lines with these comments out of the user's authorized_keys.
    case revokeKeys(comments: [String], user: String, home: String)
    /// Let the cluster's own traffic through the node's firewall.
    case openFirewall(FirewallRules)
    /// Take from the node's firewall what homelab opened for nodes that are gone.
    case closeFirewall(FirewallRules)
    /// Put the uploaded agent into the slot that does not run, switch to it, and back again when it does not become ready. A transient unit
    /// of the node does it, so that it goes on when the agent that asked for it is the one that is replaced.
    case switchAgent(AgentSwitch)
}

/// An upgrade of the homelab agent on one server.
package struct AgentSwitch: Hashable, Sendable {
    package var artifact: Artifact
    /// Where the agent's health is asked.
    package var listen: String
    /// Seconds in which the new agent has to be ready.
    package var timeout: Int

    package init(artifact: Artifact, listen: String, timeout: Int = 90) {
        self.artifact = artifact
        self.listen = listen
        self.timeout = timeout
    }
}

/// Why homelab cordoned a node: the value of the annotation `homelab.dev/cordoned`, by which a later run goes on.
package enum Cordon: String, Hashable, Sendable {
    case upgrade, removal
}

/// How a node is emptied; see `DrainPolicy`.
package struct DrainRequest: Hashable, Sendable {
    package var node: String
    /// Seconds until it is given up.
    package var timeout: Int
    package var gracePeriod: Int?
    package var deleteEmptyDirData: Bool
    package var force: Bool

    package init(node: String, policy: DrainPolicy) {
        self.node = node
        timeout = policy.timeout
        gracePeriod = policy.gracePeriod
        deleteEmptyDirData = policy.deleteEmptyDirData
        force = policy.force
    }
}

/// What is taken off a machine beside what is in homelab's and k3s' own places.
package struct Uninstallation: Hashable, Sendable {
    /// The user SSH logs in as, from whose authorized_keys homelab's lines of this cluster go.
    package var cluster: String
    package var user: String
    package var home: String
    /// Routes to other nodes' pods, which outlive k3s.
    package var routes: [String]

    package init(cluster: String, user: String, home: String, routes: [String]) {
        self.cluster = cluster
        self.user = user
        self.home = home
        self.routes = routes
    }

    /// The route to a network that the pods' range is a part of is the machine's own.
    package init(of facts: NodeFacts, from spec: ClusterSpec) {
        let toPods = facts.network.routes.filter { route in
            spec.network.pods.contains { $0.contains(route.destination) } && route.interface != "cni0"
        }
        self.init(
            cluster: spec.name, user: facts.access.user, home: facts.access.home, routes: toPods.map { $0.destination.description })
    }
}

/// What a node's firewall has to let in.
package struct FirewallRules: Hashable, Sendable {
    package enum Program: String, Hashable, Sendable {
        case ufw, firewalld
    }

    package var program: Program
    /// The ranges of pods and services and the addresses of the other nodes.
    package var sources: [String]
    /// Open to everybody: `6443/tcp`.
    package var ports: [String]
    package var isEmpty: Bool { sources.isEmpty && ports.isEmpty }

    package init(program: Program, sources: [String], ports: [String] = []) {
        self.program = program
        self.sources = sources
        self.ports = ports
    }
}

/// A file that a step writes.
package struct PlannedFile: Hashable, Sendable {
    package var path: String
    /// Octal digits, `0600`.
    package var mode: String
    /// The text; a secret stands in it as a placeholder that is a key of `secrets`.
    package var text: String
    package var secrets: [String: SecretReference]

    package init(path: String, mode: String, text: String, secrets: [String: SecretReference] = [:]) {
        self.path = path
        self.mode = mode
        self.text = text
        self.secrets = secrets
    }
}

package struct Sysctl: Hashable, Sendable {
    package var key: String
    package var value: String

    package init(key: String, value: String) {
        self.key = key
        self.value = value
    }
}

/// A binary to be uploaded; the executor knows where the file for this name and architecture is on its side.
package struct Artifact: Hashable, Sendable {
    package enum Name: String, Hashable, Sendable {
        case k3s, homelab
        /// k3s' images for machines without a registry.
        case images
    }

    package var name: Name
    package var architecture: Architecture
    package var sha256: String
    /// Where it goes.
    package var path: String

    package init(name: Name, architecture: Architecture, sha256: String, path: String) {
        self.name = name
        self.architecture = architecture
        self.sha256 = sha256
        self.path = path
    }
}

/// Where the text of a node's join token comes from. The executor reads it and hands it over as `StepInputs.token`.
package enum TokenSource: Hashable, Sendable {
    /// The very first server: a fresh random password (32 hex digits or more); an existing token file is kept.
    case generated
    /// The full server token (`K10…::server:…`): the content of `NodeLayout.serverToken` on that server, read as root.
    case serverToken(of: String)
    /// A new agent-only token: the output of `Step.tokenCommand(minutes:description:)` on that server.
    case bootstrapToken(via: String, minutes: Int)

    /// By which a token tells for whom it was made.
    package static func description(of node: String) -> String { "homelab: \(node) joins" }
}

/// A public key that another node may log in with.
package struct AuthorizedKey: Hashable, Sendable {
    package enum Purpose: Hashable, Sendable {
        /// The acting agent manages this machine.
        case manage
        /// Another server's agent fetches the repository at this path.
        case fetch(repository: String)
    }

    /// The node whose key it is.
    package var node: String
    package var purpose: Purpose
    /// The addresses it may come from; empty: any.
    package var from: [String]
    /// The comment at the end of the line, by which homelab finds its own lines again.
    package var comment: String

    package init(node: String, purpose: Purpose, from: [String], comment: String) {
        self.node = node
        self.purpose = purpose
        self.from = from
        self.comment = comment
    }

    /// `use` is `agent` for managing machines and `fetch` for reading the repository; `facts.sh` and `uninstall.sh` know the form.
    package static func comment(_ use: String, cluster: String, node: String) -> String { "homelab-\(use)@\(cluster)/\(node)" }
}

/// What changes on a Node object.
package struct NodeMetadataChange: Hashable, Sendable {
    package var node: String
    package var setLabels: [String: String]
    package var removeLabels: [String]
    package var setTaints: [Taint]
    package var removeTaints: [Taint]
    /// homelab's own record of which labels and taints are its.
    package var annotations: [String: String]

    package init(node: String) {
        self.node = node
        setLabels = [:]
        removeLabels = []
        setTaints = []
        removeTaints = []
        annotations = [:]
    }
}
