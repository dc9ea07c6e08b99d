/// The fields of an inventory: the one table behind the checks, "did you mean" and `homelab schema`.
extension ObjectSchema {
    static let cluster = ObjectSchema(
        name: "Cluster",
        fields: [
            Field("apiVersion", .choice([InventoryFormat.apiVersion]), required: true, "Version of this format."),
            Field("kind", .choice(["Cluster"]), required: true, "Always Cluster."),
            Field("name", .text(.dnsLabel), required: true, "Name of the cluster; clusters/<name>/ holds what runs on it."),
            Field("k3s", .object(k3s), required: true, "Which k3s runs, where it comes from and how it is configured."),
            Field("endpoint", .text(), "DNS name or virtual address, with or without port, that leads to the servers' API."),
            Field("network", .object(network), "Address ranges of the cluster and of the machines."),
            Field("repository", .object(repository), "The git repository the agent follows; without a url it is made on the first server."),
            Field("policy", .object(policy), "How far changes go by themselves and how many nodes they touch at a time."),
            Field("maintenanceWindows", .list(.object(window)), "Times in which the agents may restart and upgrade k3s; none: any time."),
            Field("agent", .object(agent), "The homelab agent on the servers."),
            Field("paused", .boolean, "Only watch the machines, change nothing."),
            Field(
                "defaults", .object(ObjectSchema(name: "Defaults", fields: access)), "How nodes are reached that do not say so themselves."),
            Field(
                "nodes", .list(.object(ObjectSchema(name: "NodeEntry", fields: nodeFields))),
                "The machines, here or one file each under <cluster>/nodes/."),
        ])

    static let node = ObjectSchema(
        name: "Node",
        fields: [
            Field("apiVersion", .choice([InventoryFormat.apiVersion]), required: true, "Version of this format."),
            Field("kind", .choice(["Node"]), required: true, "Always Node."),
        ] + nodeFields)

    private static let nodeFields: [Field] =
        [
            Field("name", .text(.dnsLabel), required: true, "Name of the node in the cluster."),
            Field("role", .choice(NodeRole.allCases.map(\.rawValue)), required: true, "server: control plane and pods; agent: pods only."),
            Field(
                "state", .choice(NodeState.allCases.map(\.rawValue)), "absent takes the node out of the cluster, paused leaves it alone."),
            Field("host", .text(.host), required: true, "Name or address SSH connects to."),
        ] + access + [
            Field("hostKeys", .oneOrMore(.text(.hostKey)), "Accepted host keys: `ssh-ed25519 AAAA…` or `SHA256:…`."),
            Field(
                "nodeIP", .oneOrMore(.text(.address)),
                "Address the cluster knows the node by, or one of each family for dual stack; needed when the machine has several."),
            Field("labels", .map(.text(.orEmpty)), "Labels of the Node object."),
            Field("taints", .list(.text(.taint)), "Taints of the Node object, `key=value:Effect`."),
            Field("config", .anything, "k3s configuration of this node alone."),
            Field("mac", .text(.mac), "Hardware address, for wake-on-LAN."),
        ]

    private static let access: [Field] =
        [
            Field("port", .integer(1...65535), "SSH port, 22 if not given."),
            Field("user", .text(.user), "SSH user, root if not given; another one needs sudo."),
            Field("identityFile", .oneOrMore(.text()), "Private key files on the operator's machine."),
            Field("passphrase", .secret, "Passphrase of the identity files."),
            Field("agent", .boolean, "Ask the operator's SSH agent; true if not given."),
            Field("password", .secret, "SSH password."),
            Field("sudoPassword", .secret, "Password sudo asks for."),
            Field("jump", .oneOrMore(.textOr(.object(jump))), "Hosts on the way, the first one first; `user@host:port` or a mapping."),
        ]

    private static let jump = ObjectSchema(
        name: "JumpHost",
        fields: [
            Field("host", .text(.host), required: true, "Name or address."),
            Field("port", .integer(1...65535), "SSH port, 22 if not given."),
            Field("user", .text(.user), "SSH user."),
            Field("identityFile", .oneOrMore(.text()), "Private key files on the operator's machine."),
            Field("passphrase", .secret, "Passphrase of the identity files."),
            Field("agent", .boolean, "Ask the operator's SSH agent."),
            Field("password", .secret, "SSH password."),
            Field("hostKeys", .oneOrMore(.text(.hostKey)), "Accepted host keys."),
        ])

    private static let k3s = ObjectSchema(
        name: "K3s",
        fields: [
            Field("version", .text(.version), required: true, "Exact release, such as v1.33.4+k3s1."),
            Field("source", .text(), "release (if not given), the URL of a mirror, or a folder with the binaries."),
            Field(
                "sha256",
                .object(
                    ObjectSchema(
                        name: "Checksums",
                        fields: Architecture.allCases.map {
                            Field($0.rawValue, .text(.sha256), "sha256 of the k3s binary for \($0.rawValue).")
                        }
                            + Architecture.allCases.map {
                                Field($0.imagesAsset(".tar.zst"), .text(.sha256), "sha256 of this archive of k3s' images, see airgap.")
                            })), "Pins; `homelab lock` writes them to <cluster>.lock.yaml instead."),
            Field(
                "airgap", .boolean,
                "Bring every machine the archive of k3s' images, from where the binary comes; for machines without a registry."),
            Field("datastore", .choice(Datastore.allCases.map(\.rawValue)), "sqlite for one server, etcd for three or more, if not given."),
            Field("config", .anything, "config.yaml of every node."),
            Field("serverConfig", .anything, "config.yaml of the servers."),
            Field("agentConfig", .anything, "config.yaml of the agents."),
            Field("registries", .anything, "registries.yaml of every node; passwords in it as {file: …} or {env: …}."),
        ])

    private static let network = ObjectSchema(
        name: "Network",
        fields: [
            Field("pods", .oneOrMore(.text(.cidr)), "Pod range, 10.42.0.0/16 if not given; two for dual stack."),
            Field("services", .oneOrMore(.text(.cidr)), "Service range, 10.43.0.0/16 if not given."),
            Field("nodes", .oneOrMore(.text(.cidr)), "Ranges the machines live in; their addresses are checked against it."),
            Field("dns", .text(.address), "Address of the cluster's DNS service, inside the service range."),
            Field("domain", .text(), "DNS domain of the cluster, cluster.local if not given."),
        ])

    private static let repository = ObjectSchema(
        name: "Repository",
        fields: [
            Field("url", .text(), "https://… or ssh://…; not given: a bare repository on the first server."),
            Field("branch", .text(.branch), "Branch, main if not given."),
            Field("path", .text(), "Directory of this cluster's objects, clusters/<cluster> if not given."),
            Field("unit", .object(unit), "How the Kustomization of that directory is called, homelab-system/<cluster> if not given."),
            Field("username", .text(), "User name for https."),
            Field("token", .secret, "Token or password for https."),
            Field("ca", .secret, "Certificates (PEM) of a private authority that vouches for the https host."),
            Field("hostKeys", .oneOrMore(.text(.hostKey)), "Accepted host keys of an ssh repository."),
            Field("signers", .text(), "Allowed signers file, put on the servers by bootstrap: who may sign changes of the inventory."),
        ])

    private static let unit = ObjectSchema(
        name: "Unit",
        fields: [
            Field("namespace", .text(.dnsLabel), required: true, "Its namespace; flux-system where Flux was before."),
            Field("name", .text(.dnsLabel), required: true, "Its name; flux-system there."),
        ])

    private static let webhook = ObjectSchema(
        name: "Webhook",
        fields: [
            Field("listen", .text(), "Address on every server, 0.0.0.0:9292 if not given; the path is /hook."),
            Field("secret", .secret, required: true, "Secret of the webhook, as the git host knows it."),
        ])

    private static let policy = ObjectSchema(
        name: "Policy",
        fields: [
            Field("concurrency", .integer(1...50), "Agents changed at the same time, 5 if not given; servers go one at a time."),
            Field(
                "servers", .choice(PolicySpec.Approval.allCases.map(\.rawValue)),
                "Whether joining, replacing and removing servers waits for approval."),
            Field("upgrades", .choice(PolicySpec.Approval.allCases.map(\.rawValue)), "Whether a new k3s version waits for approval."),
            Field("removals", .integer(0...50), "Nodes one commit may remove, 1 if not given."),
            Field("approve", .oneOrMore(.text()), "Hashes of plans that need approval and have it, as `homelab status` shows them."),
            Field("drain", .object(drain), "How a node is emptied."),
        ])

    private static let drain = ObjectSchema(
        name: "Drain",
        fields: [
            Field("enabled", .boolean, "Move pods away before a node is upgraded or removed."),
            Field("timeout", .text(.duration), "When a drain is given up, 10m if not given."),
            Field("gracePeriod", .text(.duration), "Time each pod has to stop; its own if not given."),
            Field("deleteEmptyDirData", .boolean, "Go on although pods lose their emptyDir volumes."),
            Field("force", .boolean, "Go on with what could not be moved in time."),
        ])

    private static let window = ObjectSchema(
        name: "MaintenanceWindow",
        fields: [
            Field("days", .oneOrMore(.choice(MaintenanceWindow.Day.allCases.map(\.rawValue))), "Days, every day if not given."),
            Field("start", .text(.time), required: true, "HH:MM."),
            Field("end", .text(.time), required: true, "HH:MM; before start: on the next day."),
            Field("timeZone", .text(), "Name of the tz database, UTC if not given."),
        ])

    private static let agent = ObjectSchema(
        name: "Agent",
        fields: [
            Field("version", .text(), "Version of homelab on the servers; the one that bootstraps if not given."),
            Field("source", .text(), "URL or folder with <version>/homelab-<arch>, from which the agents are upgraded by git."),
            Field("pollInterval", .text(.duration), "Time between two looks at a remote repository, 30s if not given."),
            Field("listen", .text(), "Address of health and metrics, 127.0.0.1:9797 if not given."),
            Field("webhook", .object(webhook), "Where a git host announces pushes; without it the repository is polled."),
            Field("allowRemoteBases", .boolean, "Let kustomizations name directories of other repositories by URL; false if not given."),
        ])

    static let lock = ObjectSchema(
        name: "Lock",
        fields: [
            Field("apiVersion", .choice([InventoryFormat.apiVersion]), required: true, "Version of this format."),
            Field("kind", .choice(["Lock"]), required: true, "Always Lock."),
            Field("k3s", .map(.map(.text(.sha256))), required: true, "Version, then architecture or archive of images, then the sha256."),
            Field("homelab", .map(.map(.text(.sha256))), "The same of the agents' own binary, see agent.source."),
        ])

    static let agentConfiguration = ObjectSchema(
        name: "AgentConfiguration",
        fields: [
            Field("cluster", .text(.dnsLabel), required: true, "Name of the cluster."),
            Field("node", .text(.dnsLabel), required: true, "Name of the node the agent runs on."),
            Field("kubeconfig", .text(), required: true, "Kubeconfig of this server."),
            Field(
                "repository",
                .object(
                    ObjectSchema(
                        name: "AgentRepository",
                        fields: [
                            Field("url", .text(), required: true, "Path of a bare repository, ssh://… or https://…."),
                            Field("branch", .text(), required: true, "Branch."),
                            Field("identityFile", .text(), "Key for ssh."),
                            Field("knownHostsFile", .text(), "Accepted host keys for ssh."),
                            Field("tokenFile", .text(), "Token for https."),
                            Field("caFile", .text(), "Certificates that vouch for an https host."),
                            Field("username", .text(), "User name for https."),
                            Field("signersFile", .text(), "Keys that may sign changes of the inventory; none: no signature is needed."),
                        ])), required: true, "Where the tree comes from."),
            Field("inventory", .text(), required: true, "The inventory in the tree."),
            Field("path", .text(), required: true, "The objects in the tree."),
            Field("unit", .object(unit), "The Kustomization that stands for them."),
            Field("stateDirectory", .text(), required: true, "Where the agent keeps its clone and journal."),
            Field("identityFile", .text(), required: true, "Key for the other nodes."),
            Field("knownHostsFile", .text(), required: true, "Accepted host keys of the other nodes."),
            Field("listen", .text(), required: true, "Address of health and metrics."),
            Field("webhookListen", .text(), "Address of the webhook."),
            Field("webhookSecretFile", .text(), "Secret of the webhook."),
            Field("allowRemoteBases", .boolean, "Let kustomizations name directories of other repositories by URL."),
            Field("pollInterval", .text(.duration), required: true, "Time between two looks at a remote repository."),
        ])
}

/// Names of the format's version.
package enum InventoryFormat {
    package static let apiVersion = "homelab.dev/v1alpha1"
}
