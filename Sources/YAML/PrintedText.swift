/// A text with characters that kustomize hands on as they are when it turns JSON into YAML, where they mean something else: a next
/// line character (U+0085) is a line break, which is folded, and other control characters beyond ASCII's first 32 are refused.
struct PrintedText {
    private let scalars: [Unicode.Scalar]

    /// nil for a text without such characters.
    init?(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard bytes.contains(where: { $0 >= 0x7F }) else { return nil }
        let scalars = Array(String(decoding: bytes, as: UTF8.self).unicodeScalars)
        guard scalars.contains(where: { (0x7F...0x9F).contains($0.value) || $0.value == 0xFFFE || $0.value == 0xFFFF }) else { return nil }
        self.scalars = scalars
    }

    /// The text with its next line characters folded as line breaks in double quotes are; nil where it holds what is refused.
    var folded: String? {
        var result = String.UnicodeScalarView()
        var breaks = 0
        // Spaces that vanish when a line break follows.
        var spaces = 0
        for scalar in scalars {
            switch scalar.value {
            case 0x85:
                breaks += 1
                spaces = 0
            case 0x20: if breaks == 0 { spaces += 1 }
            case 0x7F...0x9F, 0xFFFE, 0xFFFF: return nil
            default:
                Self.add(breaks, spaces, to: &result)
                (breaks, spaces) = (0, 0)
                result.append(scalar)
            }
        }
        Self.add(breaks, spaces, to: &result)
        return String(result)
    }

    private static func add(_ breaks: Int, _ spaces: Int, to result: inout String.UnicodeScalarView) {
        let filler: Unicode.Scalar = breaks > 1 ? "\n" : " "
        result.append(contentsOf: repeatElement(filler, count: breaks > 0 ? max(1, breaks - 1) : spaces))
    }
}
