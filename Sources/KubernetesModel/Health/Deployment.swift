import YAML

/// Rolled out when all replicas are of the new template, available and ready, and the controller says that it is done.
@Sendable func deploymentHealth(_ manifest: Manifest, _: HealthContext) -> Health {
    let progressing = manifest.condition("Progressing")
    if let progressing, progressing.reason == "ProgressDeadlineExceeded" { return .failed(progressing.explanation) }

    let wanted = manifest.count("spec", "replicas") ?? 1
    let existing = manifest.count("status", "replicas") ?? 0
    let updated = manifest.count("status", "updatedReplicas") ?? 0
    let available = manifest.count("status", "availableReplicas") ?? 0
    let ready = manifest.count("status", "readyReplicas") ?? 0
    let paused = manifest.value[path: "spec", "paused"]?.bool == true ? "; the rollout is paused (spec.paused)" : ""

    if existing < wanted { return .inProgress("\(existing) of \(wanted) replicas exist\(failure(of: manifest))\(paused)") }
    if updated < wanted { return .inProgress("\(updated) of \(wanted) replicas updated\(failure(of: manifest))\(paused)") }
    if existing > wanted { return .inProgress("\(existing - wanted) old replicas still to end\(paused)") }
    if available < updated { return .inProgress("\(available) of \(updated) updated replicas available\(paused)") }
    if ready < wanted { return .inProgress("\(ready) of \(wanted) replicas ready\(paused)") }

    let hasDeadline = manifest.count("spec", "progressDeadlineSeconds").map { $0 != Int64(Int32.max) } ?? false
    if hasDeadline, paused.isEmpty, progressing?.status != "True" || progressing?.reason != "NewReplicaSetAvailable" {
        return .inProgress("the new ReplicaSet is not available yet")
    }
    if manifest.condition("Available")?.status != "True" { return .inProgress("not available yet") }
    return .current("\(ready) of \(wanted) replicas ready")
}

/// Why pods cannot even be created: a quota, an admission webhook, a missing service account.
private func failure(of manifest: Manifest) -> String {
    guard let failure = manifest.condition("ReplicaFailure"), failure.status == "True" else { return "" }
    return ": " + failure.explanation
}
