package import KubernetesModel
import YAML

/// One link of the chain: something that is not ready, and why; further in the deeper it is.
package struct ReasonLink: Hashable, Sendable, CustomStringConvertible {
    package var depth: Int
    package var subject: String
    package var reason: String

    package var description: String {
        String(repeating: "  ", count: depth) + (depth == 0 ? "" : "└ ") + subject + ": " + reason
    }
}

/// Why something is not ready, from the unit down to the pod and the node.
package struct ReasonChain: Sendable {
    private let clusters: UnitClusters
    private let catalog: UnitCatalog

    package init(clusters: UnitClusters, catalog: UnitCatalog) {
        self.clusters = clusters
        self.catalog = catalog
    }

    package func links(of unit: Manifest) async throws -> [ReasonLink] {
        try await links(of: unit, depth: 0, seen: [])
    }

    private func links(of unit: Manifest, depth: Int, seen: Set<ObjectKey>) async throws -> [ReasonLink] {
        let (status, reason, message) = unit.readiness
        var links = [Self.link(depth, "\(unit.namespace)/\(unit.name)", status == "True" ? "ready" : "\(reason): \(message)")]
        if let suspension = unit.suspension {
            links.append(Self.link(depth + 1, suspension, "`homelab resume \(unit.name)` lets it go on"))
        }
        guard !seen.contains(unit.key), depth < 8 else { return links }
        for dependency in KustomizationSpec(of: unit).dependsOn {
            guard let other = catalog.units.first(where: { $0.key.unit == dependency }), other.readiness.status != "True" else { continue }
            links += try await self.links(of: other, depth: depth + 1, seen: seen.union([unit.key]))
        }
        if let source = catalog.source(of: unit) {
            let key = source.key.description
            if let suspension = source.suspension {
                links.append(Self.link(depth + 1, key, "\(suspension); `homelab resume \(source.commandName)` lets it go on"))
            }
            if source.readiness.status != "True" { links.append(Self.link(depth + 1, key, source.readiness.message)) }
        }
        let record = KustomizationStatus(of: unit).inventory
        let cluster: UnitCluster
        do {
            cluster = try await clusters.cluster(of: unit)
        } catch {
            return links + [Self.link(depth + 1, "its cluster", "cannot be looked at from here: \(error)")]
        }
        for key in record.keys {
            guard let kind = record.groupVersionKind(of: key) else { continue }
            links += try await self.links(of: key, kind, cluster, depth: depth + 1, seen: seen.union([unit.key]))
        }
        return links
    }

    private func links(
        of key: ObjectKey, _ kind: GroupVersionKind, _ cluster: UnitCluster, depth: Int, seen: Set<ObjectKey>
    ) async throws -> [ReasonLink] {
        if let unit = catalog.units.first(where: { $0.key == key }) {
            return unit.readiness.status == "True" ? [] : try await links(of: unit, depth: depth, seen: seen)
        }
        let found: Manifest?
        do {
            found = try await cluster.api.get(kind, namespace: key.namespace, name: key.name)
        } catch let error as ClusterError where error.kind == .unknownKind {
            return [Self.link(depth, key.description, "the cluster does not know \(kind)")]
        }
        guard let found else { return [Self.link(depth, key.description, "is not there")] }
        return try await links(ofObject: found, cluster, depth: depth)
    }

    /// An object that is not healthy, and the pods that are why.
    package func links(ofObject object: Manifest) async throws -> [ReasonLink] {
        try await links(ofObject: object, try await clusters.homeCluster, depth: 0)
    }

    private func links(ofObject object: Manifest, _ cluster: UnitCluster, depth: Int) async throws -> [ReasonLink] {
        let health = catalog.health(of: object, in: cluster.health)
        guard !health.isCurrent || depth == 0 else { return [] }
        var links = [Self.link(depth, object.key.description, health.description)]
        guard Self.workloads.contains(object.kind), let labels = object.value[path: "spec", "selector", "matchLabels"]?.object else {
            return links
        }
        let selector = labels.compactMap { member in member.value.string.map { "\(member.key)=\($0)" } }.joined(separator: ",")
        let pods = try await cluster.api.list(
            GroupVersionKind(group: "", version: "v1", kind: "Pod"), namespace: object.namespace, labelSelector: selector)
        let waiting = pods.items.filter { !catalog.health(of: $0, in: cluster.health).isCurrent }
        let warnings = waiting.isEmpty ? [] : try await warnings(in: object.namespace, cluster.api)
        for pod in waiting { links += try await self.links(ofPod: pod, warnings, cluster, depth: depth + 1) }
        return links
    }

    /// The Warning Events of a namespace, oldest first. What keeps a pod from starting, such as a volume, is said by them only.
    private func warnings(in namespace: String, _ api: any ClusterAPI) async throws -> [Manifest] {
        let events = try await api.list(GroupVersionKind(group: "", version: "v1", kind: "Event"), namespace: namespace, labelSelector: nil)
        return events.items.filter { $0.value["type"]?.string == "Warning" }.sorted { Self.lastSeen($0) < Self.lastSeen($1) }
    }

    private static func lastSeen(_ event: Manifest) -> String {
        event.value[path: "series", "lastObservedTime"]?.string ?? event.value["lastTimestamp"]?.string
            ?? event.value["eventTime"]?.string ?? ""
    }

    private static let workloads: Set<String> = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"]

    private func links(ofPod pod: Manifest, _ warnings: [Manifest], _ cluster: UnitCluster, depth: Int) async throws -> [ReasonLink] {
        var links = [Self.link(depth, pod.key.description, catalog.health(of: pod, in: cluster.health).description)]
        if let last = warnings.last(where: { $0.value[path: "involvedObject", "uid"]?.string == pod.uid }) {
            links.append(Self.link(depth + 1, last.value["reason"]?.string ?? "", last.value["message"]?.string ?? ""))
        }
        guard let name = pod.value[path: "spec", "nodeName"]?.string,
            let node = try await cluster.api.get(GroupVersionKind(group: "", version: "v1", kind: "Node"), namespace: "", name: name)
        else { return links }
        let nodeHealth = health(of: node, in: cluster.health)
        if !nodeHealth.isCurrent { links.append(Self.link(depth + 1, node.key.description, nodeHealth.description)) }
        return links
    }

    private static func link(_ depth: Int, _ subject: String, _ reason: String) -> ReasonLink {
        ReasonLink(depth: depth, subject: subject, reason: reason)
    }
}
