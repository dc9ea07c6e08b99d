extension Evaluation {
    /// A field of a map, or an element of a map or list. Of an optional value the result is optional again.
    func select(_ key: CELValue, of target: CELValue, isOptional: Bool, isField: Bool) throws(Fault) -> CELValue {
        if case .optional(let value) = target {
            guard let value else { return .optional(nil) }
            return .optional(try find(key, in: value, isField))
        }
        let found = try find(key, in: target, isField)
        if isOptional { return .optional(found) }
        if let found { return found }
        guard case .list(let items) = target else { throw Fault("no such key: \(key.shortText)") }
        throw Fault("there is no element \(key.shortText) in a list of \(items.count)")
    }

    /// nil when there is nothing under the key.
    private func find(_ key: CELValue, in target: CELValue, _ isField: Bool) throws(Fault) -> CELValue? {
        switch target {
        case .map(let map):
            if let mapKey = MapKey(key) { return map[mapKey] }
            guard key.type == .double else { throw Fault("a key of a map cannot be of type \(key.type.rawValue)") }
            return nil
        case .list(let items) where !isField:
            guard case .int(let index)? = MapKey(key), key.type != .bool, key.type != .string else {
                throw Fault("an element of a list is not found by a \(key.type.rawValue)")
            }
            return items.indices.contains(Int(index)) ? items[Int(index)] : nil
        default:
            throw Fault(
                isField
                    ? "no such key: \(key.shortText), because it is looked for in a value of type \(target.type.rawValue)"
                    : "no such overload: \(target.type.rawValue)[\(key.type.rawValue)]")
        }
    }

    func has(_ field: String, in target: CELValue) throws(Fault) -> Bool {
        switch target {
        case .map(let map): return map[.text(field)] != nil
        case .optional(let value): return try value.map { value throws(Fault) in try has(field, in: value) } ?? false
        default: throw Fault("no such overload: has() of a field of a value of type \(target.type.rawValue)")
        }
    }

    mutating func list(_ elements: [Term.Element]) throws(Fault) -> CELValue {
        var items: [CELValue] = []
        for element in elements {
            let item = try value(element.term)
            if !element.isOptional {
                items.append(item)
            } else if let present = try Self.present(item) {
                items.append(present)
            }
        }
        return .list(items)
    }

    mutating func map(_ entries: [Term.Entry]) throws(Fault) -> CELValue {
        var map = CELMap()
        for entry in entries {
            let key = try value(entry.key)
            let item = try value(entry.value)
            if !entry.isOptional {
                try map.insert(key, item)
            } else if let present = try Self.present(item) {
                try map.insert(key, present)
            }
        }
        return .map(map)
    }

    private static func present(_ item: CELValue) throws(Fault) -> CELValue? {
        guard case .optional(let value) = item else { throw Fault("what follows a ? in a list or map is an optional value") }
        return value
    }

    // MARK: Macros

    mutating func comprehension(_ macro: Term.Comprehension) throws(Fault) -> CELValue {
        let range = try value(macro.range)
        if macro.form == .optMap || macro.form == .optFlatMap { return try optional(macro, range) }
        let items: [CELValue]
        switch range {
        case .list(let list): items = list
        case .map(let map): items = map.entries.map(\.key)
        default: throw Fault("no such overload: \(macro.form.rawValue)() over a value of type \(range.type.rawValue)")
        }
        switch macro.form {
        case .all: return .bool(try decided(macro, items, decisive: false))
        case .exists: return .bool(try decided(macro, items, decisive: true))
        case .existsOne:
            var count = 0
            for item in items where try holds(macro.condition, macro.variable, item) { count += 1 }
            return .bool(count == 1)
        case .filter, .map, .optMap, .optFlatMap:
            var results: [CELValue] = []
            for item in items where try holds(macro.condition, macro.variable, item) {
                guard let result = macro.result else {
                    results.append(item)
                    continue
                }
                results.append(try value(result, with: macro.variable, as: item))
            }
            return .list(results)
        }
    }

    private mutating func holds(_ condition: Term?, _ variable: String, _ item: CELValue) throws(Fault) -> Bool {
        try budget.spend(1)
        guard let condition else { return true }
        guard case .bool(let flag) = try value(condition, with: variable, as: item) else {
            throw Fault.noOverload.located(condition.position)
        }
        return flag
    }

    /// Like a chain of `&&` or `||` over all elements.
    private mutating func decided(_ macro: Term.Comprehension, _ items: [CELValue], decisive: Bool) throws(Fault) -> Bool {
        var fault: Fault?
        for item in items {
            do throws(Fault) {
                if try holds(macro.condition, macro.variable, item) == decisive { return decisive }
            } catch {
                if error.isFatal { throw error }
                fault = fault ?? error
            }
        }
        if let fault { throw fault }
        return !decisive
    }

    private mutating func optional(_ macro: Term.Comprehension, _ range: CELValue) throws(Fault) -> CELValue {
        guard case .optional(let inner) = range, let result = macro.result else {
            throw Fault("no such overload: \(macro.form.rawValue)() of a value of type \(range.type.rawValue)")
        }
        guard let inner else { return .optional(nil) }
        let made = try value(result, with: macro.variable, as: inner)
        if macro.form == .optMap { return .optional(made) }
        guard case .optional = made else { throw Fault("what optFlatMap() makes is an optional value") }
        return made
    }
}

extension CELValue {
    /// For messages: short, and without what maps and lists hold.
    var shortText: String {
        switch self {
        case .string(let text): text.unicodeScalars.count > 60 ? String(text.unicodeScalars.prefix(60)) + "…" : text
        case .int(let number): String(number)
        case .uint(let number): String(number)
        case .double(let number): number.description
        case .bool(let flag): String(flag)
        default: "a \(type.rawValue)"
        }
    }
}
