/// A place in a text: lines and columns count from 1, as editors do.
package struct Mark: Hashable, Sendable, Comparable {
    package var line: Int
    package var column: Int

    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    package static let start = Mark(line: 1, column: 1)

    package static func < (a: Mark, b: Mark) -> Bool { (a.line, a.column) < (b.line, b.column) }
}

/// Why a text is no YAML that Kubernetes would read, and where.
package struct YAMLError: Error, Hashable, Sendable, CustomStringConvertible {
    package var file: String
    package var line: Int
    package var column: Int
    /// What is wrong, in one sentence without a full stop.
    package var problem: String
    private var reading: String
    private var contextLine: Int?
    /// What else is wrong with the same text, as far as it could be read on.
    package private(set) var further: [YAMLError] = []

    /// - Parameter contextLine: where what was being read began.
    package init(file: String, line: Int, column: Int, problem: String, context: String = "", contextLine: Int? = nil) {
        self.file = file
        self.line = line
        self.column = column
        self.problem = problem
        reading = context
        self.contextLine = contextLine
    }

    /// Several mistakes of one text as one error; nil for none.
    init?(_ all: [YAMLError]) {
        guard let first = all.first else { return nil }
        self = first
        further = Array(all.dropFirst())
    }

    package var all: [YAMLError] { [self] + further }

    /// What was being read when it was found, or what to write instead; empty when the problem says it all.
    package var context: String { contextLine.map { "\(reading) from line \($0)" } ?? reading }

    /// The same in a text that begins behind some lines of its file.
    package func moved(by lines: Int) -> YAMLError {
        var error = self
        error.line += lines
        error.contextLine = contextLine.map { $0 + lines }
        error.further = further.map { $0.moved(by: lines) }
        return error
    }

    package var description: String {
        all.map { "\($0.file):\($0.line):\($0.column): \($0.problem)" + ($0.context.isEmpty ? "" : " (\($0.context))") }
            .joined(separator: "\n")
    }
}
