package import KubernetesModel
import YAML

extension Manifest {
    /// The manifest with the fields at `pointers` (RFC 6901) as the live object has them, so that an apply changes nothing about them.
    /// One that another applies too is left out instead: held by both, it could not be changed by the other without a conflict. So does
    /// Flux with `spec.ignore`.
    package func keeping(_ pointers: Set<String>, from live: Manifest, as manager: String) -> Manifest {
        var result = self
        for pointer in pointers.sorted() {
            let keys = Self.keys(of: pointer)
            guard result.value.member(at: keys[...]) != nil else { continue }
            let found = ManagedFields.isApplied(keys, in: live, notBy: manager) ? nil : live.value.member(at: keys[...])
            result.value.setMember(found, at: keys[...])
        }
        return result
    }

    /// Those of some JSON pointers that lead to nothing here.
    func lacking(_ pointers: Set<String>) -> Set<String> {
        pointers.filter { value.member(at: Self.keys(of: $0)[...]) == nil }
    }

    private static func keys(of pointer: String) -> [String] {
        pointer.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map { part in
            part.split(separator: "~1", omittingEmptySubsequences: false)
                .map { $0.split(separator: "~0", omittingEmptySubsequences: false).joined(separator: "~") }.joined(separator: "/")
        }
    }
}

extension Value {
    fileprivate func member(at keys: ArraySlice<String>) -> Value? {
        guard let key = keys.first else { return self }
        if let items = array {
            guard let index = Int(key), items.indices.contains(index) else { return nil }
            return items[index].member(at: keys.dropFirst())
        }
        return self[key]?.member(at: keys.dropFirst())
    }

    /// Sets or, with nil, removes what is there already; an item of a list is set only.
    fileprivate mutating func setMember(_ value: Value?, at keys: ArraySlice<String>) {
        guard let key = keys.first else {
            if let value { self = value }
            return
        }
        if var items = array {
            guard let index = Int(key), items.indices.contains(index) else { return }
            items[index].setMember(value, at: keys.dropFirst())
            self = .array(items)
        } else if keys.count == 1 {
            self[key] = value
        } else if var inner = self[key] {
            inner.setMember(value, at: keys.dropFirst())
            self[key] = inner
        }
    }
}
