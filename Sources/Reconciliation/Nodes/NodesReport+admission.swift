import Diagnostics
import NodeInventory
import NodePlanning
import Provisioning

extension NodesReport {
    /// - Parameter running: the changes that are carried out now.
    init(
        revision: String, _ spec: ClusterSpec, _ observation: ProvisioningObservation, _ admission: NodeAdmission, memory: ChangeMemory,
        failures: [Diagnostic], running: Set<NodeChange>
    ) {
        let changes = admission.items.map { Change($0, hash: admission.hash, isRunning: running.contains($0.change)) }
        let names = spec.nodes.map(\.name) + observation.cluster.nodes.map(\.name).filter { spec.node(named: $0) == nil }
        let nodes = names.compactMap { name -> Node? in
            let entry = spec.node(named: name)
            // One that has left is of no interest any more; its entry may stay or go.
            if entry?.state == .absent, observation.cluster.node(named: name) == nil { return nil }
            var node = Node(name, entry, observation, changes.filter { $0.node == name }, admission.pending, failures)
            node.address = entry?.address ?? observation.cluster.node(named: name)?.internalIPs.first ?? ""
            if node.message.isEmpty, entry?.state == .paused || entry != nil && spec.paused { node.message = "is paused" }
            return node
        }
        let clusterWide = admission.pending.filter { $0.node == nil }.map {
            Diagnostic(.warning, $0.text, subject: "nodes", remedy: $0.remedy)
        }
        self.init(revision: revision, nodes: nodes, errors: failures + clusterWide)
        self.changes = changes
        self.memory = memory
        planHash = changes.isEmpty ? "" : admission.hash
    }
}

extension NodesReport.Change {
    fileprivate init(_ item: NodeAdmission.Item, hash: String, isRunning: Bool) {
        self.init(node: item.change.node, kind: item.change.kind.rawValue, summary: item.change.summary, state: .waiting)
        let approve = "`homelab approve \(hash.prefix(12))`"
        switch item.verdict {
        case .admitted: state = isRunning ? .running : .waiting
        case .waiting(let reason, let remedy, _):
            self.reason = reason
            self.remedy = remedy ?? ""
        case .unapproved:
            state = .approval
            reason = "waits for approval"
            remedy = "\(approve), or the hash under policy.approve in the inventory"
        case .frozen(let reason):
            state = .frozen
            self.reason = reason
            remedy = "put it right, then push a change of the inventory, or \(approve) to try again"
        case .refused(let reason, let remedy):
            state = .refused
            self.reason = reason
            self.remedy = remedy ?? ""
        }
    }

    /// What the node's phase is called while this is carried out.
    fileprivate var phase: String {
        switch ChangeClass(rawValue: kind) {
        case .joinAgent, .joinServer: "Joining"
        case .replaceAgent, .replaceServer: "Replacing"
        case .removeAgent, .removeServer: "Leaving"
        case .upgrade: "Upgrading"
        case .restart, .start: "Restarting"
        case .preparation, .metadata, .agent, nil: "Preparing"
        }
    }

    fileprivate var sentence: String { "\(summary): \(reason)" + (remedy.isEmpty ? "" : "; \(remedy)") }
}

extension NodesReport.Node {
    /// One line about a node: the worst that is known of it.
    fileprivate init(
        _ name: String, _ spec: NodeSpec?, _ observation: ProvisioningObservation, _ changes: [NodesReport.Change], _ pending: [NodeNote],
        _ failures: [Diagnostic]
    ) {
        let live = observation.cluster.node(named: name)
        let isRunning = live?.ready ?? false
        self.init(
            name: name, role: (spec?.role ?? live?.role)?.rawValue ?? "", phase: isRunning ? "Ready" : live == nil ? "Pending" : "NotReady",
            isHealthy: isRunning, version: live?.kubeletVersion ?? "", message: live.map { $0.ready ? "" : $0.reason } ?? "")
        if let failure = failures.first(where: { $0.subject == "node \"\(name)\"" }) {
            phase = "Failed"
            isHealthy = false
            message = failure.cause.map { "\(failure.summary): \($0)" } ?? failure.summary
        } else if let change = changes.first(where: { $0.state == .running }) {
            phase = change.phase
            message = change.summary
            if change.phase == "Joining" { isHealthy = false }
        } else if spec == nil {
            phase = "Orphan"
            message = pending.first { $0.node == name }?.text ?? ""
        } else if let change = changes.first(where: { !$0.reason.isEmpty }) {
            message = change.sentence
        } else if let note = pending.first(where: { $0.node == name }) {
            message = note.remedy.map { "\(note.text); \($0)" } ?? note.text
            // What keeps it may pass without a commit: a Node that is gone is Ready for a while yet.
            if spec?.state == .absent { isHealthy = false }
        } else if live == nil {
            message = "not in the cluster yet"
        }
    }
}
