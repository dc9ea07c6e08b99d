package import YAML

/// An expression of the Common Expression Language that has been read and found to be well formed.
///
/// Known are the standard library and what Flux adds to it (fluxcd/pkg `runtime/cel`): cel-go's strings, sets and encoders libraries,
/// optional types, and comparisons of numbers across types.
package struct CELExpression: Hashable, Sendable, CustomStringConvertible {
    private let source: String
    private let term: Term

    /// - Parameter variables: The names that may be used; nil for any, known only when there is a value.
    /// - Parameter isCondition: Whether an expression whose value can never be true or false is refused.
    package init(_ source: String, variables: Set<String>? = nil, isCondition: Bool = false) throws(ExpressionError) {
        self.source = source
        let scalars = Array(source.unicodeScalars)
        do throws(Fault) {
            term = try Parser.term(scalars)
            let free = term.freeVariables().filter { CELType(rawValue: $0.key) == nil }
            if let variables, let unknown = free.filter({ !variables.contains($0.key) }).min(by: { $0.value < $1.value }) {
                let known = variables.sorted().joined(separator: ", ")
                throw Fault("there is no variable \(unknown.key); there are \(known)", at: unknown.value)
            }
            if isCondition, term.isBoolean == false { throw Fault("its value is neither true nor false", at: term.position) }
        } catch {
            throw ExpressionError(error, in: scalars)
        }
    }

    package var description: String { source }

    /// - Parameter variables: The value of a variable; nil where there is none of that name.
    package func value(_ variables: @escaping (String) -> CELValue?) throws(ExpressionError) -> CELValue {
        try value(within: Budget(), variables)
    }

    func value(within budget: Budget, _ variables: @escaping (String) -> CELValue?) throws(ExpressionError) -> CELValue {
        var evaluation = Evaluation(budget, variables: variables)
        do throws(Fault) {
            return try evaluation.value(term)
        } catch {
            throw ExpressionError(error, in: Array(source.unicodeScalars))
        }
    }

    /// Whether it holds with the members of an object as variables.
    package func holds(for variables: Object) throws(ExpressionError) -> Bool {
        guard case .bool(let flag) = try value({ variables[$0].map { CELValue($0) } }) else {
            throw ExpressionError(Fault("its value is neither true nor false"), in: [])
        }
        return flag
    }

    package static func == (a: Self, b: Self) -> Bool { a.source.utf8.elementsEqual(b.source.utf8) }

    package func hash(into hasher: inout Hasher) { hasher.combine(source) }
}
