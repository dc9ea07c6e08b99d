/// Texts that are secret, by which what is told is searched before anybody reads it.
///
/// Of a text of several lines each is one, since they are told line by line or with marks between them; of a long line its beginning,
/// and what follows up to the next blank or quote goes with it.
package struct KnownSecrets: Hashable, Sendable {
    private var texts: [String] = []
    private let shortest: Int
    private let wholeWordsBelow: Int

    /// - Parameter shortest: characters; blanking what is shorter would only garble the text.
    /// - Parameter wholeWordsBelow: characters; what is shorter is blanked only where it is no part of a longer word.
    package init(shortest: Int = 4, wholeWordsBelow: Int = 8) {
        self.shortest = shortest
        self.wholeWordsBelow = wholeWordsBelow
    }

    package var isEmpty: Bool { texts.isEmpty }

    private static let longest = 256
    private static let lineCount = 64
    private static let shortestLine = 8
    private static let words: Set<String> = ["true", "false", "null", "none", "yes", "no", "on", "off"]

    /// Takes in a text, and the ways that JSON and Go's `%q` write it.
    package mutating func add(_ text: String) {
        let lines = text.split(whereSeparator: \.isNewline)
        if lines.count <= 1 { return addLine(lines.first ?? "", atLeast: shortest) }
        for line in lines.prefix(Self.lineCount) { addLine(line, atLeast: max(shortest, Self.shortestLine)) }
    }

    package mutating func formUnion(_ other: KnownSecrets) {
        for text in other.texts { insert(text) }
    }

    private mutating func addLine(_ line: Substring, atLeast shortest: Int) {
        guard line.count >= shortest, !Self.words.contains(line.lowercased()), !Self.isSmallNumber(line) else { return }
        let escaped = line.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined()
        for text in line == escaped ? [escaped] : [String(line), escaped] { insert(Self.beginning(of: text)) }
    }

    /// No part of a character is left of it.
    private static func beginning(of text: String) -> String {
        guard text.utf8.count > longest else { return text }
        return (longest - 3...longest).reversed().lazy.compactMap { String(text.utf8.prefix($0)) }.first ?? text
    }

    /// A port, a count, a version: it stands everywhere.
    private static func isSmallNumber(_ text: Substring) -> Bool {
        text.utf8.count < 6 && text.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2E || $0 == 0x2D }
    }

    /// In order, so that equal sets are equal.
    private mutating func insert(_ text: String) {
        let index = texts.firstIndex { $0 >= text } ?? texts.endIndex
        if index < texts.endIndex, texts[index] == text { return }
        texts.insert(text, at: index)
    }

    /// Whether one of them is in a text, as a part of a word too.
    package func occur(in text: String) -> Bool {
        guard !texts.isEmpty else { return false }
        let bytes = Array(text.utf8)
        return texts.contains { !Self.places(of: Array($0.utf8), in: bytes).isEmpty }
    }

    /// The text with a mask in the place of each.
    package func masked(_ text: String, with mask: String = "*****") -> String {
        guard !texts.isEmpty, !text.isEmpty else { return text }
        let bytes = Array(text.utf8)
        var hidden: [Bool] = []
        for secret in texts {
            let wanted = Array(secret.utf8)
            for start in Self.places(of: wanted, in: bytes) {
                var end = start + wanted.count
                if secret.count < wholeWordsBelow, Self.isWord(bytes, start - 1) || Self.isWord(bytes, end) { continue }
                if wanted.count >= Self.longest - 3 { while end < bytes.count, !Self.ends(bytes[end]) { end += 1 } }
                if hidden.isEmpty { hidden = [Bool](repeating: false, count: bytes.count) }
                for index in start..<end { hidden[index] = true }
            }
        }
        guard !hidden.isEmpty else { return text }
        var result: [UInt8] = []
        for index in bytes.indices {
            if !hidden[index] { result.append(bytes[index]) } else if index == 0 || !hidden[index - 1] { result += Array(mask.utf8) }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func places(of wanted: [UInt8], in bytes: [UInt8]) -> [Int] {
        guard let first = wanted.first, bytes.count >= wanted.count else { return [] }
        var result: [Int] = []
        var start = 0
        while let found = bytes[start...].firstIndex(of: first), found + wanted.count <= bytes.count {
            if bytes[found..<(found + wanted.count)].elementsEqual(wanted) { result.append(found) }
            start = found + 1
        }
        return result
    }

    private static func isWord(_ bytes: [UInt8], _ index: Int) -> Bool {
        guard bytes.indices.contains(index) else { return false }
        let byte = bytes[index]
        return (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20) || byte >= 0x80
    }

    /// Blanks, quotes and the backslash before an escaped one.
    private static func ends(_ byte: UInt8) -> Bool { byte <= 0x20 || byte == 0x22 || byte == 0x27 || byte == 0x5C }
}

extension Diagnostics {
    /// The same with a mask in the place of secrets; objects, files and lines stay as they are.
    package func masked(_ secrets: KnownSecrets) -> Diagnostics {
        secrets.isEmpty ? self : Diagnostics(all.map { $0.masked(secrets) })
    }
}

extension Diagnostic {
    package func masked(_ secrets: KnownSecrets) -> Diagnostic {
        var result = self
        result.summary = secrets.masked(summary)
        result.cause = cause.map { secrets.masked($0) }
        return result
    }
}
