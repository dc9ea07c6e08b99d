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
        let left = phases.flatMap(\.tasks).flatMap { task in task.steps.map { (node: task.node, planned: $0) } }
        // What belongs to it is done on other machines, too: a snapshot, keys, firewalls.
        guard !left.contains(where: { waited.contains($0.planned.step.subjectNode ?? $0.node) }) else {
            findings.append(
                Diagnostic(
                    .warning, "what waited for this run can be done now: \(phases.map(\.kind.rawValue).joined(separator: ", "))",
                    subject: "cluster \"\(cluster)\"", remedy: "Run `homelab bootstrap` again."))
            return findings
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
