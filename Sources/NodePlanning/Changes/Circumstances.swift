package import Diagnostics
package import NodeInventory

/// What decides, beside the plan itself, how far it may be carried out.
package struct Circumstances: Sendable {
    package var desired: ClusterSpec
    package var observed: [String: NodeObservation]
    package var cluster: ClusterFacts
    /// What the preflight found; an error about a node keeps that node out.
    package var findings: Diagnostics
    package var memory: ChangeMemory
    /// The node that the acting agent runs on.
    package var own: String
    /// Seconds since 1970.
    package var now: Int64
    /// The zones of the maintenance windows that are known here.
    package var zones: [String: ZoneOffsets]
    /// The agent handed over for this plan before, and nobody took it.
    package var wasLeftAlone = false

    package init(
        desired: ClusterSpec, observed: [String: NodeObservation], cluster: ClusterFacts, findings: Diagnostics = Diagnostics(),
        memory: ChangeMemory = ChangeMemory(), own: String, now: Int64, zones: [String: ZoneOffsets] = ["UTC": .utc]
    ) {
        self.desired = desired
        self.observed = observed
        self.cluster = cluster
        self.findings = findings
        self.memory = memory
        self.own = own
        self.now = now
        self.zones = zones
    }

    /// A machine whose joining failed this often is not tried again by itself.
    static let attempts = 5

    /// No other server in the cluster, so nobody else could act.
    var isOnlyServer: Bool {
        let servers = desired.nodes.filter { $0.role == .server && cluster.node(named: $0.name) != nil }
        return servers.map(\.name) == [own]
    }

    /// Other servers whose agent runs and can reach the cluster.
    var successors: [String] {
        if wasLeftAlone { return [] }
        return desired.servers.map(\.name).filter { name in
            name != own && cluster.node(named: name)?.ready == true && observed[name]?.facts?.isActive(NodeLayout.agentUnit) == true
        }
    }

    // MARK: What keeps whole nodes out

    /// Nodes that the agent cannot or must not touch, each with what to do.
    var obstacles: [NodeNote] {
        desired.nodes.compactMap { node in
            guard node.state != .paused, !desired.paused, let text = obstacle(node) else { return nil }
            return NodeNote(node: node.name, text.reason, remedy: text.remedy)
        }
    }

    private func obstacle(_ node: NodeSpec) -> (reason: String, remedy: String?)? {
        if node.name == own { return nil }
        if node.state == .absent, cluster.node(named: node.name) == nil { return nil }
        if node.hostKeys.isEmpty {
            return (
                "has no pinned host key, and the agent never trusts a machine on first use",
                "add hostKeys to its entry (`homelab enroll \(node.host)`, or ssh-keyscan -t ed25519 \(node.host) compared with the machine's own)"
            )
        }
        if node.state == .present, case .unreachable(let reason)? = observed[node.name] {
            return (
                reason,
                "see that it is on and reachable, has the host key of its entry, and lets in the key that `homelab key` prints; it is "
                    + "tried again by itself"
            )
        }
        return nil
    }

    // MARK: One change

    func verdict(_ change: NodeChange) -> NodeAdmission.Verdict {
        if let node = desired.node(named: change.node), let obstacle = obstacle(node), !isGone(change) {
            return .refused(reason: obstacle.reason, remedy: obstacle.remedy)
        }
        if let finding = findings.all.first(where: { $0.severity == .error && $0.subject == "node \"\(change.node)\"" }), !isGone(change) {
            return .refused(reason: finding.cause.map { "\(finding.summary): \($0)" } ?? finding.summary, remedy: finding.remedy)
        }
        if let unseen = unseenServer(besides: change.node), change.kind == .agent || change.kind.isJoinOfServer {
            return .waiting(reason: "the server \(unseen) cannot be seen, and may hold the repository that the agents follow")
        }
        if let freeze = memory.freeze, change.kind != .metadata { return .frozen(reason: freeze.reason) }
        if memory.failures[change.node, default: 0] >= Self.attempts, !change.kind.interrupts {
            return .frozen(reason: "it failed \(Self.attempts) times")
        }
        if isBegun(change) { return .admitted }
        if needsApproval(change), !memory.approved.contains(change.id) { return .unapproved }
        return (change.kind == .upgrade || change.kind == .restart) ? windowVerdict : .admitted
    }

    /// A dead machine is taken out of the cluster without being reached.
    private func isGone(_ change: NodeChange) -> Bool { change.kind.isRemoval && observed[change.node]?.facts == nil }

    private func unseenServer(besides node: String) -> String? {
        desired.servers.first { $0.name != node && observed[$0.name]?.facts == nil && cluster.node(named: $0.name) != nil }?.name
    }

    private func needsApproval(_ change: NodeChange) -> Bool {
        if change.kind.changesServers { return desired.policy.servers == .approve }
        return change.kind == .upgrade && desired.policy.upgrades == .approve
    }

    /// What was begun is finished: a node that is cordoned or out of etcd is worse off than one that is changed.
    private func isBegun(_ change: NodeChange) -> Bool {
        let member = cluster.node(named: change.node)
        switch change.kind {
        case .upgrade:
            let facts = observed[change.node]?.facts
            return member?.cordon == .upgrade || facts?.k3s.binary?.version == desired.k3s.version.description
        case .removeAgent, .removeServer: return member?.cordon == .removal || member?.isRemovedMember == true
        default: return false
        }
    }

    private var windowVerdict: NodeAdmission.Verdict {
        switch desired.maintenanceWindows.opening(at: now, zones: zones) {
        case .now: return .admitted
        case .at(let moment):
            return .waiting(reason: "for the maintenance window, which opens at \(UTCText.minutes(moment))", until: moment)
        case .never:
            let unknown = desired.maintenanceWindows.map(\.timeZone).filter { zones[$0] == nil }
            return .refused(
                reason: "no maintenance window ever opens: this server does not know the time zone \(unknown.joined(separator: ", "))",
                remedy: "correct timeZone:, or install tzdata on the servers")
        }
    }
}
