/// Matches texts against a regular expression in the syntax of Go's regexp package, in time linear to the text whatever the
/// expression: selectors and health rules come from repositories, and a backtracking matcher could be stopped by one of them for ever.
package struct RegularExpression: Sendable {
    package struct Failure: Error {
        package let reason: String

        static func invalid(_ reason: String) -> Failure { Failure(reason: reason) }
    }

    /// A set of characters.
    struct CharacterSet: Sendable {
        var ranges: [ClosedRange<UInt32>] = []
        var categories: [CharacterCategory] = []
        var isNegated = false

        func contains(_ character: UInt32) -> Bool {
            (ranges.contains { $0.contains(character) } || categories.contains { $0.contains(character) }) != isNegated
        }
    }

    enum Assertion: Sendable { case start, end, lineStart, lineEnd, wordBoundary, noWordBoundary }

    enum Instruction: Sendable {
        case character(CharacterSet)
        case assertion(Assertion)
        case split(Int, Int)
        case jump(Int)
        case match
    }

    private let program: [Instruction]
    /// The text itself where the expression is nothing but one.
    private let literal: [UInt8]?

    /// Matches anywhere in a text unless the expression is anchored.
    package init(_ pattern: String) throws(Failure) {
        if pattern.utf8.allSatisfy(Self.isPlain) {
            literal = Array(pattern.utf8)
            program = []
        } else {
            literal = nil
            program = try RegularExpressionCompiler.program(pattern)
        }
        isAnchored = false
    }

    /// Must match a text as a whole.
    package init(anchored pattern: String) throws(Failure) {
        if pattern.utf8.allSatisfy(Self.isPlain) {
            literal = Array(pattern.utf8)
            program = []
        } else {
            literal = nil
            program = try RegularExpressionCompiler.program("^(?:" + pattern + ")$")
        }
        isAnchored = true
    }

    private let isAnchored: Bool

    /// How many steps one character of a text may cost at most.
    package var size: Int { max(program.count, 1) }

    /// Letters, digits and the signs that stand for themselves.
    package static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "/"), UInt8(ascii: ":"), UInt8(ascii: "@"), UInt8(ascii: "="),
            UInt8(ascii: ","):
            true
        default: false
        }
    }

    package func matches(_ text: String) -> Bool {
        if let literal { return isAnchored ? text.utf8.elementsEqual(literal) : contains(Array(text.utf8), literal) }
        let characters = text.unicodeScalars.map(\.value)
        var current = StateSet(count: program.count)
        var next = StateSet(count: program.count)
        for position in 0...characters.count {
            if add(0, at: position, of: characters, to: &current) { return true }
            guard position < characters.count else { return false }
            for state in current.states {
                if case .character(let set) = program[state], set.contains(characters[position]),
                    add(state + 1, at: position + 1, of: characters, to: &next)
                {
                    return true
                }
            }
            swap(&current, &next)
            next.removeAll()
        }
        return false
    }

    private func contains(_ text: [UInt8], _ part: [UInt8]) -> Bool {
        guard part.count <= text.count else { return false }
        return (0...text.count - part.count).contains { text[$0..<$0 + part.count].elementsEqual(part) }
    }

    /// Adds a state and all that follow without a character; true when the end is among them.
    private func add(_ start: Int, at position: Int, of characters: [UInt32], to set: inout StateSet) -> Bool {
        var pending = [start]
        while let state = pending.popLast() {
            guard set.insert(state) else { continue }
            switch program[state] {
            case .match: return true
            case .character: break
            case .jump(let target): pending.append(target)
            case .split(let first, let second):
                pending.append(second)
                pending.append(first)
            case .assertion(let assertion):
                if holds(assertion, at: position, of: characters) { pending.append(state + 1) }
            }
        }
        return false
    }

    private func holds(_ assertion: Assertion, at position: Int, of characters: [UInt32]) -> Bool {
        func isWord(_ index: Int) -> Bool {
            characters.indices.contains(index) && RegularExpressionCompiler.word.contains(characters[index])
        }
        switch assertion {
        case .start: return position == 0
        case .end: return position == characters.count
        case .lineStart: return position == 0 || characters[position - 1] == 10
        case .lineEnd: return position == characters.count || characters[position] == 10
        case .wordBoundary: return isWord(position - 1) != isWord(position)
        case .noWordBoundary: return isWord(position - 1) == isWord(position)
        }
    }

    /// States in the order added, each once.
    private struct StateSet {
        private(set) var states: [Int] = []
        private var isMember: [Bool]

        init(count: Int) { isMember = Array(repeating: false, count: count) }

        mutating func insert(_ state: Int) -> Bool {
            guard !isMember[state] else { return false }
            isMember[state] = true
            states.append(state)
            return true
        }

        mutating func removeAll() {
            for state in states { isMember[state] = false }
            states.removeAll(keepingCapacity: true)
        }
    }
}
