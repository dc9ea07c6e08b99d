package import YAML

/// A selector in Kubernetes' text form: `app=web,tier!=db,env in (a,b),!legacy`.
package struct LabelSelector {
    private enum Requirement {
        case exists(String)
        case absent(String)
        case among(String, Set<String>)
        case notAmong(String, Set<String>)
        case greater(String, Int)
        case less(String, Int)
    }

    package struct Failure: Error {
        package var problem: String
    }

    private var requirements: [Requirement] = []

    package init(_ text: String) throws(Failure) {
        var tokens = Self.tokens(text)[...]
        guard !tokens.isEmpty else { return }
        while true {
            requirements.append(try Self.requirement(&tokens))
            guard let next = tokens.popFirst() else { return }
            guard next == "," else { throw Failure(problem: "\"\(next)\" is unexpected; a comma was due") }
        }
    }

    package func matches(_ labels: Object) -> Bool {
        requirements.allSatisfy { requirement in
            switch requirement {
            case .exists(let key): Self.text(labels, key) != nil
            case .absent(let key): Self.text(labels, key) == nil
            case .among(let key, let values): Self.text(labels, key).map(values.contains) ?? false
            case .notAmong(let key, let values): !(Self.text(labels, key).map(values.contains) ?? false)
            case .greater(let key, let bound): Self.text(labels, key).flatMap { Int($0) }.map { $0 > bound } ?? false
            case .less(let key, let bound): Self.text(labels, key).flatMap { Int($0) }.map { $0 < bound } ?? false
            }
        }
    }

    private static func text(_ labels: Object, _ key: String) -> String? {
        labels[key].map { $0.isNull ? "" : $0.scalarText ?? "" }
    }

    private static func requirement(_ tokens: inout ArraySlice<String>) throws(Failure) -> Requirement {
        guard let first = tokens.popFirst() else { throw Failure(problem: "a requirement is missing") }
        if first == "!" { return .absent(try key(tokens.popFirst())) }
        let key = try key(first)
        guard let operation = tokens.first, operation != "," else { return .exists(key) }
        tokens = tokens.dropFirst()
        switch operation {
        case "=", "==": return .among(key, [value(&tokens)])
        case "!=": return .notAmong(key, [value(&tokens)])
        case "in": return .among(key, try values(&tokens))
        case "notin": return .notAmong(key, try values(&tokens))
        case ">", "<":
            guard let bound = Int(value(&tokens)) else { throw Failure(problem: "a whole number is due after \(operation)") }
            return operation == ">" ? .greater(key, bound) : .less(key, bound)
        default: throw Failure(problem: "\"\(operation)\" is no operator")
        }
    }

    private static func key(_ token: String?) throws(Failure) -> String {
        guard let token, let first = token.first, first.isLetter || first.isNumber else {
            throw Failure(problem: "a label's name is due where \"\(token ?? "")\" is")
        }
        return token
    }

    private static func value(_ tokens: inout ArraySlice<String>) -> String {
        guard let next = tokens.first, next != "," else { return "" }
        tokens = tokens.dropFirst()
        return next
    }

    private static func values(_ tokens: inout ArraySlice<String>) throws(Failure) -> Set<String> {
        guard tokens.popFirst() == "(" else { throw Failure(problem: "values in parentheses are due") }
        var values: Set<String> = []
        while let token = tokens.popFirst() {
            if token == ")" { return values }
            if token != "," { values.insert(token) }
        }
        throw Failure(problem: "a parenthesis that is never closed")
    }

    private static func tokens(_ text: String) -> [String] {
        var tokens: [String] = []
        var word = ""
        func flush() {
            if !word.isEmpty { tokens.append(word) }
            word = ""
        }
        for character in text {
            switch character {
            case " ", "\t": flush()
            case ",", "(", ")":
                flush()
                tokens.append(String(character))
            case "=", "!", "<", ">":
                flush()
                if let last = tokens.last, character == "=", last == "=" || last == "!" {
                    tokens[tokens.count - 1] = last + "="
                } else {
                    tokens.append(String(character))
                }
            default: word.append(character)
            }
        }
        flush()
        return tokens
    }
}
