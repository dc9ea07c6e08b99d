/// A shell pattern: `*` any text, `?` any character, `[a-z]` one of these.
struct GlobPattern: Sendable {
    private let pattern: [Character]

    init(_ pattern: String) { self.pattern = Array(pattern) }

    /// The text without the shortest or longest match at one of its ends.
    func stripped(from text: String, atEnd: Bool, longest: Bool) -> String {
        let characters = Array(text)
        let lengths = longest ? Array((0...characters.count).reversed()) : Array(0...characters.count)
        for length in lengths {
            let piece = atEnd ? characters.suffix(length) : characters.prefix(length)
            if matches(Array(piece)) { return String(atEnd ? characters.dropLast(length) : characters.dropFirst(length)) }
        }
        return text
    }

    /// Whether it matches the whole text; linear but for one step back at each `*`.
    func matches(_ text: [Character]) -> Bool {
        var (position, place) = (0, 0)
        var retry: (position: Int, place: Int)?
        while position < text.count {
            if place < pattern.count, pattern[place] == "*" {
                retry = (position, place + 1)
                place += 1
            } else if place < pattern.count, let width = width(at: place, matching: text[position]) {
                position += 1
                place += width
            } else if let last = retry {
                retry = (last.position + 1, last.place)
                (position, place) = (last.position + 1, last.place)
            } else {
                return false
            }
        }
        return pattern[place...].allSatisfy { $0 == "*" }
    }

    /// How much of the pattern stands for this one character; nil when it does not match.
    private func width(at place: Int, matching character: Character) -> Int? {
        switch pattern[place] {
        case "?": return 1
        case "[":
            guard let end = pattern[(place + 1)...].firstIndex(of: "]"), end > place + 1 else { return character == "[" ? 1 : nil }
            return isIn(Array(pattern[(place + 1)..<end]), character) ? end - place + 1 : nil
        case "\\" where place + 1 < pattern.count: return pattern[place + 1] == character ? 2 : nil
        case let own: return own == character ? 1 : nil
        }
    }

    private func isIn(_ set: [Character], _ character: Character) -> Bool {
        var rest = set[...]
        let isNegated = rest.first == "!" || rest.first == "^"
        if isNegated { rest = rest.dropFirst() }
        var found = false
        while let low = rest.popFirst() {
            if rest.first == "-", rest.count > 1 {
                let high = rest[rest.index(after: rest.startIndex)]
                rest = rest.dropFirst(2)
                found = found || (low <= character && character <= high)
            } else {
                found = found || low == character
            }
        }
        return found != isNegated
    }
}
