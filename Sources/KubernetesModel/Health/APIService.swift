import YAML

/// kstatus has no rule and calls it current; what is not available here breaks discovery for everybody, so it is waited for.
@Sendable func apiServiceHealth(_ manifest: Manifest, _: HealthContext) -> Health {
    guard let available = manifest.condition("Available") else { return .inProgress("not looked at yet") }
    return available.status == "True" ? .current("available") : .inProgress("not available: \(available.explanation)")
}
