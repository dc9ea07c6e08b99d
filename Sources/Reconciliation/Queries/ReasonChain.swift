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
        let objects: [ObjectKey: RecordedObject]
        do {
            cluster = try await clusters.cluster(of: unit)
            objects = try await catalog.objects(of: unit, on: cluster, home: clusters.home)
        } catch let error where !(error is CancellationError) {
            return links + [Self.link(depth + 1, "its cluster", "cannot be looked at from here: \(error)")]
        }
        for key in record.keys {
            if let object = objects[key] {
                links += try await self.links(of: object, cluster, depth: depth + 1)
            } else if let child = catalog.units.first(where: { $0.key == key }), child.readiness.status != "True" {
                links += try await self.links(of: child, depth: depth + 1, seen: seen.union([unit.key]))
            }
        }
        return links
    }

    private func links(of object: RecordedObject, _ cluster: UnitCluster, depth: Int) async throws -> [ReasonLink] {
        guard !object.health.isCurrent, !object.isLeftAlone else { return [] }
        guard let live = object.live else {
            // That it is not there is all there is to say.
            let isGone = object.health.status == .notFound
            return [Self.link(depth, object.key.description, isGone ? object.health.message : object.health.description)]
        }
        return try await links(ofObject: live, cluster, depth: depth)
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
        let pods = try await Self.look(at: "its pods", depth + 1, &links) {
            try await cluster.api.list(
                GroupVersionKind(group: "", version: "v1", kind: "Pod"), namespace: object.namespace, labelSelector: selector
            ).items
        }
        let waiting = (pods ?? []).filter { !catalog.health(of: $0, in: cluster.health).isCurrent }
        guard !waiting.isEmpty else { return links }
        let events = try await Self.look(at: "the Events of its pods", depth + 1, &links) {
            try await warnings(in: object.namespace, cluster.api)
        }
        for pod in waiting { links += try await self.links(ofPod: pod, events ?? [], cluster, depth: depth + 1) }
        return links
    }

    /// What is refused, or cannot be had, is a link of its own, and the chain goes on without it: nil.
    private static func look<Found: Sendable>(
        at subject: String, _ depth: Int, _ links: inout [ReasonLink], _ look: () async throws -> Found
    ) async throws -> Found? {
        do {
            return try await look()
        } catch let error as ClusterError {
            links.append(link(depth, subject, "cannot be looked at: \(error.message)"))
            return nil
        }
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
        guard let name = pod.value[path: "spec", "nodeName"]?.string else { return links }
        let found = try await Self.look(at: "Node/\(name)", depth + 1, &links) {
            try await cluster.api.get(GroupVersionKind(group: "", version: "v1", kind: "Node"), namespace: "", name: name)
        }
        guard case let node?? = found else { return links }
        let nodeHealth = health(of: node, in: cluster.health)
        if !nodeHealth.isCurrent { links.append(Self.link(depth + 1, node.key.description, nodeHealth.description)) }
        return links
    }

    private static func link(_ depth: Int, _ subject: String, _ reason: String) -> ReasonLink {
        ReasonLink(depth: depth, subject: subject, reason: reason)
    }
}
