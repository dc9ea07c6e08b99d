import YAML

/// What cannot be merged, for the caller to put a place and a name to.
struct MergeFailure: Error {
    var problem: String
    /// Whether nothing was found to change or to copy from.
    var isMismatch = false
}

/// kustomize's strategic merge of a patch into an object: mappings are merged, lists are merged by the keys their schema names
/// and replaced otherwise, elements of the patch come first, null deletes, `$patch` directs. Where its rules are odd (a list
/// element that is replaced keeps its old content, an element without key empties the list) they are followed to the letter,
/// since people's output depends on them.
struct StrategicMerge {
    /// How the object's scalars are written, and become so.
    let forms: WrittenFormsBox
    /// How the patch's are.
    let patchForms: WrittenForms

    /// What became of a value and whether it grew out of the old value, not out of the patch's.
    private struct Merged {
        var value: Value
        var isOld: Bool
    }

    private enum Directive: String { case merge, replace, delete }

    /// The merged object; nil when the patch deletes it.
    func merge(_ patch: Value, into old: Value, schema: MergeSchema?) throws(MergeFailure) -> Value? {
        guard let merged = try walk(old: old, patch: patch, schema: schema) else { return nil }
        // A whole object cannot be replaced: the directive changes nothing at the top.
        return merged.isOld ? merged.value : old
    }

    /// - Parameter key: behind which the values stand, nil for an element of a list.
    private func walk(old: Value?, patch: Value?, schema: MergeSchema?, key: String? = nil) throws(MergeFailure) -> Merged? {
        if patch == nil, schema == nil, !forms.forms.nulls.contains(.blank) { return old.map { Merged(value: $0, isOld: true) } }
        let shape = [old, patch].compactMap { $0 }.first { !$0.isNull }
        switch shape {
        case .none: return emptyOrNull(old: old, patch: patch, key: key)
        case .object:
            try check(patch, is: "a mapping") { $0.object != nil }
            return try mapping(old: old, patch: patch, schema: schema)
        case .array:
            try check(patch, is: "a list") { $0.array != nil }
            guard let keys = schema?.mergeKeys else { return replaced(old: old, patch: patch) }
            return try list(old: old, patch: patch, keys: keys, element: schema?.element)
        default:
            try check(patch, is: "a plain value") { $0.object == nil && $0.array == nil }
            return replaced(old: old, patch: patch)
        }
    }

    private func check(_ patch: Value?, is kind: String, _ holds: (Value) -> Bool) throws(MergeFailure) {
        guard let patch, !patch.isNull, !holds(patch) else { return }
        throw MergeFailure(problem: "the patch has \(patch.kindName) where the object has \(kind)")
    }

    /// Both sides are null or absent: an old null stays when only it is there and is written as one.
    private func emptyOrNull(old: Value?, patch: Value?, key: String?) -> Merged? {
        old != nil && patch == nil && !forms.forms.isBlankNull(of: key) ? Merged(value: .null, isOld: true) : nil
    }

    /// Plain values and lists that are not merged: the patch's wins, null deletes.
    private func replaced(old: Value?, patch: Value?) -> Merged? {
        guard let patch else { return old.map { Merged(value: $0, isOld: true) } }
        return patch.isNull ? nil : Merged(value: patch, isOld: false)
    }

    /// What comes in the place of a plain value keeps its quotes: a number or boolean over a text in quotes is a text too, as it is
    /// written in the patch, and a text over a number has none.
    private func kept(_ patch: Value?, over old: Value, of key: String) -> Value? {
        guard let patch, !patch.isNull, let new = patchForms.text(of: patch, key: key), !old.isNull, old.shape == .scalar else {
            return patch
        }
        let isQuoted = old.string.map { forms.forms.isQuoted($0, of: key) } ?? false
        if patch.string != nil || isQuoted { forms.forms.noteMerged(new, of: key, isQuoted: isQuoted) }
        return isQuoted ? .string(new) : patch
    }

    // MARK: Mappings

    private func mapping(old: Value?, patch: Value?, schema: MergeSchema?) throws(MergeFailure) -> Merged? {
        if let patch, patch.isNull, old?.isNull == false { return nil }
        var added = patch?.object
        let directive = try added.map(Self.directive) ?? .merge
        if directive == .delete { return nil }
        added?["$patch"] = nil
        guard let existing = old?.object, directive != .replace else {
            guard let added else { return nil }
            // What is new is merged with itself, so that directives and nulls within it take effect.
            return Merged(value: .object(try fields(of: added, patch: added, schema: schema)), isOld: false)
        }
        return Merged(value: .object(try fields(of: existing, patch: added ?? Object(), schema: schema)), isOld: true)
    }

    private func fields(of old: Object, patch: Object, schema: MergeSchema?) throws(MergeFailure) -> Object {
        var result: [Object.Member] = []
        result.reserveCapacity(old.count + patch.count)
        for member in old {
            let added = kept(patch[member.key], over: member.value, of: member.key)
            let merged = try walk(old: member.value, patch: added, schema: schema?.fields[member.key], key: member.key)
            if let merged { result.append(Object.Member(key: member.key, value: merged.value)) }
        }
        for member in patch where old.index(of: member.key) == nil {
            let merged = try walk(old: nil, patch: member.value, schema: schema?.fields[member.key], key: member.key)
            if let merged { result.append(Object.Member(key: member.key, value: merged.value)) }
        }
        return Object(result)
    }

    private static func directive(_ object: Object) throws(MergeFailure) -> Directive {
        guard let text = object["$patch"] else { return .merge }
        guard let directive = text.string.flatMap(Directive.init) else {
            throw MergeFailure(problem: "unknown $patch directive \"\(text.scalarText ?? "")\": it is merge, replace or delete")
        }
        return directive
    }

    // MARK: Lists merged by keys

    private func list(old: Value?, patch: Value?, keys: [String], element: MergeSchema?) throws(MergeFailure) -> Merged? {
        if let patch, patch.isNull { return nil }
        var added = patch?.array
        var directive = Directive.merge
        if old?.array != nil, let items = added { directive = try Self.directive(&added, items) }
        if directive == .delete { return nil }
        let isOld = old?.array != nil && directive != .replace
        guard let start = isOld ? old?.array : added else { return nil }
        let merged: [Value]
        if keys.isEmpty {
            merged = Self.union(old: start, patch: added ?? [])
        } else {
            var elements = KeyedElements(old: start, patch: added ?? [], keys: keys, isSame: !isOld)
            merged = try elements.merged { (old, patch) throws(MergeFailure) in
                try walk(old: old, patch: patch, schema: element).map { ($0.value, $0.isOld) }
            }
        }
        return Merged(value: .array(merged), isOld: isOld)
    }

    /// A list's directive is an element that holds nothing but `$patch`; the elements that hold it are taken out.
    private static func directive(_ list: inout [Value]?, _ items: [Value]) throws(MergeFailure) -> Directive {
        guard let first = items.first(where: { $0["$patch"] != nil }), first.object?.count == 1, let object = first.object else {
            return .merge
        }
        let directive = try directive(object)
        list = items.filter { $0["$patch"]?.string != directive.rawValue }
        return directive
    }

    /// Plain values: the patch's first, each once.
    private static func union(old: [Value], patch: [Value]) -> [Value] {
        var seen: Set<String> = []
        return (patch + old).filter { !$0.isNull && $0 != .object(Object()) && seen.insert($0.scalarText ?? "").inserted }
    }
}

/// Forms that a merge changes on its way.
final class WrittenFormsBox {
    var forms: WrittenForms

    init(_ forms: WrittenForms) { self.forms = forms }
}
