import RegularExpressions

extension Parser {
    /// Kept free for other languages that expressions are embedded in.
    private static let reserved: Set<String> = [
        "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package", "namespace", "return",
        "var", "void", "while",
    ]

    mutating func primary() throws(Fault) -> Term {
        let place = position
        switch next {
        case .int(let magnitude):
            at += 1
            guard let number = Int64(exactly: magnitude) else {
                throw Fault("the number \(magnitude) is out of range for an int", at: place)
            }
            return try Term(.literal(.int(number)), at: place)
        case .uint, .double, .string, .bytes: return try literal(at: place)
        case .symbol("-"): return try negativeNumber(at: place)
        case .symbol("true"), .symbol("false"), .symbol("null"):
            let value: CELValue = next == .symbol("null") ? .null : .bool(next == .symbol("true"))
            at += 1
            return try Term(.literal(value), at: place)
        case .symbol("("):
            at += 1
            let term = try expression()
            try require(")")
            return term
        case .symbol("["):
            at += 1
            return try list(at: place)
        case .symbol("{"):
            at += 1
            return try map(at: place)
        case .symbol("."):
            at += 1
            guard case .name = next else { throw unexpected("a name") }
            return try name(at: place)
        case .name: return try name(at: place)
        default: throw unexpected("a value")
        }
    }

    private mutating func literal(at place: Int) throws(Fault) -> Term {
        let value: CELValue
        switch next {
        case .uint(let number): value = .uint(number)
        case .double(let number): value = .double(number)
        case .string(let text): value = .string(text)
        case .bytes(let bytes): value = .bytes(bytes)
        default: throw unexpected("a literal")
        }
        at += 1
        return try Term(.literal(value), at: place)
    }

    private mutating func negativeNumber(at place: Int) throws(Fault) -> Term {
        at += 1
        let token = next
        at += 1
        switch token {
        case .int(let magnitude):
            guard magnitude <= Int64.min.magnitude else { throw Fault("the number -\(magnitude) is out of range for an int", at: place) }
            return try Term(.literal(.int(Int64(truncatingIfNeeded: 0 &- magnitude))), at: place)
        case .double(let number): return try Term(.literal(.double(-number)), at: place)
        default:
            at -= 1
            throw unexpected("a number")
        }
    }

    private mutating func name(at place: Int) throws(Fault) -> Term {
        guard case .name(let name) = next else { throw unexpected("a name") }
        guard !Self.reserved.contains(name) else { throw Fault("\"\(name)\" is a reserved word", at: place) }
        at += 1
        guard skip("(") else { return try Term(.variable(name), at: place) }
        let arguments = try arguments()
        if name == "has" { return try presence(arguments, at: place) }
        return try call(name, nil, arguments, at: place)
    }

    /// What is between the parentheses of a call; the opening one has been read.
    private mutating func arguments() throws(Fault) -> [Term] {
        var terms: [Term] = []
        if skip(")") { return terms }
        repeat { terms.append(try expression()) } while skip(",")
        try require(")")
        return terms
    }

    private mutating func list(at place: Int) throws(Fault) -> Term {
        var elements: [Term.Element] = []
        while !skip("]") {
            let isOptional = skip("?")
            elements.append(Term.Element(term: try expression(), isOptional: isOptional))
            if !skip(",") {
                try require("]")
                break
            }
        }
        return try Term(.list(elements), at: place)
    }

    private mutating func map(at place: Int) throws(Fault) -> Term {
        var entries: [Term.Entry] = []
        while !skip("}") {
            let isOptional = skip("?")
            let key = try expression()
            try require(":")
            entries.append(Term.Entry(key: key, value: try expression(), isOptional: isOptional))
            if !skip(",") {
                try require("}")
                break
            }
        }
        return try Term(.map(entries), at: place)
    }

    // MARK: Calls and macros

    mutating func methodCall(_ name: String, of target: Term, at place: Int) throws(Fault) -> Term {
        let arguments = try arguments()
        if case .variable(let namespace) = target.kind, FunctionTable.names.contains("\(namespace).\(name)") {
            return try call("\(namespace).\(name)", nil, arguments, at: place)
        }
        if let macro = try macro(name, over: target, arguments, at: place) { return macro }
        return try call(name, target, arguments, at: place)
    }

    private func presence(_ arguments: [Term], at place: Int) throws(Fault) -> Term {
        guard arguments.count == 1, case .member(let term, let field, isOptional: false) = arguments[0].kind else {
            throw Fault("has() takes a field: has(object.field)", at: place)
        }
        return try Term(.presence(term, field), at: place)
    }

    private func macro(_ name: String, over range: Term, _ arguments: [Term], at place: Int) throws(Fault) -> Term? {
        guard let form = Term.Comprehension.Form(rawValue: name == "existsOne" ? "exists_one" : name),
            arguments.count == 2 || (form == .map && arguments.count == 3)
        else { return nil }
        guard case .variable(let variable) = arguments[0].kind else {
            throw Fault("the first argument of \(name)() is the name of a variable", at: arguments[0].position)
        }
        var condition: Term?
        var result: Term?
        switch form {
        case .all, .exists, .existsOne, .filter: condition = arguments[1]
        case .map, .optMap, .optFlatMap:
            condition = arguments.count == 3 ? arguments[1] : nil
            result = arguments[arguments.count - 1]
        }
        return try Term(
            .comprehension(Term.Comprehension(form: form, range: range, variable: variable, condition: condition, result: result)),
            at: place)
    }

    private func call(_ name: String, _ target: Term?, _ arguments: [Term], at place: Int) throws(Fault) -> Term {
        let all = (target.map { [$0] } ?? []) + arguments
        guard let function = FunctionTable.all[FunctionTable.Signature(name: name, isMethod: target != nil, count: all.count)] else {
            throw Fault(FunctionTable.complaint(name, isMethod: target != nil, arguments: arguments.count), at: place)
        }
        if name == "matches", case .literal(.string(let pattern)) = all[1].kind {
            let expression: RegularExpression
            do throws(RegularExpression.Failure) {
                expression = try RegularExpression(pattern)
            } catch {
                throw Fault("the regular expression is wrong: \(error.reason)", at: all[1].position)
            }
            return try Term(.pattern(all[0], expression), at: place)
        }
        return try Term(.call(Term.Call(name: name, arguments: all, function: function)), at: place)
    }
}
