import Reconciliation

/// What the agent is still to do on the nodes, and what each change waits for.
struct PendingPlanView {
    let console: Console

    func lines(_ report: NodesReport) -> [String] {
        guard !report.changes.isEmpty else { return [] }
        let ask = report.needsApproval ? ", `homelab approve \(report.planHash.prefix(12))` lets it be carried out" : ""
        var table = Table(header: ["  CHANGE", "STATE", "REASON"])
        for change in report.changes {
            let style: Console.Style =
                switch change.state {
                case .running: .green
                case .waiting, .approval: .yellow
                case .frozen, .refused: .red
                }
            let reason = change.remedy.isEmpty || change.state == .approval ? change.reason : "\(change.reason); \(change.remedy)"
            table.append(["  " + change.summary, console.styled(change.state.rawValue, style), reason])
        }
        return ["", "plan \(report.planHash.prefix(12))\(ask)", table.text]
    }
}
