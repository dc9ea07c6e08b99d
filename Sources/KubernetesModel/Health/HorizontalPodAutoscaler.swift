import YAML

/// Current as in kstatus, because a missing metrics server must not hold up a deployment; a specification that can never work is failed.
@Sendable func horizontalPodAutoscalerHealth(_ manifest: Manifest, _: HealthContext) -> Health {
    let troubled = manifest.conditions.filter { $0.status == "False" && ($0.type == "AbleToScale" || $0.type == "ScalingActive") }
    if let wrong = troubled.first(where: { $0.reason.hasPrefix("Invalid") }) { return .failed(wrong.explanation) }
    return .current(troubled.filter { $0.reason != "ScalingDisabled" }.first.map { "does not scale: \($0.explanation)" } ?? "")
}
