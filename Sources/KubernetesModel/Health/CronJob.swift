import YAML

/// Current as soon as it is stored: its runs are Jobs of their own.
@Sendable func cronJobHealth(_ manifest: Manifest, _: HealthContext) -> Health {
    if manifest.value[path: "spec", "suspend"]?.bool == true { return .current("suspended") }
    guard let last = manifest.value[path: "status", "lastScheduleTime"]?.string else { return .current("not due yet") }
    return .current("last started \(last)")
}
