import YAML

/// With `OnDelete` nobody rolls the pods out, so there is nothing to wait for; a partition holds back the pods below it by intent.
@Sendable func statefulSetHealth(_ manifest: Manifest, _: HealthContext) -> Health {
    let strategy = manifest.value[path: "spec", "updateStrategy"]
    if strategy?["type"]?.string == "OnDelete" { return .current("pods are replaced when they are deleted (OnDelete)") }
    let wanted = manifest.count("spec", "replicas") ?? 1
    let existing = manifest.count("status", "replicas") ?? 0
    let ready = manifest.count("status", "readyReplicas") ?? 0
    let current = manifest.count("status", "currentReplicas") ?? 0
    let updated = manifest.count("status", "updatedReplicas") ?? 0
    if existing < wanted { return .inProgress("\(existing) of \(wanted) replicas exist") }
    if ready < wanted { return .inProgress("\(ready) of \(wanted) replicas ready") }
    if existing > wanted { return .inProgress("\(existing - wanted) replicas still to end") }
    if let partition = strategy?[path: "rollingUpdate", "partition"]?.int, partition > 0 {
        let due = max(0, wanted - partition)
        if updated < due { return .inProgress("\(updated) of \(due) replicas above the partition updated") }
        return .current("\(ready) of \(wanted) replicas ready, \(min(wanted, partition)) held back by the partition")
    }
    let revisions = (manifest.value[path: "status", "currentRevision"]?.string, manifest.value[path: "status", "updateRevision"]?.string)
    if revisions.0 != revisions.1 { return .inProgress("\(updated) of \(wanted) replicas updated") }
    if current < wanted { return .inProgress("\(current) of \(wanted) replicas of the current revision") }
    return .current("\(ready) of \(wanted) replicas ready")
}
