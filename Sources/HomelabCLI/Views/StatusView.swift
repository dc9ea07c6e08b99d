import Diagnostics
import KubernetesModel
import Reconciliation
import YAML

/// The text of `homelab status`.
struct StatusView {
    let console: Console

    /// More columns of nodes and units.
    var isWide = false

    func text(_ snapshot: ClusterSnapshot) -> String {
        let warnings = snapshot.warnings.map { console.styled($0.description, .yellow) }
        let problems = snapshot.problems.map { console.styled($0.description, .red) }
        let agents = snapshot.leader.map(leader) ?? []
        let parts: [[String]] = [[nodes(snapshot)], agents, snapshot.units.map(unit), kustomizations(snapshot), problems, warnings]
        return parts.flatMap { $0 }.joined(separator: "\n\n")
    }

    private func leader(_ leader: Leadership) -> [String] {
        [leader.complaint.isEmpty ? leader.description : console.styled(leader.description, .red)]
    }

    private func kustomizations(_ snapshot: ClusterSnapshot) -> [String] {
        guard !snapshot.kustomizations.isEmpty else { return [] }
        var table = Table(header: ["UNIT", "READY", "REVISION"] + (isWide ? ["PATH", "SOURCE"] : []) + ["MESSAGE"])
        for unit in snapshot.kustomizations {
            let status = unit.readiness.status
            let state = unit.isSuspended ? "Suspended" : status
            let spec = KustomizationSpec(of: unit)
            table.append(
                [
                    "\(unit.namespace)/\(unit.name)", console.styled(state, status == "True" && !unit.isSuspended ? .green : .yellow),
                    UnitList.short(unit.appliedRevision),
                ] + (isWide ? [spec.path, spec.source.description] : []) + [UnitList.standing(of: unit)])
        }
        return [table.text]
    }

    private func nodes(_ snapshot: ClusterSnapshot) -> String {
        let wide = isWide ? ["OS", "KERNEL", "RUNTIME", "ARCHITECTURE"] : []
        var table = Table(header: ["NODE", "ROLE", "STATE", "VERSION", "ADDRESS"] + wide + ["REASON"])
        let reported = Dictionary((snapshot.inventory?.nodes ?? []).map { ($0.name, $0) }) { first, _ in first }
        let live = Dictionary(snapshot.nodes.map { ($0.name, $0) }) { first, _ in first }
        let failures = snapshot.inventory?.errors ?? []
        let names = (snapshot.inventory?.nodes.map(\.name) ?? []) + snapshot.nodes.map(\.name).filter { reported[$0] == nil }.sorted()
        for name in names {
            let (node, report) = (live[name], reported[name])
            let isReady = node?.isReady ?? false
            let state = node == nil ? report?.phase ?? "Pending" : isReady ? "Ready" : "NotReady"
            let role =
                node.map { $0.roles.contains("control-plane") || $0.roles.contains("master") ? "server" : "agent" } ?? report?.role ?? ""
            table.append(
                [
                    name, role, console.styled(state, isReady ? .green : .yellow), node?.kubeletVersion ?? report?.version ?? "",
                    node?.address ?? "",
                ] + (isWide ? Self.machine(node) : []) + [reason(report, failures)])
        }
        let plan = snapshot.inventory.map { PendingPlanView(console: console).lines($0) } ?? []
        let errors = failures.map { console.styled($0.description, .red) }
        return ([table.text] + plan + errors).joined(separator: "\n")
    }

    /// What is told at length below the table is named in it only.
    private func reason(_ node: NodesReport.Node?, _ failures: [Diagnostic]) -> String {
        guard let node else { return "" }
        let failure = failures.first { $0.subject == "node \"\(node.name)\"" && node.message.hasPrefix($0.summary) }
        return failure?.summary ?? node.message
    }

    private static func machine(_ node: Manifest?) -> [String] {
        ["osImage", "kernelVersion", "containerRuntimeVersion", "architecture"].map {
            node?.value[path: "status", "nodeInfo", $0]?.string ?? ""
        }
    }

    private func unit(_ unit: StatusReport) -> String {
        var lines = [
            console.styled("\(unit.path.isEmpty ? unit.unit : unit.path)", .bold) + "  "
                + console.styled(unit.phase.rawValue, unit.isHealthy ? .green : .yellow) + "  "
                + (unit.appliedRevision.isEmpty ? "nothing applied yet" : "at \(unit.appliedRevision.prefix(12))") + summary(unit)
        ]
        if unit.attemptedRevision != unit.appliedRevision, !unit.attemptedRevision.isEmpty, unit.phase != .artifactFailed {
            lines.append("  working on \(unit.attemptedRevision.prefix(12))")
        }
        var problems = unit.source.problem.isEmpty ? [] : ["  repository: \(unit.source.problem): \(unit.source.message)"]
        problems += unit.errors.map(\.description)
        // The one line for people is often the first of these.
        if !unit.message.isEmpty, !unit.isHealthy, !problems.contains(where: { $0.contains(unit.message) }) {
            lines.append("  " + unit.message)
        }
        lines += problems.map { console.styled($0, .red) }
        lines += unit.exceptions.map { "  \($0.key): \($0.message)" }
        var table = Table(header: ["  OBJECT", "HEALTH", "FILE", "REASON"])
        for object in unit.objects {
            let style: Console.Style = object.health == .current ? .green : object.health == .failed ? .red : .yellow
            table.append(["  \(object.key)", console.styled(object.health.rawValue, style), object.origin, object.message])
        }
        if !table.isEmpty { lines.append(table.text) }
        return lines.joined(separator: "\n")
    }

    private func summary(_ unit: StatusReport) -> String {
        (unit.source.summary.isEmpty ? "" : "  \"\(unit.source.summary)\"") + "  \(unit.objectCount) object(s)"
    }
}
