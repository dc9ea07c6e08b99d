/// Translates a regular expression into instructions (Thompson's construction).
struct RegularExpressionCompiler {
    typealias Failure = RegularExpression.Failure
    typealias CharacterSet = RegularExpression.CharacterSet

    indirect enum Tree {
        case empty
        case character(CharacterSet)
        case assertion(RegularExpression.Assertion)
        case sequence([Tree])
        case choice([Tree])
        case repetition(Tree, minimum: Int, maximum: Int?)
    }

    private struct Flags {
        var ignoresCase = false
        var multiLine = false
        var dotMatchesNewline = false
    }

    private let pattern: [Unicode.Scalar]
    private var at = 0
    private var flags = Flags()
    private var depth = 0

    static let maximumInstructions = 20_000
    private static let maximumDepth = 200
    static let word = CharacterSet(ranges: [48...57, 65...90, 95...95, 97...122])
    private static let digit = CharacterSet(ranges: [48...57])
    private static let space = CharacterSet(ranges: [9...10, 12...13, 32...32])

    static func program(_ pattern: String) throws(Failure) -> [RegularExpression.Instruction] {
        var compiler = RegularExpressionCompiler(pattern: Array(pattern.unicodeScalars))
        let tree = try compiler.choice()
        guard compiler.at == compiler.pattern.count else { throw .invalid("a closing parenthesis without an opening one") }
        var program: [RegularExpression.Instruction] = []
        try emit(tree, into: &program)
        program.append(.match)
        return program
    }

    private init(pattern: [Unicode.Scalar]) { self.pattern = pattern }

    // MARK: Parsing

    private var next: Unicode.Scalar? { at < pattern.count ? pattern[at] : nil }

    private mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard next == character else { return false }
        at += 1
        return true
    }

    private mutating func choice() throws(Failure) -> Tree {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.maximumDepth else { throw .invalid("nested too deeply") }
        var choices = [try sequence()]
        while skip("|") { choices.append(try sequence()) }
        return choices.count == 1 ? choices[0] : .choice(choices)
    }

    private mutating func sequence() throws(Failure) -> Tree {
        var items: [Tree] = []
        while let character = next, character != "|", character != ")" {
            let atom = try atom()
            items.append(try repeated(atom))
        }
        return .sequence(items)
    }

    private mutating func repeated(_ atom: Tree) throws(Failure) -> Tree {
        var tree = atom
        var count = 0
        while let character = next {
            var minimum = 0
            var maximum: Int?
            switch character {
            case "*": at += 1
            case "+":
                at += 1
                minimum = 1
            case "?":
                at += 1
                maximum = 1
            case "{":
                guard let bounds = try bounds() else { return tree }
                (minimum, maximum) = bounds
            default: return tree
            }
            _ = skip("?")
            count += 1
            guard count == 1 else { throw .invalid("a repetition of a repetition") }
            tree = .repetition(tree, minimum: minimum, maximum: maximum)
        }
        return tree
    }

    /// `{n}`, `{n,}` or `{n,m}`; nil, with nothing consumed, when the brace stands for itself.
    private mutating func bounds() throws(Failure) -> (Int, Int?)? {
        let start = at
        at += 1
        guard let minimum = number() else {
            at = start
            return nil
        }
        var maximum: Int? = minimum
        if skip(",") { maximum = next == "}" ? nil : number() ?? -1 }
        guard skip("}"), maximum ?? 0 >= 0 else {
            at = start
            return nil
        }
        guard minimum <= 1000, maximum ?? 0 <= 1000, minimum <= maximum ?? minimum else { throw .invalid("bad bounds of a repetition") }
        return (minimum, maximum)
    }

    private mutating func number() -> Int? {
        var digits = ""
        while let character = next, ("0"..."9").contains(character), digits.count < 6 {
            digits.unicodeScalars.append(character)
            at += 1
        }
        return Int(digits)
    }

    private mutating func atom() throws(Failure) -> Tree {
        guard let character = next else { return .empty }
        at += 1
        switch character {
        case ".":
            return .character(flags.dotMatchesNewline ? CharacterSet(isNegated: true) : CharacterSet(ranges: [10...10], isNegated: true))
        case "^": return .assertion(flags.multiLine ? .lineStart : .start)
        case "$": return .assertion(flags.multiLine ? .lineEnd : .end)
        case "[": return .character(folded(try bracket()))
        case "(": return try group()
        case "*", "+", "?": throw .invalid("a repetition of nothing")
        case "{":
            at -= 1
            if try bounds() != nil { throw .invalid("a repetition of nothing") }
            at += 1
            return literal(character)
        case "\\": return try escape()
        default: return literal(character)
        }
    }

    private func literal(_ character: Unicode.Scalar) -> Tree {
        .character(folded(CharacterSet(ranges: [character.value...character.value])))
    }

    /// With the other case of ASCII letters where case does not matter.
    private func folded(_ set: CharacterSet) -> CharacterSet {
        guard flags.ignoresCase else { return set }
        var set = set
        for range in set.ranges {
            for letter in UInt32(65)...90 {
                if range.contains(letter) { set.ranges.append(letter + 32...letter + 32) }
                if range.contains(letter + 32) { set.ranges.append(letter...letter) }
            }
        }
        return set
    }

    private mutating func group() throws(Failure) -> Tree {
        let outer = flags
        if skip("?") {
            if skip("P") || next == "<" {
                guard skip("<") else { throw .invalid("a bad group name") }
                while let character = next, character != ">" { _ = skip(character) }
                guard skip(">") else { throw .invalid("a bad group name") }
            } else if try !flagChange() {
                return .empty
            }
        }
        let tree = try choice()
        guard skip(")") else { throw .invalid("a parenthesis that is never closed") }
        flags = outer
        return tree
    }

    /// `i`, `m`, `s`, `U` and their negations; true when a group follows (`(?i:…)`), false when they hold from here on (`(?i)`).
    private mutating func flagChange() throws(Failure) -> Bool {
        var value = true
        while let character = next {
            at += 1
            switch character {
            case "i": flags.ignoresCase = value
            case "m": flags.multiLine = value
            case "s": flags.dotMatchesNewline = value
            case "U": break
            case "-": value = false
            case ":": return true
            case ")": return false
            default: throw .invalid("an unknown flag")
            }
        }
        throw .invalid("a parenthesis that is never closed")
    }

    private mutating func escape() throws(Failure) -> Tree {
        guard let character = next else { throw .invalid("a backslash at the end") }
        at += 1
        switch character {
        case "A": return .assertion(.start)
        case "z": return .assertion(.end)
        case "b": return .assertion(.wordBoundary)
        case "B": return .assertion(.noWordBoundary)
        case "Q":
            var items: [Tree] = []
            while let character = next {
                at += 1
                if character == "\\", skip("E") { break }
                items.append(literal(character))
            }
            return .sequence(items)
        default:
            if let set = Self.perl(character) { return .character(set) }
            if character == "p" || character == "P" { return .character(CharacterSet(categories: [try category(character)])) }
            return literal(try escaped(character))
        }
    }

    private static func perl(_ character: Unicode.Scalar) -> CharacterSet? {
        switch character {
        case "d": digit
        case "D": CharacterSet(ranges: digit.ranges, isNegated: true)
        case "w": word
        case "W": CharacterSet(ranges: word.ranges, isNegated: true)
        case "s": space
        case "S": CharacterSet(ranges: space.ranges, isNegated: true)
        default: nil
        }
    }

    private mutating func escaped(_ character: Unicode.Scalar) throws(Failure) -> Unicode.Scalar {
        switch character {
        case "n": return "\n"
        case "t": return "\t"
        case "r": return "\r"
        case "f": return "\u{0C}"
        case "v": return "\u{0B}"
        case "a": return "\u{07}"
        case "x": return try hexadecimal()
        default:
            guard character.isASCII, !character.properties.isAlphabetic, !("0"..."9").contains(character) else {
                throw .invalid("unknown escape \\\(character)")
            }
            return character
        }
    }

    private mutating func hexadecimal() throws(Failure) -> Unicode.Scalar {
        var digits = ""
        if skip("{") {
            while let character = next, character != "}" {
                digits.unicodeScalars.append(character)
                at += 1
            }
            _ = skip("}")
        } else {
            while digits.count < 2, let character = next {
                digits.unicodeScalars.append(character)
                at += 1
            }
        }
        guard let code = UInt32(digits, radix: 16), let character = Unicode.Scalar(code) else { throw .invalid("a bad \\x escape") }
        return character
    }

    /// A character class, the opening bracket already read.
    private mutating func bracket() throws(Failure) -> CharacterSet {
        var set = CharacterSet()
        set.isNegated = skip("^")
        var isFirst = true
        while let character = next {
            at += 1
            if character == "]", !isFirst { return set }
            isFirst = false
            if character == "[", skip(":") {
                set.ranges += try posix()
                continue
            }
            var low = character
            if character == "\\" {
                guard let escape = next else { throw .invalid("a backslash at the end") }
                at += 1
                if escape == "p" || escape == "P" {
                    set.categories.append(try category(escape))
                    continue
                }
                if let perl = Self.perl(escape) {
                    set.ranges += perl.isNegated ? Self.complement(perl.ranges) : perl.ranges
                    continue
                }
                low = try escaped(escape)
            }
            set.ranges.append(try range(from: low))
        }
        throw .invalid("a bracket that is never closed")
    }

    /// One character or, with `-` and another behind it, all between the two.
    private mutating func range(from low: Unicode.Scalar) throws(Failure) -> ClosedRange<UInt32> {
        guard next == "-", at + 1 < pattern.count, pattern[at + 1] != "]" else { return low.value...low.value }
        at += 2
        var high = pattern[at - 1]
        if high == "\\", let character = next {
            at += 1
            high = try escaped(character)
        }
        guard low <= high else { throw .invalid("a range from a higher to a lower character") }
        return low.value...high.value
    }

    /// `\pL` or `\p{Lu}`, the letter p already read.
    private mutating func category(_ letter: Unicode.Scalar) throws(Failure) -> CharacterCategory {
        var name = String.UnicodeScalarView()
        if skip("{") {
            while let character = next, character != "}" {
                name.append(character)
                at += 1
            }
            guard skip("}") else { throw .invalid("a brace that is never closed") }
        } else if let character = next {
            name.append(character)
            at += 1
        }
        guard let category = CharacterCategory(String(name), isNegated: letter == "P") else {
            throw .invalid("unknown character class \\p{\(String(name))}")
        }
        return category
    }

    private mutating func posix() throws(Failure) -> [ClosedRange<UInt32>] {
        if skip("^") { return Self.complement(try posix()) }
        var name = ""
        while let character = next, character != ":" {
            name.unicodeScalars.append(character)
            at += 1
        }
        guard skip(":"), skip("]") else { throw .invalid("a bad character class") }
        switch name {
        case "alpha": return [65...90, 97...122]
        case "digit": return [48...57]
        case "alnum": return [48...57, 65...90, 97...122]
        case "upper": return [65...90]
        case "lower": return [97...122]
        case "space": return [9...13, 32...32]
        case "word": return Self.word.ranges
        case "xdigit": return [48...57, 65...70, 97...102]
        case "punct": return [33...47, 58...64, 91...96, 123...126]
        default: throw .invalid("unknown character class [:\(name):]")
        }
    }

    private static func complement(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
        var result: [ClosedRange<UInt32>] = []
        var low: UInt32 = 0
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if range.lowerBound > low { result.append(low...range.lowerBound - 1) }
            low = max(low, range.upperBound + 1)
        }
        result.append(low...0x10FFFF)
        return result
    }
}
