import RegularExpressions

/// Reads an expression by the grammar of the language definition, section "Syntax".
struct Parser {
    var tokens: [Token]
    var at = 0
    private var nesting = 0

    /// cel-go's default.
    private static let maximumLength = 100_000

    static func term(_ source: [Unicode.Scalar]) throws(Fault) -> Term {
        guard source.count <= maximumLength else { throw Fault("the expression is longer than \(maximumLength) characters") }
        var parser = Parser(tokens: try Lexer.tokens(source))
        let term = try parser.expression()
        guard parser.next == .end else { throw parser.unexpected("the end of the expression or an operator") }
        return term
    }

    private init(tokens: [Token]) { self.tokens = tokens }

    var next: Token.Kind { tokens[at].kind }
    var position: Int { tokens[at].position }

    mutating func skip(_ symbol: String) -> Bool {
        guard next == .symbol(symbol) else { return false }
        at += 1
        return true
    }

    mutating func require(_ symbol: String) throws(Fault) {
        guard skip(symbol) else { throw unexpected("\"\(symbol)\"") }
    }

    func unexpected(_ expected: String) -> Fault {
        let found =
            switch next {
            case .end: "the expression ends"
            case .name(let name): "there is \"\(name)\""
            case .symbol(let symbol): "there is \"\(symbol)\""
            default: "there is a literal"
            }
        return Fault("\(found) where \(expected) is expected", at: position)
    }

    mutating func expression() throws(Fault) -> Term {
        nesting += 1
        defer { nesting -= 1 }
        guard nesting <= Term.maximumDepth else {
            throw Fault("the expression is nested more than \(Term.maximumDepth) deep", at: position)
        }
        let condition = try alternatives()
        let place = position
        guard skip("?") else { return condition }
        let yes = try alternatives()
        try require(":")
        let no = try expression()
        return try Term(.conditional(condition, yes, no), at: place)
    }

    private mutating func alternatives() throws(Fault) -> Term {
        var terms = [try conjunction()]
        let place = position
        while skip("||") { terms.append(try conjunction()) }
        return terms.count == 1 ? terms[0] : try Term(.any(terms), at: place)
    }

    private mutating func conjunction() throws(Fault) -> Term {
        var terms = [try operation(0)]
        let place = position
        while skip("&&") { terms.append(try operation(0)) }
        return terms.count == 1 ? terms[0] : try Term(.all(terms), at: place)
    }

    /// From those that bind least.
    private static let levels: [Set<Term.Operator>] = [
        [.equal, .unequal, .less, .lessOrEqual, .greater, .greaterOrEqual, .contained], [.add, .subtract],
        [.multiply, .divide, .remainder],
    ]

    private mutating func operation(_ level: Int) throws(Fault) -> Term {
        guard level < Self.levels.count else { return try unary() }
        var left = try operation(level + 1)
        while case .symbol(let symbol) = next, let name = Term.Operator(rawValue: symbol), Self.levels[level].contains(name) {
            let place = position
            at += 1
            left = try Term(.operation(name, left, try operation(level + 1)), at: place)
        }
        return left
    }

    private mutating func unary() throws(Fault) -> Term {
        let place = position
        for (symbol, kind) in [("!", Term.Kind.not), ("-", Term.Kind.negative)] as [(String, (Term) -> Term.Kind)] {
            var count = 0
            while next == .symbol(symbol), symbol == "!" || !startsNegativeNumber {
                at += 1
                count += 1
            }
            guard count > 0 else { continue }
            let term = try member()
            // Two of them are none.
            let once = try Term(kind(term), at: place)
            return count % 2 == 1 ? once : try Term(kind(once), at: place)
        }
        return try member()
    }

    private var startsNegativeNumber: Bool {
        guard next == .symbol("-"), at + 1 < tokens.count else { return false }
        switch tokens[at + 1].kind {
        case .int, .double: return true
        default: return false
        }
    }

    private mutating func member() throws(Fault) -> Term {
        var term = try primary()
        while true {
            let place = position
            if skip(".") {
                let isOptional = skip("?")
                guard case .name(let name) = next else { throw unexpected("the name of a field") }
                let namePlace = position
                at += 1
                if !isOptional, skip("(") {
                    term = try methodCall(name, of: term, at: namePlace)
                } else {
                    term = try field(name, of: term, isOptional: isOptional, at: namePlace)
                }
            } else if skip("[") {
                let isOptional = skip("?")
                let index = try expression()
                try require("]")
                term = try Term(.index(term, index, isOptional: isOptional), at: place)
            } else if next == .symbol("{"), term.isName {
                throw Fault("messages of a type are not known here; a map is written {\"key\": value}", at: place)
            } else {
                return term
            }
        }
    }

    /// `google.protobuf.Timestamp` is the name of a type, although it looks like fields.
    private func field(_ name: String, of term: Term, isOptional: Bool, at place: Int) throws(Fault) -> Term {
        if !isOptional, case .member(let outer, "protobuf", isOptional: false) = term.kind, case .variable("google") = outer.kind,
            let type = CELType(rawValue: "google.protobuf.\(name)")
        {
            return try Term(.literal(.type(type)), at: place)
        }
        return try Term(.member(term, name, isOptional: isOptional), at: place)
    }
}

extension Term {
    /// Whether it could be the name of a type of messages.
    fileprivate var isName: Bool {
        switch kind {
        case .variable: true
        case .member(let term, _, isOptional: false): term.isName
        default: false
        }
    }
}
