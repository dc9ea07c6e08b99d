/// A function of the language: nil for arguments of types it is not defined for.
struct Function: Sendable {
    typealias Body = @Sendable ([CELValue], inout Budget) throws(Fault) -> CELValue?

    /// Of its result; nil where it depends on the arguments.
    let result: CELType?
    let body: Body
}

/// All functions by name, way of calling and number of arguments.
enum FunctionTable {
    struct Signature: Hashable, Sendable {
        let name: String
        let isMethod: Bool
        /// With the object of a method.
        let count: Int
    }

    /// The functions of one part of the library.
    struct Part: Sendable {
        private(set) var functions: [Signature: Function] = [:]

        mutating func global(_ name: String, _ count: Int, _ result: CELType? = nil, _ body: @escaping Function.Body) {
            functions[Signature(name: name, isMethod: false, count: count)] = Function(result: result, body: body)
        }

        /// - Parameter count: With the object.
        mutating func method(_ name: String, _ count: Int, _ result: CELType? = nil, _ body: @escaping Function.Body) {
            functions[Signature(name: name, isMethod: true, count: count)] = Function(result: result, body: body)
        }
    }

    static let all: [Signature: Function] = [
        standardFunctions(), conversionFunctions(), timeFunctions(), textFunctions(), setFunctions(), optionalFunctions(),
    ].reduce(into: [:]) { $0.merge($1.functions) { $1 } }

    static let names = Set(all.keys.map(\.name))

    /// Why there is no such function.
    static func complaint(_ name: String, isMethod: Bool, arguments: Int) -> String {
        let known = all.keys.filter { $0.name == name }
        guard !known.isEmpty else { return "there is no function \(name)()" }
        guard let others = Set(known.filter { $0.isMethod == isMethod }.map { $0.count - (isMethod ? 1 : 0) }).nonEmpty else {
            return isMethod ? "\(name)() is no method; it is called \(name)(value)" : "\(name)() is a method; it is called value.\(name)()"
        }
        return "\(name)() takes \(others.sorted().map(String.init).joined(separator: " or ")) arguments, not \(arguments)"
    }
}

extension Set {
    fileprivate var nonEmpty: Set? { isEmpty ? nil : self }
}
