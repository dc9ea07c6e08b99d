import YAML

@Sendable func podDisruptionBudgetHealth(_ manifest: Manifest, _: HealthContext) -> Health {
    manifest.count("status", "disruptionsAllowed").map { .current("\($0) disruptions allowed") } ?? .current()
}
