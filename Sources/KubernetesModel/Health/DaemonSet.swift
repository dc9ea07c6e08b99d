import YAML

/// With `OnDelete` nobody rolls the pods out, so the number of updated ones is not waited for (kstatus waits for ever).
@Sendable func daemonSetHealth(_ manifest: Manifest, _: HealthContext) -> Health {
    guard manifest.count("status", "observedGeneration") != nil, let wanted = manifest.count("status", "desiredNumberScheduled") else {
        return .inProgress("its controller has not looked at it yet")
    }
    let current = manifest.count("status", "currentNumberScheduled") ?? 0
    let updated = manifest.count("status", "updatedNumberScheduled") ?? 0
    let available = manifest.count("status", "numberAvailable") ?? 0
    let ready = manifest.count("status", "numberReady") ?? 0
    let isOnDelete = manifest.value[path: "spec", "updateStrategy", "type"]?.string == "OnDelete"
    if current < wanted { return .inProgress("on \(current) of \(wanted) nodes") }
    if updated < wanted, !isOnDelete { return .inProgress("\(updated) of \(wanted) pods updated") }
    if available < wanted { return .inProgress("\(available) of \(wanted) pods available") }
    if ready < wanted { return .inProgress("\(ready) of \(wanted) pods ready") }
    return .current("\(ready) of \(wanted) pods ready")
}
