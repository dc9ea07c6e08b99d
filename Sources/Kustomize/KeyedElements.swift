import YAML

/// Merges two lists whose elements are told apart by the values of keys, step by step as kustomize does: the outcome for
/// elements that lack a key, or have one twice, depends on every step.
struct KeyedElements {
    private var old: [Value]
    private var patch: [Value]
    private let keys: [String]
    /// Whether a list is merged with itself, as one that only the patch has.
    private let isSame: Bool

    init(old: [Value], patch: [Value], keys: [String], isSame: Bool) {
        self.old = old
        self.patch = patch
        self.keys = keys
        self.isSame = isSame
    }

    /// The merged list; `merge` makes one element of an old and a patch's one and tells whether it grew out of the old.
    mutating func merged(
        _ merge: (Value?, Value?) throws(MergeFailure) -> (value: Value, isOld: Bool)?
    ) throws(MergeFailure) -> [Value] {
        var result: [Value] = []
        let identities = identities()
        guard !identities.isEmpty else { return old }
        let used = keys.indices.filter { index in identities.contains { !$0[index].isEmpty } }
        let usedKeys = used.isEmpty ? keys : used.map { keys[$0] }
        for identity in identities {
            let values = used.isEmpty ? identity : used.map { identity[$0] }
            let oldIndex = Self.first(in: old, keys, identity)
            let patchIndex = Self.first(in: patch, keys, identity)
            let merged = try merge(oldIndex.map { old[$0] }, patchIndex.map { patch[$0] })
            if let merged, merged.isOld, let oldIndex { old[oldIndex] = merged.value }
            guard var element = merged?.value, !element.isNull, element != .object(Object()) else {
                Self.set(nil, in: &old, usedKeys, values)
                if isSame { patch = old }
                continue
            }
            for (key, value) in zip(usedKeys, values) where element[key] == nil && !value.isEmpty {
                element[key] = Value(plain: value, schema: .resource)
            }
            Self.set(element, in: &result, usedKeys, values)
        }
        for element in old { Self.append(element, to: &result, usedKeys) }
        return result
    }

    /// Old elements take the place of those made from them, which brings the content of a replaced element back.
    private static func append(_ element: Value, to result: inout [Value], _ keys: [String]) {
        var values: [String] = []
        for key in keys {
            if let value = element[key] { values.append(text(value)) } else { result.append(element) }
        }
        if keys.count > 1 { set(nil, in: &result, keys, values) }
        set(element, in: &result, keys, values)
    }

    /// The values of the keys of every element, the patch's first, each once; an absent key counts as the empty text. With
    /// several keys, values that differ only where one is absent are taken for the same.
    private func identities() -> [[String]] {
        var seen: Set<[String]> = []
        let elements = isSame ? patch : patch + old
        var list = elements.map { element in keys.map { key in element[key].map(Self.text) ?? "" } }.filter { seen.insert($0).inserted }
        guard keys.count > 1, list.contains(where: { $0.contains("") }) else { return list }
        for i in list.indices {
            let first = list[i]
            for j in list.indices {
                guard let common = Self.common(first, list[j]) else { continue }
                list[i] = common
                list[j] = common
            }
        }
        return list
    }

    private static func common(_ a: [String], _ b: [String]) -> [String]? {
        guard zip(a, b).allSatisfy({ $0 == $1 || $0.isEmpty || $1.isEmpty }), zip(a, b).contains(where: { $0 == $1 }) else { return nil }
        return zip(a, b).map { $0.isEmpty ? $1 : $0 }
    }

    private static func text(_ value: Value) -> String { value.isNull ? "" : value.scalarText ?? "" }

    /// The first element with the values that are not empty; with none of them, one whose keys are all empty texts.
    private static func first(in list: [Value], _ keys: [String], _ values: [String]) -> Int? {
        let pairs = Array(zip(keys, values))
        let present = pairs.filter { !$0.1.isEmpty }
        return list.firstIndex { element in
            (present.isEmpty ? pairs : present).allSatisfy { key, value in
                guard let own = element[key], !own.isNull else { return false }
                return text(own) == value
            }
        }
    }

    /// Replaces the elements that match, or adds the element; with nil removes them. An empty value matches any element that has
    /// the key, a missing one matches if the key before did, and without any values all elements go.
    private static func set(_ element: Value?, in list: inout [Value], _ keys: [String], _ values: [String]) {
        var found = false
        var kept: [Value] = []
        kept.reserveCapacity(list.count + 1)
        for item in list {
            if item.isNull || item == .object(Object()) { continue }
            if item.object == nil, !(values.first ?? "").isEmpty {
                kept.append(item)
                continue
            }
            if values.isEmpty { continue }
            let matches = zip(keys, values).allSatisfy { key, value in
                guard let own = item[key] else { return false }
                return value.isEmpty || text(own) == value
            }
            if !matches {
                kept.append(item)
            } else {
                found = true
                if let element { kept.append(element) }
            }
        }
        if !found, let element { kept.append(element) }
        list = kept
    }
}
