import KubernetesModel
import YAML

/// Where in objects of some type a transformer works: a path of keys, through every element of the lists on its way.
final class FieldSpec: Sendable {
    struct Segment: Hashable {
        var name: String
        /// Written with `[]`: a list is expected here.
        var isList: Bool
    }

    let type: TypeSelector
    let path: String
    let segments: [Segment]
    /// Whether missing mappings are made, never list elements.
    let creates: Bool
    /// The key that the path ends with.
    var key: String { segments[segments.count - 1].name }
    /// Whether what is there has no part in what the object is called.
    let keepsIdentity: Bool

    init(_ path: String, group: String = "", version: String = "", kind: String = "", creates: Bool = false) {
        type = TypeSelector(group: group, version: version, kind: kind)
        self.path = path
        self.creates = creates
        let segments = Self.parts(path).map {
            $0.utf8.last == UInt8(ascii: "]") && $0.hasSuffix("[]")
                ? Segment(name: String($0.dropLast(2)), isList: true) : Segment(name: $0, isList: false)
        }
        self.segments = segments
        keepsIdentity =
            switch segments[0].name {
            case "apiVersion", "kind": false
            case "metadata": segments.count > 1 && segments[1].name != "name" && segments[1].name != "namespace"
            default: true
            }
    }

    /// Split at slashes, `\/` being a slash within a key; one slash at the start is left out. By bytes: hundreds of built-in paths
    /// are split at every start.
    static func parts(_ path: String) -> [String] {
        let slash = UInt8(ascii: "/")
        var parts: [String] = []
        var part: [UInt8] = []
        for (index, byte) in path.utf8.enumerated() {
            if byte != slash {
                part.append(byte)
            } else if part.last == UInt8(ascii: "\\") {
                part[part.count - 1] = slash
            } else if index > 0 {
                parts.append(String(decoding: part, as: UTF8.self))
                part.removeAll(keepingCapacity: true)
            }
        }
        return parts + [String(decoding: part, as: UTF8.self)]
    }

    /// Calls `change` with every value at the path; with `missing`, a value is made where the path leads to none and the spec
    /// says so.
    func visit(_ value: inout Value, missing: Value?, _ change: (inout Value) throws(MergeFailure) -> Void) throws(MergeFailure) {
        do throws(MergeFailure) {
            try Self.visit(&value, segments[...], missing: creates ? missing : nil, change)
        } catch {
            throw MergeFailure(problem: "field \(path): \(error.problem)")
        }
    }

    private static func visit(
        _ value: inout Value, _ segments: ArraySlice<Segment>, missing: Value?, _ change: (inout Value) throws(MergeFailure) -> Void
    ) throws(MergeFailure) {
        guard let segment = segments.first else { return try change(&value) }
        switch value.shape {
        case .null: return
        case .array:
            try value.changeArray { (items) throws(MergeFailure) in
                for index in items.indices { try visit(&items[index], segments, missing: missing, change) }
            }
        case .object:
            try value.changeObject { (object) throws(MergeFailure) in
                guard let index = member(segment, in: &object, isLast: segments.count == 1, missing: missing) else { return }
                try object.change(at: index) { (inner) throws(MergeFailure) in
                    try visit(&inner, segments.dropFirst(), missing: missing, change)
                }
            }
        case .scalar: throw MergeFailure(problem: "a mapping or a list is expected above \"\(segment.name)\", not \(value.kindName)")
        }
    }

    /// The member for a segment; made when it is missing, and filled when it is null, if the spec says so.
    private static func member(_ segment: Segment, in object: inout Object, isLast: Bool, missing: Value?) -> Int? {
        let filling: Value? = segment.isList ? nil : missing.map { isLast ? $0 : .object(Object()) }
        if let index = object.index(of: segment.name) {
            if object[index].value.isNull, let filler = segment.isList ? .array([]) : filling {
                object.change(at: index) { $0 = filler }
            }
            return index
        }
        guard let filling else { return nil }
        object.append(segment.name, filling)
        return object.count - 1
    }

    /// Reads the values at the path without changing anything; false when the path leads through a plain value.
    func isPresent(in value: Value) -> Bool { isPresent(value, 0) }

    /// - Parameter depth: how many segments led to the value.
    private func isPresent(_ value: Value, _ depth: Int) -> Bool {
        if depth == segments.count { return true }
        switch value {
        case .object(let object):
            guard let index = object.index(of: segments[depth].name) else { return false }
            let inner = object.members[index].value
            // A null where a list is expected becomes one.
            return inner.isNull && segments[depth].isList || isPresent(inner, depth + 1)
        case .array(let items): return items.contains { isPresent($0, depth) }
        case .null: return false
        default: return true
        }
    }
}

extension [FieldSpec] {
    /// Adds a spec unless one for the same path and type is there; two that differ in `create` conflict.
    mutating func merge(_ spec: FieldSpec) throws(MergeFailure) {
        if let same = first(where: { $0.path == spec.path && $0.type.isSelected(by: spec.type) }) {
            guard same.creates == spec.creates else { throw MergeFailure(problem: "two specs for field \(spec.path) differ in \"create\"") }
            return
        }
        append(spec)
    }

    mutating func merge(_ specs: [FieldSpec]) throws(MergeFailure) {
        for spec in specs { try merge(spec) }
    }

    func matching(_ type: GroupVersionKind) -> [FieldSpec] { filter { $0.type.selects(type) } }
}

/// The specs for each type, looked up once.
struct FieldSpecTable {
    let specs: [FieldSpec]
    private var byType: [GroupVersionKind: [FieldSpec]] = [:]

    init(_ specs: [FieldSpec]) { self.specs = specs }

    mutating func matching(_ type: GroupVersionKind) -> [FieldSpec] {
        if let known = byType[type] { return known }
        let found = specs.matching(type)
        byType[type] = found
        return found
    }
}
