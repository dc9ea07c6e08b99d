/// What becomes of a text in folded style (`>`) when kustomize writes it and reads it again on its way to the output: a line
/// before a more indented one gains an empty line, and texts that start with a blank lose their line breaks.
enum FoldedText {
    private static let newline = UInt8(ascii: "\n")

    private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    static func rewritten(_ text: UnsafeBufferPointer<UInt8>) -> String {
        guard text.dropLast().contains(newline) || text.first.map(isBlank) == true else { return String(decoding: text, as: UTF8.self) }
        return String(decoding: read(written(text), of: text), as: UTF8.self)
    }

    /// The lines as libyaml's emitter writes them, whose look-ahead starts at the beginning of the text.
    private static func written(_ text: UnsafeBufferPointer<UInt8>) -> [[UInt8]] {
        let start = text.first { $0 != newline }
        let doubles = start.map { !isBlank($0) } ?? false
        var lines: [[UInt8]] = [[]]
        var breaks = true
        var leading = true
        for byte in text {
            if byte == newline {
                if !breaks, !leading, doubles { lines.append([]) }
                lines.append([])
                breaks = true
            } else {
                if breaks { leading = isBlank(byte) }
                lines[lines.count - 1].append(byte)
                breaks = false
            }
        }
        if lines.last?.isEmpty == true { lines.removeLast() }
        return lines
    }

    /// The text that YAML's rules for folding make of the lines.
    private static func read(_ lines: [[UInt8]], of text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        var leadingBreak = false
        var trailingBreaks = 0
        var leadingBlank = false
        for line in lines {
            guard let first = line.first else {
                trailingBreaks += 1
                continue
            }
            if leadingBreak, !leadingBlank, !isBlank(first) {
                if trailingBreaks == 0 { result.append(UInt8(ascii: " ")) }
            } else if leadingBreak {
                result.append(newline)
            }
            result += repeatElement(newline, count: trailingBreaks)
            trailingBreaks = 0
            leadingBlank = isBlank(first)
            result += line
            leadingBreak = true
        }
        guard text.last == newline else { return result }
        if leadingBreak { result.append(newline) }
        let keeps = text.count == 1 || text[text.count - 2] == newline
        if keeps { result += repeatElement(newline, count: trailingBreaks) }
        return result
    }
}
