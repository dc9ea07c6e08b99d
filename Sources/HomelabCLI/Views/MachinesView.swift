import KubernetesModel
import Reconciliation
import YAML

/// The table of `homelab nodes`.
struct MachinesView {
    let console: Console

    func text(_ machines: [Manifest]) -> String {
        var table = Table(header: ["NAME", "ROLE", "VERSION", "ADDRESS", "PHASE", "LAST CHANGE", "REASON"])
        for machine in machines.sorted(by: { $0.name < $1.name }) { table.append(line(machine)) }
        return table.isEmpty ? "no machines" : table.text
    }

    func line(_ machine: Manifest) -> [String] {
        let status = machine.value["status"]
        let text = { (key: String) in status?[key]?.string ?? "" }
        let ready = status?["conditions"]?.array?.first { $0["type"] == "Ready" }?["status"] == "True"
        let change = status?["lastChange"]
        let words = [change?["time"]?.string, change?["step"]?.string, change?["result"]?.string].compactMap { $0 }
        let plan = text("planHash").isEmpty ? "" : "plan \(text("planHash").prefix(12)): "
        return [
            machine.name, machine.value[path: "spec", "role"]?.string ?? "", text("version"),
            machine.value[path: "spec", "address"]?.string ?? "", console.styled(text("phase"), ready ? .green : .yellow),
            words.joined(separator: " "), plan + text("message"),
        ]
    }
}
