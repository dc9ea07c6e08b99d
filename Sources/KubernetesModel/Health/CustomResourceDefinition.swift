import YAML

@Sendable func customResourceDefinitionHealth(_ manifest: Manifest, _: HealthContext) -> Health {
    if let names = manifest.condition("NamesAccepted"), names.status == "False" { return .failed(names.explanation) }
    guard let established = manifest.condition("Established") else { return .inProgress("not served yet") }
    if established.status == "True" { return .current("served") }
    return established.reason == "Installing" ? .inProgress("not served yet") : .failed(established.explanation)
}
