import YAML

/// Ready as its kubelet reports it; a node that has not reported is unknown, pressure and cordon are told but no failure.
@Sendable func nodeHealth(_ manifest: Manifest, _: HealthContext) -> Health {
    guard let ready = manifest.condition("Ready") else { return .inProgress("its kubelet has not reported yet") }
    var notes = manifest.conditions.filter { $0.type.hasSuffix("Pressure") && $0.status == "True" }.map(\.type)
    if manifest.value[path: "spec", "unschedulable"]?.bool == true { notes.append("cordoned") }
    let note = notes.isEmpty ? "" : " (\(notes.joined(separator: ", ")))"
    switch ready.status {
    case "True": return .current("ready\(note)")
    case "Unknown": return Health(.unknown, "its kubelet stopped reporting: \(ready.explanation)\(note)")
    default: return .inProgress("not ready: \(ready.explanation)\(note)")
    }
}
