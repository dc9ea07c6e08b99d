package import Diagnostics
package import NodeInventory
package import YAML

/// What one server said when the cluster was looked over.
package struct ServerReview: Hashable, Sendable {
    package struct Certificate: Hashable, Sendable {
        package var path: String
        /// Seconds since 1970.
        package var notAfter: Int

        package init(path: String, notAfter: Int) {
            self.path = path
            self.notAfter = notAfter
        }
    }

    /// `ok`, or the checks of /readyz that failed, or why it could not be asked.
    package var readiness = ""
    package var certificates: [Certificate] = []
    /// When its newest snapshot was written, in seconds since 1970; nil when it has none.
    package var newestSnapshot: Int?
    /// Why its etcd member calls itself unhealthy (an alarm, no leader); nil when it does not.
    package var etcdComplaint: String?
    /// Bytes of its etcd data, and how many there may be before etcd takes no more writes; nil when it did not tell.
    package var etcdSize: Int64?
    package var etcdQuota: Int64?

    package init() {}
}

/// Looks a running cluster over: does every server serve, does every member vote, are the machines of the inventory, the Node objects and
/// etcd's members the same, is anything about to expire, would a drain be blocked.
package struct ClusterReview {
    private let spec: ClusterSpec
    private let nodes: [Value]
    private let knowsNodes: Bool
    private let strangers: [EtcdMember]
    private let now: Int
    private var found = Diagnostics()

    /// - Parameters:
    ///   - nodes: `kubectl get nodes -o json`; nil when it could not be had.
    ///   - budgets: `kubectl get poddisruptionbudgets -A -o json`; nil when it could not be had.
    ///   - servers: by node name; only those whose k3s runs.
    ///   - strangers: etcd's members that no Node stands for.
    ///   - now: seconds since 1970.
    package static func findings(
        _ spec: ClusterSpec, nodes: Value?, budgets: Value?, servers: [String: ServerReview], strangers: [EtcdMember] = [],
        observed: [String: NodeObservation], now: Int
    ) -> Diagnostics {
        var review = ClusterReview(spec: spec, nodes: nodes, strangers: strangers, now: now)
        for (name, server) in servers.sorted(by: { $0.key < $1.key }) {
            review.server(name, server, observed[name]?.facts?.system.words ?? .systemd)
        }
        review.machines(observed)
        review.objects()
        review.members()
        review.snapshots(servers)
        review.budgets(budgets?["items"]?.array ?? [])
        review.operations(observed)
        return review.found
    }

    private init(spec: ClusterSpec, nodes: Value?, strangers: [EtcdMember], now: Int) {
        self.spec = spec
        self.nodes = nodes?["items"]?.array ?? []
        knowsNodes = nodes != nil
        self.strangers = strangers
        self.now = now
    }

    private mutating func tell(_ severity: Diagnostic.Severity, _ node: String, _ summary: String, cause: String? = nil, _ remedy: String) {
        found.append(Diagnostic(severity, summary, subject: "node \"\(node)\"", cause: cause, remedy: remedy))
    }

    // MARK: Servers

    private mutating func server(_ name: String, _ server: ServerReview, _ words: ServiceWords) {
        if server.readiness != "ok" {
            tell(
                .error, name, "its API is not ready", cause: server.readiness,
                "`homelab doctor \(name)` says why, as far as its journal tells")
        }
        etcd(name, server, words)
        if let finding = server.certificates.finding(on: name, at: now) { found.append(finding) }
    }

    /// An etcd that is full raises an alarm and refuses every write until it has been made smaller.
    private mutating func etcd(_ name: String, _ server: ServerReview, _ words: ServiceWords) {
        let config = "`etcd-arg: [quota-backend-bytes=4294967296]` under k3s.serverConfig raises the limit to 4 GiB"
        if let complaint = server.etcdComplaint {
            tell(
                .error, name, "its etcd member is not healthy", cause: complaint,
                "`homelab ssh \(name) -- \(words.log(of: [NodeRole.server.unit])) | grep -i alarm` says which. When it is full (NOSPACE): \(config); then restart k3s on "
                    + "it, which compacts etcd and clears the alarm")
        }
        guard let size = server.etcdSize, let quota = server.etcdQuota, quota > 0, size * 5 > quota * 4 else { return }
        tell(
            .warning, name, "its etcd holds \(size >> 20) of the \(quota >> 20) MiB that it may",
            "find what fills it (`kubectl get events -A`, Helm's old release Secrets); \(config)")
    }

    // MARK: Inventory, Node objects, members

    private mutating func machines(_ observed: [String: NodeObservation]) {
        for node in spec.nodes where node.state == .present {
            guard let facts = observed[node.name]?.facts, let role = facts.installedRole else { continue }
            if role != node.role {
                tell(
                    .error, node.name, "k3s runs on it as \(role.rawValue), the inventory says \(node.role.rawValue)",
                    "a role is not changed in place: remove the node (state: absent), then add it anew")
            } else if knowsNodes, object(node.name) == nil {
                tell(
                    .warning, node.name, "k3s is installed on it, but the cluster has no Node of this name",
                    "`homelab doctor \(node.name)` says why it does not join; `homelab bootstrap` goes on with it")
            }
        }
    }

    private mutating func objects() {
        for value in nodes {
            guard let live = ClusterNode(value) else { continue }
            guard let node = spec.node(named: live.name) else {
                tell(
                    .warning, live.name, "the cluster has this node, the inventory does not",
                    "add it to the inventory; with state: absent it is taken out")
                continue
            }
            if !live.ready, node.state == .present {
                tell(.error, live.name, "it is not Ready", cause: live.reason, "`homelab doctor \(live.name)` says why")
            }
            let wanted = node.nodeIPs.isEmpty ? [IPAddress(node.host)].compactMap { $0 } : node.nodeIPs
            if let wanted = wanted.first(where: { !live.internalIPs.contains($0.description) }), !live.internalIPs.isEmpty,
                node.jumps.isEmpty
            {
                tell(
                    live.isEtcdMember ? .error : .warning, live.name,
                    "the cluster knows it as \(live.internalIPs.joined(separator: ", ")), the inventory as \(wanted)",
                    live.isEtcdMember
                        ? "a server's address cannot change while it is a member of etcd: remove it and let it join anew"
                        : "correct host or nodeIP in the inventory")
            }
            if K3sVersion(live.kubeletVersion) != spec.k3s.version, !live.kubeletVersion.isEmpty {
                tell(
                    .note, live.name, "it runs \(live.kubeletVersion), the inventory says \(spec.k3s.version)",
                    "`homelab plan` shows the upgrade")
            }
            if live.role != node.role {
                tell(
                    .error, live.name, "the cluster has it as \(live.role.rawValue), the inventory as \(node.role.rawValue)",
                    "correct the role in the inventory, or remove the node and let it join anew")
            }
        }
    }

    private mutating func members() {
        guard spec.datastore == .etcd else { return }
        var voting = 0
        var all = 0
        for value in nodes {
            guard let live = ClusterNode(value), live.isEtcdMember else { continue }
            all += 1
            let condition = value[path: "status", "conditions"]?.array?.first { $0["type"] == "EtcdIsVoter" }
            let isLearner = condition.map { $0["status"] != "True" } ?? false
            if isLearner {
                tell(
                    .error, live.name, "its etcd member does not vote yet", cause: condition?["message"]?.string,
                    "wait until it has caught up; no other server can join before")
            } else if live.ready {
                voting += 1
            }
            if let address = live.annotations["etcd.k3s.cattle.io/node-address"], !live.internalIPs.contains(address) {
                tell(
                    .error, live.name,
                    "its etcd member has the address \(address), the node has \(live.internalIPs.joined(separator: ", "))",
                    "give the machine its old address back, or remove it and let it join anew")
            }
            if spec.node(named: live.name)?.role == .agent {
                tell(.error, live.name, "it is a member of etcd, but an agent in the inventory", "correct the role in the inventory")
            }
        }
        for member in strangers {
            let folder = NodeLayout.dataDirectory + "/server/tls/etcd"
            tell(
                .error, member.label, "etcd has this member, and the cluster no node for it",
                cause: member.peerURLs.isEmpty || member.name.isEmpty ? nil : member.peerURLs.joined(separator: ", "),
                "its vote counts for the majority all the same. If it is joining, look again in a minute. If its machine is gone for good: on a "
                    + "server, `etcdctl --cacert \(folder)/server-ca.crt --cert \(folder)/client.crt --key \(folder)/client.key member list`, then "
                    + "`member remove ID`")
        }
        guard knowsNodes else { return }
        all += strangers.count
        let quorum = Quorum(members: all, healthy: voting)
        if all > 0, !quorum.isThere {
            found.append(
                Diagnostic(
                    .error, "\(voting) of \(all) members of etcd vote and are healthy: there is no majority",
                    subject: "cluster \"\(spec.name)\"",
                    remedy: "bring the others back; if they are gone for good, `homelab snapshot restore` begins anew from one server"))
        } else if all > 1, voting < all {
            found.append(
                Diagnostic(
                    .warning, "\(voting) of \(all) members of etcd vote and are healthy", subject: "cluster \"\(spec.name)\"",
                    remedy: "nothing that stops a server is done before all are back"))
        }
    }

    private func object(_ name: String) -> Value? { nodes.first { $0[path: "metadata", "name"]?.string == name } }

    // MARK: What would hinder work

    private mutating func snapshots(_ servers: [String: ServerReview]) {
        guard spec.datastore == .etcd, !servers.isEmpty else { return }
        guard let newest = servers.values.compactMap(\.newestSnapshot).max() else {
            found.append(
                Diagnostic(
                    .warning, "there is no snapshot of etcd", subject: "cluster \"\(spec.name)\"",
                    remedy: "`homelab snapshot save` makes one and brings it here"))
            return
        }
        let hours = (now - newest) / 3600
        if hours >= 24 {
            found.append(
                Diagnostic(
                    .warning, "the newest snapshot of etcd is \(hours / 24) day\(hours < 48 ? "" : "s") old",
                    subject: "cluster \"\(spec.name)\"",
                    remedy: "k3s makes one every twelve hours: see `homelab doctor`; `homelab snapshot save` makes one now"))
        }
    }

    private mutating func budgets(_ budgets: [Value]) {
        for budget in budgets {
            let name = budget[path: "metadata", "name"]?.string ?? "", namespace = budget[path: "metadata", "namespace"]?.string ?? ""
            guard let allowed = budget[path: "status", "disruptionsAllowed"]?.int, allowed == 0,
                let expected = budget[path: "status", "expectedPods"]?.int, expected > 0
            else { continue }
            found.append(
                Diagnostic(
                    .warning, "it allows no pod to be moved, so that a drain would wait",
                    subject: "PodDisruptionBudget \(namespace)/\(name)",
                    cause:
                        "\(budget[path: "status", "currentHealthy"]?.int ?? 0) of \(budget[path: "status", "desiredHealthy"]?.int ?? 0) wanted pods are healthy",
                    remedy: "let more replicas run, or loosen the budget, before an upgrade or a removal"))
        }
    }

    private mutating func operations(_ observed: [String: NodeObservation]) {
        for node in spec.nodes {
            guard let lock = observed[node.name]?.facts?.access.lock else { continue }
            tell(.warning, node.name, "another run is working on it", cause: lock, "wait until it has ended")
        }
    }
}
