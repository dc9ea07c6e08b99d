package import KubernetesModel

extension HealthContext {
    /// As a cluster tells it to somebody who looks once. What that person may not read is left at its default.
    package init(of api: any ClusterAPI, now: Timestamp) async throws {
        self.init(now: now)
        do {
            take(storageClasses: try await Self.storageClasses(of: api))
        } catch let error as ClusterError where error.kind == .forbidden {}
        do {
            servesLoadBalancers = try await Self.servesLoadBalancers(api)
        } catch let error as ClusterError where error.kind == .forbidden {}
    }

    /// Claims wait for their first pod when their class says so, which only the classes tell.
    static func storageClasses(of api: any ClusterAPI) async throws -> [Manifest] {
        let kind = GroupVersionKind(group: "storage.k8s.io", version: "v1", kind: "StorageClass")
        return try await api.list(kind, namespace: "", labelSelector: nil).items
    }

    /// Whether Services of type LoadBalancer are waited for, because something gives them addresses: k3s' ServiceLB, which makes this
    /// account when it starts, MetalLB, or whatever has given one to any of them.
    static func servesLoadBalancers(_ api: any ClusterAPI) async throws -> Bool {
        let definition = GroupVersionKind(group: "apiextensions.k8s.io", version: "v1", kind: "CustomResourceDefinition")
        let account = GroupVersionKind(group: "", version: "v1", kind: "ServiceAccount")
        if try await api.get(account, namespace: "kube-system", name: "svclb") != nil { return true }
        if try await api.get(definition, namespace: "", name: "ipaddresspools.metallb.io") != nil { return true }
        var context = HealthContext()
        let services = GroupVersionKind(group: "", version: "v1", kind: "Service")
        for service in try await api.list(services, namespace: "", labelSelector: nil).items { context.take(service: service) }
        return context.servesLoadBalancers
    }
}
