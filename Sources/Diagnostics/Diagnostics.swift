/// Several findings thrown as one error, so that every problem is told at once.
package struct Diagnostics: Error, Hashable, Sendable, CustomStringConvertible {
    package private(set) var all: [Diagnostic]

    package init(_ all: [Diagnostic] = []) { self.all = all }

    package var isEmpty: Bool { all.isEmpty }
    package var hasErrors: Bool { all.contains { $0.severity == .error } }

    package mutating func append(_ diagnostic: Diagnostic) { all.append(diagnostic) }
    package mutating func append(contentsOf other: Diagnostics) { all += other.all }

    /// Takes any error: ours keep their place and remedy, another becomes one finding about `subject`.
    package mutating func append(_ error: any Error, subject: String? = nil) {
        switch error {
        case let many as Diagnostics: all += many.all
        case let one as Diagnostic: all.append(one)
        default: all.append(Diagnostic(.error, String(describing: error), subject: subject))
        }
    }

    package func throwIfErrors() throws(Diagnostics) {
        if hasErrors { throw self }
    }

    /// In the order of the files and lines they are about; those without a place last, as they came.
    package var sorted: [Diagnostic] {
        all.enumerated().sorted { a, b in
            switch (a.element.location, b.element.location) {
            case (let x?, let y?): x == y ? a.offset < b.offset : x < y
            case (_?, nil): true
            case (nil, _?): false
            case (nil, nil): a.offset < b.offset
            }
        }.map(\.element)
    }

    package var description: String { sorted.map(\.description).joined(separator: "\n") }
}
