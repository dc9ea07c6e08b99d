package import KubernetesModel

/// The record of a unit's applied objects as it is spread over ConfigMaps: an entry stays in its part as long as it lives, so that no
/// write of one part can lose what another holds.
package struct InventoryRecord: Hashable, Sendable {
    /// A ConfigMap may hold a mebibyte; an entry is about a hundred bytes, at most some four hundred.
    package static let partLimit = 2500

    package private(set) var parts: [ResourceInventory]

    package init(parts: [ResourceInventory] = []) { self.parts = parts }

    package var inventory: ResourceInventory { parts.dropFirst().reduce(parts.first ?? ResourceInventory()) { $0.merged(with: $1) } }

    /// Makes the record hold exactly `inventory`; gives the parts that have to be written, a new last one included.
    package mutating func set(_ inventory: ResourceInventory) -> [Int] {
        let old = parts
        var missing = inventory.entries
        for index in parts.indices {
            var kept: [ObjectKey: ResourceInventory.Entry] = [:]
            for key in parts[index].entries.keys { kept[key] = missing.removeValue(forKey: key) }
            parts[index] = ResourceInventory(kept)
        }
        if parts.isEmpty { parts = [ResourceInventory()] }
        var index = 0
        for (key, entry) in missing.sorted(by: { $0.key < $1.key }) {
            while parts[index].count >= Self.partLimit {
                index += 1
                if index == parts.count { parts.append(ResourceInventory()) }
            }
            parts[index][key] = entry
        }
        return parts.indices.filter { $0 >= old.count || parts[$0] != old[$0] }
    }
}
