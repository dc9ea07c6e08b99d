import YAML

/// A pod that has failed is failed (kstatus calls it current because it does not run any more, which hides every crashed task).
@Sendable func podHealth(_ manifest: Manifest, _ context: HealthContext) -> Health {
    let status = manifest.value["status"]
    switch status?["phase"]?.string {
    case "Succeeded": return .current("succeeded")
    case "Failed": return .failed(failedPodMessage(manifest))
    case "Running": return runningPodHealth(manifest)
    case "Unknown": return Health(.unknown, "its node has not reported: \(manifest.value[path: "spec", "nodeName"]?.string ?? "no node")")
    default: return pendingPodHealth(manifest, context)
    }
}

private func runningPodHealth(_ manifest: Manifest) -> Health {
    if manifest.condition("Ready")?.status == "True" { return .current("running and ready") }
    let stuck = waitingContainers(of: manifest).filter { $0.reason == "CrashLoopBackOff" }
    if let first = stuck.first { return .failed("container \(first.container) keeps crashing: \(first.message)") }
    return .inProgress(manifest.condition("Ready").map { "not ready: \($0.explanation)" } ?? "not ready")
}

/// How long a pod may be unschedulable before that is a failure and not a race with a node or volume on its way.
private let unschedulableGrace = Duration.seconds(15)

private func pendingPodHealth(_ manifest: Manifest, _ context: HealthContext) -> Health {
    if let scheduled = manifest.condition("PodScheduled"), scheduled.status == "False", scheduled.reason == "Unschedulable" {
        let created = manifest.value[path: "metadata", "creationTimestamp"]?.string.flatMap { Timestamp($0) }
        if let created, let now = context.now, created.duration(to: now) >= unschedulableGrace {
            return .failed("no node takes it: \(scheduled.explanation)")
        }
        return .inProgress("no node takes it: \(scheduled.explanation)")
    }
    for waiting in waitingContainers(of: manifest) {
        switch waiting.reason {
        case "CrashLoopBackOff": return .failed("container \(waiting.container) keeps crashing: \(waiting.message)")
        case "InvalidImageName", "ErrImageNeverPull":
            return .failed("container \(waiting.container): \(waiting.reason): \(waiting.message)")
        case "ContainerCreating", "PodInitializing", "": continue
        default: return .inProgress("container \(waiting.container): \(waiting.reason): \(waiting.message)")
        }
    }
    return .inProgress("pending")
}

private func failedPodMessage(_ manifest: Manifest) -> String {
    let status = manifest.value["status"]
    if let message = status?["message"]?.string ?? status?["reason"]?.string { return message }
    for container in status?["containerStatuses"]?.array ?? [] {
        guard let ended = container[path: "state", "terminated"], let code = ended["exitCode"]?.int, code != 0 else { continue }
        return "container \(container["name"]?.string ?? "") ended with \(code)"
    }
    return "failed"
}

private struct WaitingContainer {
    var container: String
    var reason: String
    var message: String
}

private func waitingContainers(of manifest: Manifest) -> [WaitingContainer] {
    let status = manifest.value["status"]
    let all = (status?["initContainerStatuses"]?.array ?? []) + (status?["containerStatuses"]?.array ?? [])
    return all.compactMap { container in
        guard let waiting = container[path: "state", "waiting"] else { return nil }
        return WaitingContainer(
            container: container["name"]?.string ?? "", reason: waiting["reason"]?.string ?? "", message: waiting["message"]?.string ?? "")
    }
}
