import Glibc

/// A text parted at its `---` lines as kustomize does it, before any YAML is read.
struct DocumentParts {
    struct Part {
        var bytes: UnsafeBufferPointer<UInt8>
        /// The lines before it.
        var line: Int
    }

    private(set) var all: [Part] = []
    /// Whether some line starts with `...`, the end of a document.
    private(set) var hasEndMarks = false

    init(_ text: UnsafeBufferPointer<UInt8>, file: String) throws(YAMLError) {
        var start = 0
        var startLine = 0
        var line = 0
        var at = 0
        while let end = Self.newline(in: text, from: at) {
            line += 1
            at = end + 1
            guard at + 2 < text.count, text[at] == text[at + 1], text[at] == text[at + 2] else { continue }
            if text[at] == UInt8(ascii: ".") { hasEndMarks = true }
            guard text[at] == UInt8(ascii: "-"), let close = Self.newline(in: text, from: at) else { continue }
            let rest = text[(at + 3)..<close].first { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }
            guard rest == nil || rest == UInt8(ascii: "#") else {
                throw YAMLError(
                    file: file, line: line + 1, column: 1, problem: "nothing but a comment may stand behind a `---`",
                    context: "kustomize parts files at lines that start with it")
            }
            all.append(Part(bytes: UnsafeBufferPointer(rebasing: text[start..<at]), line: startLine))
            // The end of this line starts no further separator.
            line += 1
            at = close + 1
            (start, startLine) = (at, line)
        }
        all.append(Part(bytes: UnsafeBufferPointer(rebasing: text[start...]), line: startLine))
    }

    private static func newline(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
        guard start < text.count, let base = text.baseAddress,
            let found = memchr(base + start, Int32(UInt8(ascii: "\n")), text.count - start)
        else { return nil }
        return UnsafeRawPointer(found) - UnsafeRawPointer(base)
    }
}
