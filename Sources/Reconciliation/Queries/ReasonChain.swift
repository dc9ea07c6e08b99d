package import KubernetesModel
import YAML

/// Why something is not ready, from the unit down to the pod and the node.
package struct ReasonChain: Sendable {
    private let api: any ClusterAPI
    private let catalog: UnitCatalog

    package init(api: any ClusterAPI, catalog: UnitCatalog) {
        self.api = api
        self.catalog = catalog
    }

    /// One line for each link, further in the deeper it is.
    package func lines(of unit: Manifest) async throws -> [String] {
        try await lines(of: unit, depth: 0, seen: [])
    }

    private func lines(of unit: Manifest, depth: Int, seen: Set<ObjectKey>) async throws -> [String] {
        let (status, reason, message) = unit.readiness
        var lines = [Self.line(depth, "\(unit.namespace)/\(unit.name)", status == "True" ? "ready" : "\(reason): \(message)")]
        if unit.isSuspended { lines.append(Self.line(depth + 1, "suspended", "`homelab resume \(unit.name)` lets it go on")) }
        guard !seen.contains(unit.key), depth < 8 else { return lines }
        for dependency in KustomizationSpec(of: unit).dependsOn {
            guard let other = catalog.units.first(where: { $0.key.unit == dependency }), other.readiness.status != "True" else { continue }
            lines += try await self.lines(of: other, depth: depth + 1, seen: seen.union([unit.key]))
        }
        if let source = catalog.source(of: unit), source.readiness.status != "True" {
            lines.append(Self.line(depth + 1, source.key.description, source.readiness.message))
        }
        let record = KustomizationStatus(of: unit).inventory
        for key in record.keys {
            guard let kind = record.groupVersionKind(of: key) else { continue }
            lines += try await self.lines(of: key, kind, depth: depth + 1, seen: seen.union([unit.key]))
        }
        return lines
    }

    private func lines(of key: ObjectKey, _ kind: GroupVersionKind, depth: Int, seen: Set<ObjectKey>) async throws -> [String] {
        if let unit = catalog.units.first(where: { $0.key == key }) {
            return unit.readiness.status == "True" ? [] : try await lines(of: unit, depth: depth, seen: seen)
        }
        let found: Manifest?
        do {
            found = try await api.get(kind, namespace: key.namespace, name: key.name)
        } catch let error as ClusterError where error.kind == .unknownKind {
            return [Self.line(depth, key.description, "the cluster does not know \(kind)")]
        }
        guard let found else { return [Self.line(depth, key.description, "is not there")] }
        return try await lines(ofObject: found, depth: depth)
    }

    /// An object that is not healthy, and the pods that are why.
    package func lines(ofObject object: Manifest, depth: Int = 0) async throws -> [String] {
        let health = health(of: object)
        guard !health.isCurrent || depth == 0 else { return [] }
        var lines = [Self.line(depth, object.key.description, health.description)]
        guard Self.workloads.contains(object.kind), let labels = object.value[path: "spec", "selector", "matchLabels"]?.object else {
            return lines
        }
        let selector = labels.compactMap { member in member.value.string.map { "\(member.key)=\($0)" } }.joined(separator: ",")
        let pods = try await api.list(
            GroupVersionKind(group: "", version: "v1", kind: "Pod"), namespace: object.namespace, labelSelector: selector)
        for pod in pods.items { lines += try await self.lines(ofPod: pod, depth: depth + 1) }
        return lines
    }

    private static let workloads: Set<String> = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"]

    private func lines(ofPod pod: Manifest, depth: Int) async throws -> [String] {
        let health = health(of: pod)
        guard !health.isCurrent else { return [] }
        var lines = [Self.line(depth, pod.key.description, health.description)]
        guard let name = pod.value[path: "spec", "nodeName"]?.string,
            let node = try await api.get(GroupVersionKind(group: "", version: "v1", kind: "Node"), namespace: "", name: name)
        else { return lines }
        let nodeHealth = KubernetesModel.health(of: node)
        if !nodeHealth.isCurrent { lines.append(Self.line(depth + 1, node.key.description, nodeHealth.description)) }
        return lines
    }

    private func health(of object: Manifest) -> Health { catalog.health(of: object) }

    private static func line(_ depth: Int, _ subject: String, _ reason: String) -> String {
        String(repeating: "  ", count: depth) + (depth == 0 ? "" : "└ ") + subject + ": " + reason
    }
}
