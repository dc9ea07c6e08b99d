import YAML

/// Current as soon as it is stored: many controllers on bare metal never write an address, so none is waited for.
@Sendable func ingressHealth(_ manifest: Manifest, _: HealthContext) -> Health {
    let addresses = (manifest.value[path: "status", "loadBalancer", "ingress"]?.array ?? []).compactMap {
        $0["ip"]?.string ?? $0["hostname"]?.string
    }
    return .current(addresses.isEmpty ? "" : "reached at \(addresses.joined(separator: ", "))")
}
