import YAML

/// The lines of a text that is changed in place, with the line breaks it has.
struct TextLines {
    private var lines: [String]
    private let ending: String

    init(_ text: String) {
        lines = text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
        ending = lines.first?.unicodeScalars.last == "\r" ? "\r" : ""
        // What follows the last line break is no line.
        if lines.last?.isEmpty == true { lines.removeLast() } else if let last = lines.indices.last { lines[last] += ending }
    }

    var text: String { lines.map { $0 + "\n" }.joined() }

    func character(at mark: Mark) -> Unicode.Scalar? {
        guard lines.indices.contains(mark.line - 1) else { return nil }
        return lines[mark.line - 1].unicodeScalars.dropFirst(mark.column - 1).first
    }

    /// Lines count from 1.
    func isBlank(_ line: Int) -> Bool {
        lines.indices.contains(line - 1) && lines[line - 1].unicodeScalars.allSatisfy { $0 == " " || $0 == "\r" || $0 == "\t" }
    }

    func indentation(ofLine line: Int) -> Int {
        lines.indices.contains(line - 1) ? lines[line - 1].unicodeScalars.prefix { $0 == " " }.count : 0
    }

    /// The last line of a block one of whose lines is `line`: lines follow it as long as they are indented at least to `column`.
    func end(ofBlockAt line: Int, deeperThan column: Int) -> Int {
        var end = line
        while lines.indices.contains(end), !isBlank(end + 1), indentation(ofLine: end + 1) >= column { end += 1 }
        return end
    }

    mutating func insert(_ new: [String], after line: Int) { lines.insert(contentsOf: new.map { $0 + ending }, at: min(line, lines.count)) }

    mutating func append(_ new: [String]) { insert(new, after: lines.count) }

    mutating func insert(_ text: String, at mark: Mark) {
        guard lines.indices.contains(mark.line - 1) else { return }
        var scalars = Array(lines[mark.line - 1].unicodeScalars)
        scalars.insert(contentsOf: text.unicodeScalars, at: min(mark.column - 1, scalars.count))
        var line = String.UnicodeScalarView()
        line.append(contentsOf: scalars)
        lines[mark.line - 1] = String(line)
    }
}
