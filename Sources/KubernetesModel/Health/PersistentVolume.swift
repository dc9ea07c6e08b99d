import YAML

@Sendable func persistentVolumeHealth(_ manifest: Manifest, _: HealthContext) -> Health {
    let status = manifest.value["status"]
    switch status?["phase"]?.string {
    case "Available": return .current("available")
    case "Bound": return .current("bound")
    case "Released": return .current("released: its claim is gone, its data is kept")
    case "Failed": return .failed(status?["message"]?.string ?? status?["reason"]?.string ?? "reclaiming it failed")
    case let phase: return .inProgress(phase ?? "no phase yet")
    }
}
