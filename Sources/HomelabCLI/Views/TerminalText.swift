/// How many columns text takes on a terminal, and as much of it as fits.
enum TerminalText {
    /// The columns of a text without escape codes.
    static func width(_ text: some StringProtocol) -> Int { text.reduce(0) { $0 + width($1) } }

    /// The text, or its beginning and `…` when it is wider than `columns`. Line breaks and control characters, which a node's words may
    /// hold and which would move the cursor, become blanks.
    static func fitted(_ text: String, _ columns: Int) -> String {
        let plain = String(text.map { isControl($0) ? " " : $0 })
        if width(plain) <= columns { return plain }
        var result = ""
        var room = columns - 1
        for character in plain {
            room -= width(character)
            if room < 0 { break }
            result.append(character)
        }
        return columns > 0 ? result + "…" : ""
    }

    private static func isControl(_ character: Character) -> Bool {
        character.unicodeScalars.contains {
            $0.value < 0x20 || (0x7F..<0xA0).contains($0.value) || $0.value == 0x2028 || $0.value == 0x2029
        }
    }

    /// Two for what East Asian scripts and emoji take, one for the rest.
    private static func width(_ character: Character) -> Int {
        guard let scalar = character.unicodeScalars.first else { return 0 }
        return wide.contains { $0.contains(scalar.value) } || character.unicodeScalars.contains { $0.value == 0xFE0F } ? 2 : 1
    }

    /// Unicode's East_Asian_Width W and F, in blocks.
    private static let wide: [ClosedRange<UInt32>] = [
        0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xA000...0xA4CF, 0xAC00...0xD7A3,
        0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1F6FF, 0x1F900...0x1FAFF,
        0x20000...0x3FFFD,
    ]
}
