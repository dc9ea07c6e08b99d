import YAML

/// Done when complete (as Flux overrides kstatus, for which a started Job is already current), so that what depends on it waits for its end.
@Sendable func jobHealth(_ manifest: Manifest, _: HealthContext) -> Health {
    if let failed = manifest.condition("Failed"), failed.status == "True" { return .failed(failed.explanation) }
    let succeeded = manifest.count("status", "succeeded") ?? 0
    if manifest.condition("Complete")?.status == "True" { return .current("complete, \(succeeded) succeeded") }
    if manifest.value[path: "spec", "suspend"]?.bool == true || manifest.condition("Suspended")?.status == "True" {
        return .current("suspended")
    }
    let wanted = manifest.count("spec", "completions") ?? 1
    let active = manifest.count("status", "active") ?? 0
    let failures = manifest.count("status", "failed") ?? 0
    return .inProgress("\(succeeded) of \(wanted) succeeded, \(active) running" + (failures > 0 ? ", \(failures) failed" : ""))
}
