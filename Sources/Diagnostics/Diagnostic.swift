/// One finding about something a person or a machine gave us: what is wrong, where, and what to do next.
package struct Diagnostic: Error, Hashable, Sendable {
    package enum Severity: String, Hashable, Sendable, Comparable {
        case error, warning, note

        private var rank: Int {
            switch self {
            case .error: 0
            case .warning: 1
            case .note: 2
            }
        }

        package static func < (a: Severity, b: Severity) -> Bool { a.rank < b.rank }
    }

    package var severity: Severity
    /// What it is about when it is not a place in a file: a node, an object, a repository.
    package var subject: String?
    package var location: SourceLocation?
    /// One sentence, no full stop: what is wrong.
    package var summary: String
    /// The cause underneath, as far as it is known.
    package var cause: String?
    /// What the reader does next.
    package var remedy: String?

    package init(
        _ severity: Severity = .error, _ summary: String, subject: String? = nil, at location: SourceLocation? = nil,
        cause: String? = nil, remedy: String? = nil
    ) {
        self.severity = severity
        self.subject = subject
        self.location = location
        self.summary = summary
        self.cause = cause
        self.remedy = remedy
    }
}

extension Diagnostic: CustomStringConvertible {
    /// `inventory/home.yaml:7:5: error: node "m2": what is wrong: cause` and, indented below it, what to do.
    package var description: String {
        var text = location.map { "\($0): " } ?? ""
        text += severity.rawValue + ": "
        if let subject { text += subject + ": " }
        text += summary
        if let cause, !cause.isEmpty { text += ": " + cause }
        for line in (remedy ?? "").split(separator: "\n") { text += "\n    " + line }
        return text
    }
}
