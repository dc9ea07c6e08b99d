import YAML

/// A namespace that is on its way out cannot take objects; the generic rule tells what it still waits for.
@Sendable func namespaceHealth(_ manifest: Manifest, _: HealthContext) -> Health {
    manifest.value[path: "status", "phase"]?.string == "Terminating" ? Health(.terminating, "being deleted") : .current("active")
}
