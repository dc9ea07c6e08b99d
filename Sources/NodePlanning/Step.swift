package import NodeInventory

/// One change to a node, or one wait for it. Holds no secret: where one is needed it says where it is taken from.
///
/// What the executor does with each:
/// - cases with commands (`Step.commands(inputs:)`) are carried out by running these on the task's node as root;
/// - `installBinary` first uploads the file to `NodeLayout.upload(_:)` as the SSH user;
/// - `writeToken`, `authorizeKeys`, `writeSecretFile` and files with secrets need `StepInputs` that the executor fetches first
///   (see each case);
/// - `reboot`, `awaitK3s`, `awaitNode`, `awaitAgent` and `fetchKubeconfig` are waits and reads with their own rules.
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
    /// Verify the uploaded file's sha256 on the node and move it into place.
    case installBinary(Artifact)
    /// Symbolic links in /usr/local/bin to a binary, for tools the node does not have (`kubectl` -> `k3s`).
    case link(names: [String], target: String)
    /// Put the join secret into homelab's token file, 0600.
    case writeToken(TokenSource)
    /// Reload systemd and enable the unit.
    case enableUnit(String)
    /// Start without blocking (`systemctl --no-block`): a k3s that cannot join never returns.
    case startUnit(String)
    case restartUnit(String)
    /// Until the unit is active and, on a server, `/readyz` answers ok. The journal's last reason is shown meanwhile.
    case awaitK3s(role: NodeRole)
    /// Until the Node object of this name is Ready, and on an etcd server its member votes. Asked through the server `via`.
    case awaitNode(name: String, via: String, votingMember: Bool)
    /// Delete the bootstrap token that this node joined with; runs on the server `via`.
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
    /// A new agent-only token: the output of `Step.tokenCommand(ttl:description:)` on that server.
    case bootstrapToken(via: String, minutes: Int)
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
