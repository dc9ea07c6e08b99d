/// Why an expression cannot be read, or gives no value.
struct Fault: Error {
    let message: String
    /// In characters from the start of the expression; nil where only the caller knows.
    private(set) var position: Int?
    /// That the work is too much is no answer of a part which another part could make irrelevant.
    let isFatal: Bool

    init(_ message: String, at position: Int? = nil, isFatal: Bool = false) {
        self.message = message
        self.position = position
        self.isFatal = isFatal
    }

    /// The innermost place counts.
    func located(_ position: Int) -> Fault {
        guard self.position == nil else { return self }
        var fault = self
        fault.position = position
        return fault
    }

    static let noOverload = Fault("no such overload")
}

/// What is wrong with an expression, and where in it; lines and columns count from 1.
package struct ExpressionError: Error, Hashable, Sendable, CustomStringConvertible {
    package let line: Int
    package let column: Int
    /// No full stop.
    package let message: String

    init(_ fault: Fault, in source: [Unicode.Scalar]) {
        let before = source.prefix(fault.position ?? 0)
        line = before.count { $0 == "\n" } + 1
        column = before.reversed().prefix { $0 != "\n" }.count + 1
        message = fault.message
    }

    package var description: String { "\(line):\(column): \(message)" }
}

/// The work that an evaluation may still do, so that no expression from a repository can hold the agent up or fill its memory.
struct Budget {
    private let limit: Int
    private var steps: Int

    init(limit: Int = Budget.usualLimit) {
        self.limit = limit
        steps = limit
    }

    mutating func spend(_ count: Int) throws(Fault) {
        guard count <= steps else { throw Fault("it takes too much work: the limit of \(limit) steps is reached", isFatal: true) }
        steps -= count
    }

    /// Texts are cheap to go through.
    mutating func spend(forText length: Int) throws(Fault) { try spend(length / 10 + 1) }

    /// What Kubernetes allows one of its own expressions (`PerCallLimit` of k8s.io/apiserver/pkg/apis/cel).
    static let usualLimit = 1_000_000
}
