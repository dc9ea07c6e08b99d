import YAML

/// As in kstatus a LoadBalancer needs only its cluster address: on bare metal there may be nobody who gives it another. Where the
/// cluster is known to serve load balancers, the address is waited for.
@Sendable func serviceHealth(_ manifest: Manifest, _ context: HealthContext) -> Health {
    let spec = manifest.value["spec"]
    guard spec?["type"]?.string == "LoadBalancer" else { return .current() }
    if (spec?["clusterIP"]?.string ?? "").isEmpty { return .inProgress("has no cluster address yet") }
    let addresses = (manifest.value[path: "status", "loadBalancer", "ingress"]?.array ?? []).compactMap {
        $0["ip"]?.string ?? $0["hostname"]?.string
    }
    if !addresses.isEmpty { return .current("reached at \(addresses.joined(separator: ", "))") }
    let which = spec?["loadBalancerClass"]?.string.map { "class \($0)" } ?? "no class"
    if context.servesLoadBalancers { return .inProgress("waits for an external address (\(which))") }
    return .current("no external address: nothing has served this load balancer (\(which))")
}
