import YAML

/// What holds for every kind: an object on its way out, one its controller has not looked at yet, and the two standard conditions.
func genericHealth(of manifest: Manifest) -> Health? {
    if manifest.isBeingDeleted { return terminatingHealth(of: manifest) }
    let status = manifest.value["status"]
    // Nobody looks at a Kustomization while it is suspended, and Flux' definitions say -1 of what nobody has ever looked at.
    let isFlux = manifest.groupVersionKind.group.hasSuffix("toolkit.fluxcd.io")
    let isSuspended = isFlux && manifest.value[path: "spec", "suspend"]?.bool == true
    if !isSuspended, let observed = status?["observedGeneration"]?.int, let generation = manifest.generation, observed != generation,
        !(isFlux && observed == -1)
    {
        return .inProgress("its controller has seen generation \(observed) of \(generation)")
    }
    if let reconciling = manifest.condition("Reconciling"), reconciling.status == "True" {
        return .inProgress(reconciling.explanation)
    }
    if let stalled = manifest.condition("Stalled"), stalled.status == "True" { return .failed(stalled.explanation) }
    return nil
}

/// The `Ready` condition, for kinds without a rule: not ready is in progress, never failed, because the condition does not tell them apart.
func readyConditionHealth(of manifest: Manifest) -> Health {
    guard let ready = manifest.condition("Ready") else { return .current() }
    return ready.status == "True" ? .current(ready.message) : .inProgress(ready.explanation)
}

private func terminatingHealth(of manifest: Manifest) -> Health {
    var message = "being deleted"
    if let since = manifest.value[path: "metadata", "deletionTimestamp"]?.string { message += " since \(since)" }
    let finalizers = (manifest.value[path: "metadata", "finalizers"]?.array ?? []).compactMap(\.string)
    if !finalizers.isEmpty { message += ", waits for \(finalizers.joined(separator: ", "))" }
    let remaining = manifest.conditions.filter { $0.status == "True" && $0.type.hasPrefix("Namespace") }.map(\.message)
    if !remaining.isEmpty { message += ": " + remaining.joined(separator: "; ") }
    return Health(.terminating, message)
}

/// An entry of `status.conditions`.
package struct Condition: Hashable, Sendable {
    package var type: String
    /// `True`, `False` or `Unknown`.
    package var status: String
    package var reason: String
    package var message: String

    /// The message, or the reason where there is none.
    package var explanation: String {
        if !message.isEmpty { return message }
        return reason.isEmpty ? "\(type) is \(status)" : reason
    }
}

extension Manifest {
    package var conditions: [Condition] {
        (value[path: "status", "conditions"]?.array ?? []).compactMap { item in
            guard let type = item["type"]?.string, let status = item["status"]?.string else { return nil }
            return Condition(type: type, status: status, reason: item["reason"]?.string ?? "", message: item["message"]?.string ?? "")
        }
    }

    package func condition(_ type: String) -> Condition? { conditions.first { $0.type == type } }

    /// A number of `spec` or `status`.
    func count(_ section: String, _ field: String) -> Int64? { value[path: section, field]?.int }
}
