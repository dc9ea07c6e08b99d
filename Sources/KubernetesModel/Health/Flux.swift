import YAML

/// Flux's kinds: their `Ready` condition, with two additions. One that nobody has reconciled yet is in progress (a bare kstatus would
/// call it current), and one that is suspended while it is not ready is failed, because nothing will change it until it is resumed.
@Sendable func fluxHealth(_ manifest: Manifest, _: HealthContext) -> Health {
    let isSuspended = manifest.value[path: "spec", "suspend"]?.bool == true
    guard let ready = manifest.condition("Ready") else {
        // A HelmRepository of type oci has no status by design.
        if manifest.kind == "HelmRepository", manifest.value[path: "spec", "type"]?.string == "oci" { return .current() }
        return isSuspended ? .failed("suspended before it was ever reconciled") : .inProgress(notReconciledYet)
    }
    if ready.status == "True" { return .current(isSuspended ? "suspended; \(ready.message)" : ready.message) }
    return isSuspended ? .failed("suspended while not ready: \(ready.explanation)") : .inProgress(ready.explanation)
}

/// What nobody has looked at yet.
package let notReconciledYet = "not reconciled yet"
