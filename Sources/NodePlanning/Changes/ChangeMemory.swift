package import YAML

/// What has to be known of an inventory's changes beyond what can be seen on the machines: kept by the agents in the cluster, so that
/// the next one to act goes by it.
package struct ChangeMemory: Hashable, Sendable {
    /// A failure after which nothing more is done until somebody has looked.
    package struct Freeze: Hashable, Sendable {
        package var node: String
        package var reason: String

        package init(node: String, reason: String) {
            self.node = node
            self.reason = reason
        }
    }

    /// sha256 of the inventory's files: a commit that does not touch them is no new word about the machines.
    package var inventory = ""
    package var freeze: Freeze?
    /// `NodeChange.id`s.
    package var approved: Set<String> = []
    /// The nodes that were taken out since the inventory changed.
    package var removed: Set<String> = []
    /// How often in a row a node could not be joined.
    package var failures: [String: Int] = [:]

    package init() {}

    /// A new inventory lifts a freeze and the limits; approvals hold for what it still asks for.
    package mutating func begin(_ inventory: String, asking changes: [NodeChange]) {
        guard inventory != self.inventory else { return }
        self.inventory = inventory
        freeze = nil
        removed = []
        failures = [:]
        approved.formIntersection(changes.map(\.id))
    }

    /// Takes an approval, by the plan's hash or the first characters of it; false when it is of another plan.
    package mutating func approve(_ hash: String, of changes: PlanChanges) -> Bool {
        guard hash.count >= 8, changes.hash.hasPrefix(hash.lowercased()), !changes.changes.isEmpty else { return false }
        approved.formUnion(changes.changes.map(\.id))
        freeze = nil
        removed = []
        failures = [:]
        return true
    }

    /// Notes what failed while these were carried out: one that interrupts a node or changes who votes stops everything, what only adds is
    /// tried again.
    /// - Parameter failures: each with the node that it is of. Of one that none of the changes is about, or of nobody, any may have failed: a
    ///   server does others' steps, too.
    package mutating func note(_ failures: [(node: String?, reason: String)], of changes: Set<NodeChange>) {
        guard let first = failures.first else {
            for change in changes { self.failures[change.node] = nil }
            return
        }
        let failed = Set(failures.compactMap(\.node))
        let mayBeAny = !failed.isSubset(of: changes.map(\.node)) || failures.contains { $0.node == nil }
        if changes.contains(where: { ($0.kind.interrupts || $0.kind.changesServers) && (mayBeAny || failed.contains($0.node)) }) {
            freeze = Freeze(node: first.node ?? "", reason: (first.node.map { "\($0): " } ?? "") + first.reason)
        } else {
            for name in failed { self.failures[name, default: 0] += 1 }
        }
    }

    package var json: Value {
        var value: Value = [
            "inventory": .string(inventory), "approved": .array(approved.sorted().map { .string($0) }),
            "removed": .array(removed.sorted().map { .string($0) }),
            "failures": .object(Object(failures.sorted { $0.key < $1.key }.map { .init(key: $0.key, value: .int(Int64($0.value))) })),
        ]
        if let freeze { value["freeze"] = ["node": .string(freeze.node), "reason": .string(freeze.reason)] }
        return value
    }

    package init(json: Value) {
        func texts(_ key: String) -> Set<String> { Set((json[key]?.array ?? []).compactMap(\.string)) }
        inventory = json["inventory"]?.string ?? ""
        approved = texts("approved")
        removed = texts("removed")
        for member in json["failures"]?.object?.members ?? [] { failures[member.key] = member.value.int.map(Int.init) }
        if let freeze = json["freeze"] {
            self.freeze = Freeze(node: freeze["node"]?.string ?? "", reason: freeze["reason"]?.string ?? "")
        }
    }
}
