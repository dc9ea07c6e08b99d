import YAML

@Sendable func replicaSetHealth(_ manifest: Manifest, _: HealthContext) -> Health {
    if let failure = manifest.condition("ReplicaFailure"), failure.status == "True" { return .inProgress(failure.explanation) }
    let wanted = manifest.count("spec", "replicas") ?? 1
    let existing = manifest.count("status", "replicas") ?? 0
    let labelled = manifest.count("status", "fullyLabeledReplicas") ?? 0
    let available = manifest.count("status", "availableReplicas") ?? 0
    let ready = manifest.count("status", "readyReplicas") ?? 0
    if existing < wanted { return .inProgress("\(existing) of \(wanted) replicas exist") }
    if labelled < wanted { return .inProgress("\(labelled) of \(wanted) replicas labelled") }
    if available < wanted { return .inProgress("\(available) of \(wanted) replicas available") }
    if ready < wanted { return .inProgress("\(ready) of \(wanted) replicas ready") }
    if existing > wanted { return .inProgress("\(existing - wanted) replicas still to end") }
    return .current("\(ready) of \(wanted) replicas ready")
}
