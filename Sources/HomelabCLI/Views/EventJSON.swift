import Diagnostics
import NodePlanning
import Provisioning
import YAML

/// `homelab bootstrap -o json`: one JSON object a line for everything that happens, for programs that watch a run.
struct EventJSON {
    let console: Console

    func show(_ event: ProvisioningEvent) { write(Self.value(event)) }

    func show(plan: NodePlan, findings: Diagnostics) {
        write(["event": "plan", "plan": plan.json, "findings": .array(findings.sorted.map(\.json))])
    }

    func show(refusal: Diagnostic) { write(["event": "refused", "finding": refusal.json]) }

    func show(report: BootstrapReport) {
        var value: Value = [
            "event": "result", "succeeded": .bool(report.succeeded), "changed": .bool(report.execution != nil),
            "declined": .bool(report.wasDeclined), "stopped": .bool(report.execution?.wasStopped ?? false),
            "findings": .array(((report.execution?.failures ?? []) + report.findings.sorted + report.afterwards.sorted).map(\.json)),
        ]
        if let kubeconfig = report.kubeconfig { value["kubeconfig"] = .string(kubeconfig) }
        if let earlier = report.earlierKubeconfig { value["earlierKubeconfig"] = .string(earlier) }
        if let logs = report.logs { value["logs"] = .string(logs) }
        write(value)
    }

    func show(error: any Error) {
        var findings = Diagnostics()
        findings.append(error)
        write(["event": "result", "succeeded": false, "changed": false, "findings": .array(findings.sorted.map(\.json))])
    }

    private func write(_ value: Value) { console.line(JSONWriter.text(value)) }

    static func value(_ event: ProvisioningEvent) -> Value {
        func seconds(_ duration: Duration) -> Value {
            .double(Double(duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000) / 1000)
        }
        switch event {
        case .phaseStarted(let title, let nodes, let index, let count):
            return [
                "event": "phaseStarted", "phase": .string(title), "nodes": .array(nodes.map { .string($0) }), "index": .int(Int64(index)),
                "count": .int(Int64(count)),
            ]
        case .phaseDone(let title, let elapsed): return ["event": "phaseDone", "phase": .string(title), "seconds": seconds(elapsed)]
        case .stepStarted(let node, let step): return ["event": "stepStarted", "node": .string(node), "step": .string(step)]
        case .stepDetail(let node, let step, let text):
            return ["event": "stepDetail", "node": .string(node), "step": .string(step), "text": .string(text)]
        case .stepProgress(let node, let step, let done, let total):
            return ["event": "stepProgress", "node": .string(node), "step": .string(step), "done": .int(done), "total": .int(total)]
        case .stepDone(let node, let step, let elapsed):
            return ["event": "stepDone", "node": .string(node), "step": .string(step), "seconds": seconds(elapsed)]
        case .stepFailed(let node, let step, let elapsed, let diagnostic):
            return [
                "event": "stepFailed", "node": .string(node), "step": .string(step), "seconds": seconds(elapsed),
                "finding": diagnostic.json,
            ]
        case .stepSkipped(let node, let step, let reason):
            return ["event": "stepSkipped", "node": .string(node), "step": .string(step), "reason": .string(reason)]
        case .note(let node, let text):
            var value: Value = ["event": "note", "text": .string(text)]
            if let node { value["node"] = .string(node) }
            return value
        }
    }
}
