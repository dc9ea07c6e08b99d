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
    /// What was being read when it was found; empty when the problem says it all.
    package var context: String

    package init(file: String, line: Int, column: Int, problem: String, context: String = "") {
        self.file = file
        self.line = line
        self.column = column
        self.problem = problem
        self.context = context
    }

    package var description: String {
        "\(file):\(line):\(column): \(problem)" + (context.isEmpty ? "" : " (\(context))")
    }
}
