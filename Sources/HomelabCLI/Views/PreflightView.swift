import Diagnostics
import NodeInventory
import NodePlanning
import Provisioning
import YAML

/// The result of `homelab preflight`: a line per machine, then every finding with its remedy.
struct PreflightView {
    let console: Console
    let spec: ClusterSpec
    let report: PreflightReport

    var text: String {
        var table = Table(header: ["NODE", "ROLE", "CHECK", "MACHINE"])
        for node in spec.nodes {
            table.append([node.name, node.role.rawValue, mark(node), machine(node)])
        }
        let findings = report.findings.sorted
        let errors = findings.filter { $0.severity == .error }.count
        let warnings = findings.filter { $0.severity == .warning }.count
        var lines = [table.text]
        if !findings.isEmpty { lines += [""] + findings.map(styled) }
        lines += [
            "", errors == 0 ? "Nothing is in the way\(warnings == 0 ? "" : " (\(warnings) warning(s))")." : "\(errors) problem(s) found.",
        ]
        return lines.joined(separator: "\n") + "\n"
    }

    var json: Value {
        [
            "cluster": .string(spec.name), "passed": .bool(!report.findings.hasErrors),
            "nodes": .array(
                spec.nodes.map { node in
                    [
                        "name": .string(node.name), "role": .string(node.role.rawValue), "check": .string(verdict(node)),
                        "machine": .string(machine(node)),
                    ]
                }),
            "findings": .array(report.findings.sorted.map(\.json)),
        ]
    }

    private func verdict(_ node: NodeSpec) -> String {
        if node.state == .paused || spec.paused { return "paused" }
        let own = report.findings.all.filter { $0.subject == "node \"\(node.name)\"" }.map(\.severity)
        if own.contains(.error) { return "failed" }
        return own.contains(.warning) ? "warnings" : "ok"
    }

    private func mark(_ node: NodeSpec) -> String {
        let verdict = verdict(node)
        return console.styled(verdict, verdict == "failed" ? .red : verdict == "ok" ? .green : .yellow)
    }

    private func machine(_ node: NodeSpec) -> String {
        guard let facts = report.observation.nodes.observed[node.name]?.facts else { return "was not seen" }
        let system = facts.system
        let memory = facts.resources.memory >> 20
        return [
            system.name.isEmpty ? system.id : system.name, system.machine, "\(facts.resources.cpus) CPU", "\(memory) MiB",
            facts.k3s.binary?.version.map { "k3s \($0.split(separator: " ").dropFirst(2).first.map(String.init) ?? $0)" },
        ].compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: ", ")
    }

    private func styled(_ finding: Diagnostic) -> String {
        let style: Console.Style = finding.severity == .error ? .red : finding.severity == .warning ? .yellow : .dim
        let text = finding.description
        guard let range = text.firstIndex(of: "\n") else { return console.styled(text, style) }
        return console.styled(String(text[..<range]), style) + text[range...]
    }
}

extension Diagnostic {
    var json: Value {
        var value: Value = ["severity": .string(severity.rawValue), "summary": .string(summary)]
        if let subject { value["subject"] = .string(subject) }
        if let location { value["location"] = .string("\(location)") }
        if let cause { value["cause"] = .string(cause) }
        if let remedy { value["remedy"] = .string(remedy) }
        return value
    }
}
