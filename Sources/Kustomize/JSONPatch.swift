import YAML

/// A list of operations (RFC 6902) as kustomize's library applies them: negative indices count from the end.
struct JSONPatch {
    enum Kind: String { case add, remove, replace, move, copy, test }

    struct Operation {
        var kind: Kind
        var path: [String]
        var from: [String]
        var value: Value
        /// As written, for messages.
        var pathText: String
    }

    var operations: [Operation]
    /// Whether it may put a part of what it is applied to there once more.
    var copies: Bool { operations.contains { $0.kind == .copy } }

    init(_ value: Value) throws(MergeFailure) {
        guard let items = value.array else { throw MergeFailure(problem: "a JSON patch is a list of operations") }
        operations = []
        for item in items {
            guard let text = item["op"]?.string else { throw MergeFailure(problem: "an operation of a JSON patch has no \"op\"") }
            guard let kind = Kind(rawValue: text) else {
                throw MergeFailure(problem: "\"\(text)\" is no operation: it is add, remove, replace, move, copy or test")
            }
            guard let path = item["path"]?.string else { throw MergeFailure(problem: "the \(text) operation has no \"path\"") }
            let from = item["from"]?.string
            if kind == .move || kind == .copy, from == nil { throw MergeFailure(problem: "the \(text) operation has no \"from\"") }
            if kind == .add || kind == .replace, item["value"] == nil {
                throw MergeFailure(problem: "the \(text) operation has no \"value\"")
            }
            operations.append(
                Operation(
                    kind: kind, path: Self.parts(path), from: from.map(Self.parts) ?? [], value: item["value"] ?? .null, pathText: path))
        }
    }

    private static func parts(_ path: String) -> [String] {
        path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map { Self.unescaped(String($0)) }
    }

    /// `~1` is `/`, `~0` is `~`.
    private static func unescaped(_ part: String) -> String {
        guard part.utf8.contains(UInt8(ascii: "~")) else { return part }
        var result = ""
        var rest = part[...]
        while let tilde = rest.firstIndex(of: "~") {
            result += rest[..<tilde]
            let next = rest.index(after: tilde)
            switch next < rest.endIndex ? rest[next] : nil {
            case "0": result += "~"
            case "1": result += "/"
            default:
                result += "~"
                rest = rest[next...]
                continue
            }
            rest = rest[rest.index(after: next)...]
        }
        return result + rest
    }

    func apply(to value: inout Value) throws(MergeFailure) {
        for operation in operations {
            do throws(MergeFailure) {
                try Self.apply(operation, to: &value)
            } catch {
                throw MergeFailure(problem: "\(operation.kind.rawValue) \(operation.pathText): \(error.problem)")
            }
        }
    }

    private static func apply(_ operation: Operation, to value: inout Value) throws(MergeFailure) {
        // The library knows the whole only to replace and to test it.
        let isWhole = operation.kind == .replace && operation.pathText.isEmpty || operation.kind == .test && operation.pathText.isEmpty
        if operation.path.isEmpty && !isWhole || operation.kind == .copy && operation.from.isEmpty {
            throw MergeFailure(problem: "the path must lead into the object, as /metadata/labels does")
        }
        switch operation.kind {
        case .add: try add(operation.value, at: operation.path[...], in: &value)
        case .remove: _ = try remove(operation.path[...], in: &value)
        case .replace: try replace(operation.path[...], with: operation.value, in: &value)
        case .move: try add(try remove(operation.from[...], in: &value), at: operation.path[...], in: &value)
        case .copy:
            guard let copied = try find(operation.from[...], in: value) else { throw MergeFailure(problem: "there is nothing to copy") }
            try add(copied, at: operation.path[...], in: &value)
        case .test:
            let found = try find(operation.path[...], in: value) ?? .null
            guard found == operation.value else { throw MergeFailure(problem: "the value is not the one tested for") }
        }
    }

    /// Walks to the parent of the last part and hands it to `change`.
    private static func atParent<R>(
        of path: ArraySlice<String>, in value: inout Value, _ change: (inout Value, String) throws(MergeFailure) -> R
    ) throws(MergeFailure) -> R {
        guard let part = path.first else { throw MergeFailure(problem: "the path is empty") }
        if path.count == 1 { return try change(&value, part) }
        let rest = path.dropFirst()
        let inObject = try value.changeObject { (object) throws(MergeFailure) in
            guard let index = object.index(of: part) else { throw MergeFailure(problem: "there is no \"\(part)\" on the way") }
            return try object.change(at: index) { (inner) throws(MergeFailure) in try atParent(of: rest, in: &inner, change) }
        }
        if let inObject { return inObject }
        let inArray = try value.changeArray { (items) throws(MergeFailure) in
            let index = try index(part, count: items.count)
            return try atParent(of: rest, in: &items[index], change)
        }
        if let inArray { return inArray }
        throw MergeFailure(problem: "there is nothing below \"\(part)\"")
    }

    private static func index(_ part: String, count: Int) throws(MergeFailure) -> Int {
        guard let number = Int(part) else { throw MergeFailure(problem: "\"\(part)\" is no index of a list") }
        let index = number < 0 ? number + count : number
        guard (0..<count).contains(index) else { throw MergeFailure(problem: "the list has no element \(part)") }
        return index
    }

    private static func add(_ new: Value, at path: ArraySlice<String>, in value: inout Value) throws(MergeFailure) {
        if path.isEmpty {
            value = new
            return
        }
        try atParent(of: path, in: &value) { (parent, part) throws(MergeFailure) in
            if parent.changeObject({ $0[part] = new }) != nil { return }
            let inserted: Void? = try parent.changeArray { (items) throws(MergeFailure) in
                if part == "-" {
                    items.append(new)
                } else {
                    items.insert(new, at: try index(part, count: items.count + 1))
                }
            }
            guard inserted != nil else { throw MergeFailure(problem: "\(parent.kindName) holds nothing") }
        }
    }

    private static func remove(_ path: ArraySlice<String>, in value: inout Value) throws(MergeFailure) -> Value {
        try atParent(of: path, in: &value) { (parent, part) throws(MergeFailure) in
            switch parent {
            case .object(let object):
                guard let old = object[part] else { throw MergeFailure(problem: "there is no \"\(part)\" to remove") }
                parent.changeObject { $0[part] = nil }
                return old
            case .array(let items):
                let index = try index(part, count: items.count)
                parent.changeArray { _ = $0.remove(at: index) }
                return items[index]
            default: throw MergeFailure(problem: "\(parent.kindName) holds nothing")
            }
        }
    }

    private static func replace(_ path: ArraySlice<String>, with new: Value, in value: inout Value) throws(MergeFailure) {
        if path.isEmpty {
            value = new
            return
        }
        try atParent(of: path, in: &value) { (parent, part) throws(MergeFailure) in
            let changed: Void? = try parent.changeObject { (object) throws(MergeFailure) in
                guard let index = object.index(of: part) else {
                    throw MergeFailure(problem: "there is no \"\(part)\" to replace; the operation add makes one")
                }
                object.change(at: index) { $0 = new }
            }
            if changed != nil { return }
            let replaced: Void? = try parent.changeArray { (items) throws(MergeFailure) in items[try index(part, count: items.count)] = new
            }
            guard replaced != nil else { throw MergeFailure(problem: "\(parent.kindName) holds nothing") }
        }
    }

    private static func find(_ path: ArraySlice<String>, in value: Value) throws(MergeFailure) -> Value? {
        guard let part = path.first else { return value }
        switch value {
        case .object(let object):
            guard let inner = object[part] else {
                if path.count == 1 { return nil }
                throw MergeFailure(problem: "there is no \"\(part)\" on the way")
            }
            return try find(path.dropFirst(), in: inner)
        case .array(let items): return try find(path.dropFirst(), in: items[try index(part, count: items.count)])
        default: throw MergeFailure(problem: "there is nothing below \"\(part)\"")
        }
    }
}
