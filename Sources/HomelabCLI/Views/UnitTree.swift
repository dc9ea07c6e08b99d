import Diagnostics
import KubernetesModel
import Reconciliation
import YAML

/// The result of `homelab tree`: what a unit has applied, and what the units among it have.
struct UnitTree: CommandResult {
    struct Node: Sendable {
        let key: ObjectKey
        /// The unit itself where the object is one.
        let unit: Manifest?
        /// Of what is no unit; nil where it was not asked for.
        var health: Health?
        var children: [Node] = []
    }

    private(set) var root: Node

    init(of unit: Manifest, in catalog: UnitCatalog) {
        root = Self.node(unit.key, in: catalog, within: [])
    }

    private static func node(_ key: ObjectKey, in catalog: UnitCatalog, within outer: Set<ObjectKey>) -> Node {
        guard let unit = catalog.units.first(where: { $0.key == key }) else { return Node(key: key, unit: nil) }
        var node = Node(key: key, unit: unit)
        guard !outer.contains(key) else { return node }
        node.children = KustomizationStatus(of: unit).inventory.keys.map { Self.node($0, in: catalog, within: outer.union([key])) }
        return node
    }

    /// Looks at every object, for its health.
    mutating func look(_ clusters: UnitClusters, _ catalog: UnitCatalog) async throws {
        root = try await Self.looked(root, clusters, catalog)
    }

    private static func looked(_ node: Node, _ clusters: UnitClusters, _ catalog: UnitCatalog) async throws -> Node {
        guard let unit = node.unit, !node.children.isEmpty else { return node }
        var node = node
        let objects: [ObjectKey: RecordedObject]
        var refusal: Health?
        do {
            objects = try await catalog.objects(of: unit, on: try await clusters.cluster(of: unit), home: clusters.home)
        } catch let error where KustomizationSpec(of: unit).kubeconfig != nil && !(error is CancellationError) {
            objects = [:]
            // In one line.
            let finding = error as? Diagnostic
            let reason = finding.map { [$0.summary, $0.cause].compactMap { $0 }.joined(separator: ": ") } ?? "\(error)"
            refusal = Health(.unknown, "its cluster cannot be looked at from here: \(reason)")
        }
        for index in node.children.indices {
            let child = node.children[index]
            if child.unit == nil {
                node.children[index].health = objects[child.key]?.health ?? refusal
            } else {
                node.children[index] = try await looked(child, clusters, catalog)
            }
        }
        return node
    }

    // MARK: Forms

    var value: Value { Self.value(root) }

    private static func value(_ node: Node) -> Value {
        var value: Value = [
            "group": .string(node.key.group), "kind": .string(node.key.kind), "namespace": .string(node.key.namespace),
            "name": .string(node.key.name),
        ]
        if let unit = node.unit {
            value["ready"] = .string(unit.readiness.status)
            value["reason"] = .string(unit.readiness.reason)
            value["message"] = .string(unit.readiness.message)
            value["revision"] = .string(unit.appliedRevision)
            value["objects"] = .array(node.children.map(Self.value))
        } else if let health = node.health {
            value["health"] = .string(health.status.rawValue)
            value["message"] = .string(health.message)
        }
        return value
    }

    func text(_ console: Console, isWide: Bool) -> String {
        var lines = ["\(root.key.namespace)/\(root.key.name)" + (isWide ? "  " + UnitList.short(root.unit?.appliedRevision ?? "") : "")]
        add(root.children, "", console, isWide, to: &lines)
        return lines.joined(separator: "\n")
    }

    private func add(_ nodes: [Node], _ indent: String, _ console: Console, _ isWide: Bool, to lines: inout [String]) {
        for (index, node) in nodes.enumerated() {
            let isLast = index == nodes.count - 1
            lines.append(indent + (isLast ? "└── " : "├── ") + node.key.description + state(of: node, console, isWide))
            add(node.children, indent + (isLast ? "    " : "│   "), console, isWide, to: &lines)
        }
    }

    private func state(of node: Node, _ console: Console, _ isWide: Bool) -> String {
        if let unit = node.unit {
            let revision = isWide ? "  " + UnitList.short(unit.appliedRevision) : ""
            return unit.readiness.status == "True" && !unit.isSuspended ? revision : "\(revision)  \(UnitList.standing(of: unit))"
        }
        guard let health = node.health else { return "" }
        return "  " + console.styled(health.description, health.isCurrent ? .green : health.status == .failed ? .red : .yellow)
    }
}
