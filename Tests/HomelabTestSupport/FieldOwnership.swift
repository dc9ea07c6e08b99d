import KubernetesModel
import YAML

/// One leaf of an object, as server-side apply tells leaves apart: object keys, and list items by their key fields.
enum FieldStep: Hashable {
    case key(String)
    case item([Value])
}

/// Server-side apply as far as tests need it: who owns which leaves, what goes when an owner drops a leaf, and who conflicts.
struct FieldOwnership {
    private(set) var byManager: [String: Set<[FieldStep]>] = [:]

    struct Conflict: Error {
        var manager: String
        var field: String
    }

    /// The live object with `desired` applied by `manager`.
    mutating func apply(_ desired: Value, to live: Value, manager: String, force: Bool, listKeys: ListKeys) throws(Conflict) -> Value {
        let leaves = Self.leaves(of: desired, at: [], names: [], listKeys: listKeys)
        let paths = Set(leaves.map(\.path))
        for (other, owned) in byManager.sorted(by: { $0.key < $1.key }) where other != manager {
            for leaf in leaves where owned.contains(leaf.path) {
                if Self.value(at: leaf.path, in: live, names: [], listKeys: listKeys) == leaf.value { continue }
                if !force { throw Conflict(manager: other, field: Self.text(leaf.path)) }
                byManager[other]?.remove(leaf.path)
            }
        }
        var result = live
        let dropped = (byManager[manager] ?? []).subtracting(paths)
        let ownedByOthers = byManager.filter { $0.key != manager }.values.reduce(into: Set<[FieldStep]>()) { $0.formUnion($1) }
        // An item's own key goes last, and stays while somebody owns another field of the item.
        let inOrder = dropped.subtracting(ownedByOthers).sorted { !Self.isItemKey($0, listKeys) && Self.isItemKey($1, listKeys) }
        for path in inOrder {
            if Self.isItemKey(path, listKeys), ownedByOthers.contains(where: { $0.starts(with: path.dropLast()) }) { continue }
            result = Self.removing(path, from: result, names: [], listKeys: listKeys) ?? .null
        }
        for leaf in leaves { result = Self.setting(leaf.path, to: leaf.value, in: result, names: [], listKeys: listKeys) }
        byManager[manager] = paths
        return result
    }

    /// Somebody has written the list of writers: what those hold who are not in it any more is the first one's.
    mutating func set(writers: [String]) {
        guard let heir = writers.first else { return }
        for manager in byManager.keys where !writers.contains(manager) {
            let left = byManager.removeValue(forKey: manager) ?? []
            byManager[heir, default: []].formUnion(left)
        }
    }

    /// A write that is no apply takes every leaf it changes.
    mutating func update(from old: Value, to new: Value, manager: String, listKeys: ListKeys) {
        for leaf in Self.leaves(of: new, at: [], names: [], listKeys: listKeys)
        where Self.value(at: leaf.path, in: old, names: [], listKeys: listKeys) != leaf.value {
            byManager[manager, default: []].insert(leaf.path)
        }
    }
}

extension FieldOwnership {
    private struct Leaf {
        var path: [FieldStep]
        var value: Value
    }

    private static func leaves(of value: Value, at path: [FieldStep], names: [String], listKeys: ListKeys) -> [Leaf] {
        switch value {
        case .object(let object) where !object.isEmpty:
            return object.flatMap { member -> [Leaf] in
                if path.isEmpty, member.key == "apiVersion" || member.key == "kind" || member.key == "status" { return [] }
                if path == [.key("metadata")], !["labels", "annotations", "finalizers", "ownerReferences"].contains(member.key) {
                    return []
                }
                return leaves(of: member.value, at: path + [.key(member.key)], names: names + [member.key], listKeys: listKeys)
            }
        case .array(let items):
            guard let keys = listKeys.keys(at: names) else { return [Leaf(path: path, value: value)] }
            return items.flatMap { item -> [Leaf] in
                let step = FieldStep.item(identity(of: item, by: keys))
                if keys.isEmpty { return [Leaf(path: path + [step], value: item)] }
                return leaves(of: item, at: path + [step], names: names, listKeys: listKeys)
            }
        default: return [Leaf(path: path, value: value)]
        }
    }

    /// Whether the leaf is one of the fields that its list item is known by.
    private static func isItemKey(_ path: [FieldStep], _ listKeys: ListKeys) -> Bool {
        guard case .key(let field) = path.last, case .item = path.dropLast().last else { return false }
        let names = path.dropLast().compactMap { step in if case .key(let key) = step { key } else { nil } }
        return listKeys.keys(at: names)?.contains(field) == true
    }

    /// A list of scalars that is a set has no key fields: the item is its own key.
    private static func identity(of item: Value, by keys: [String]) -> [Value] {
        keys.isEmpty ? [item] : keys.map { item[$0] ?? ($0 == "protocol" ? "TCP" : .null) }
    }

    private static func value(at path: [FieldStep], in value: Value?, names: [String], listKeys: ListKeys) -> Value? {
        guard let first = path.first else { return value }
        let rest = Array(path.dropFirst())
        switch first {
        case .key(let key): return self.value(at: rest, in: value?[key], names: names + [key], listKeys: listKeys)
        case .item(let wanted):
            let keys = listKeys.keys(at: names) ?? []
            let item = value?.array?.first { identity(of: $0, by: keys) == wanted }
            return self.value(at: rest, in: item, names: names, listKeys: listKeys)
        }
    }

    private static func setting(_ path: [FieldStep], to new: Value, in value: Value, names: [String], listKeys: ListKeys) -> Value {
        guard let first = path.first else { return new }
        let rest = Array(path.dropFirst())
        var result = value
        switch first {
        case .key(let key):
            if result.object == nil { result = .object(Object()) }
            result[key] = setting(rest, to: new, in: value[key] ?? .null, names: names + [key], listKeys: listKeys)
        case .item(let wanted):
            let keys = listKeys.keys(at: names) ?? []
            var items = value.array ?? []
            if let index = items.firstIndex(where: { identity(of: $0, by: keys) == wanted }) {
                items[index] = setting(rest, to: new, in: items[index], names: names, listKeys: listKeys)
            } else {
                // An item has the fields that it is known by from the start, whichever of its fields comes first.
                let known = zip(keys, wanted).filter { !$1.isNull }.map { Object.Member(key: $0, value: $1) }
                let item: Value = known.isEmpty ? .null : .object(Object(known))
                items.append(setting(rest, to: new, in: item, names: names, listKeys: listKeys))
            }
            result = .array(items)
        }
        return result
    }

    /// nil when nothing but an item's key is left of it, or nothing at all.
    private static func removing(_ path: [FieldStep], from value: Value, names: [String], listKeys: ListKeys) -> Value? {
        guard let first = path.first else { return nil }
        let rest = Array(path.dropFirst())
        var result = value
        switch first {
        case .key(let key):
            guard let inner = value[key] else { return value }
            result[key] = removing(rest, from: inner, names: names + [key], listKeys: listKeys)
            // A plain nil would be a null here, which is a value.
            return result.object?.isEmpty == true ? Value?.none : result
        case .item(let wanted):
            let keys = listKeys.keys(at: names) ?? []
            var items = value.array ?? []
            guard let index = items.firstIndex(where: { identity(of: $0, by: keys) == wanted }) else { return value }
            if let left = removing(rest, from: items[index], names: names, listKeys: listKeys), (left.object?.count ?? 0) > 0 {
                items[index] = left
            } else {
                items.remove(at: index)
            }
            return items.isEmpty ? Value?.none : .array(items)
        }
    }

    private static func text(_ path: [FieldStep]) -> String {
        path.map { step in
            switch step {
            case .key(let key): "." + key
            case .item(let identity): "[" + identity.map { $0.string ?? $0.int.map(String.init) ?? "?" }.joined(separator: ",") + "]"
            }
        }.joined()
    }
}
