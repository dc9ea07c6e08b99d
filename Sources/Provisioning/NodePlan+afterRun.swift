internal import Diagnostics
internal import NodePlanning

extension NodePlan {
    /// What is to be said of a run when this is the plan after it: what is still to do was either missed or undone by somebody, and must not
    /// be passed over in silence. One run adds, upgrades or removes: what waited for that was said in its plan, and is no fault of the run.
    /// - Parameters:
    ///   - run: the plan that was carried out, which need not be the one that was shown first.
    ///   - nodes: those that the run was for; all when empty.
    ///   - logs: the folder of the run's log files.
    func findings(after run: NodePlan, of nodes: Set<String>, logs: String?) -> Diagnostics {
        var findings = Diagnostics()
        for note in pending where note.concerns(nodes) {
            findings.append(note.diagnostic(note.isRefusal ? .error : .warning, cluster: cluster))
        }
        let waited = Set(run.pending.compactMap(\.node))
        var left = phases.flatMap { phase in
            phase.tasks.flatMap { task in task.steps.map { (phase: phase.kind, node: task.node, planned: $0) } }
        }
        let possible = left.filter { waited.contains($0.planned.step.subjectNode ?? $0.node) }
        if !possible.isEmpty {
            let kinds = possible.map(\.phase.rawValue).uniqued.joined(separator: ", ")
            findings.append(
                Diagnostic(
                    .warning, "what waited for this run can be done now: \(kinds)", subject: "cluster \"\(cluster)\"",
                    remedy: "Run `homelab bootstrap` again."))
            // A snapshot is made before what waited.
            left.removeAll { $0.phase == .snapshot || waited.contains($0.planned.step.subjectNode ?? $0.node) }
        }
        for node in left.map(\.node).uniqued {
            let steps = left.filter { $0.node == node }.map(\.planned)
            findings.append(
                Diagnostic(
                    .error, "after the run there is still to do: \(steps.map(\.step.activity).joined(separator: ", "))",
                    subject: "node \"\(node)\"", cause: steps.first?.reason,
                    remedy: "Run again; if it stays, look at \(logs ?? "the node's journal")."))
        }
        return findings
    }
}
