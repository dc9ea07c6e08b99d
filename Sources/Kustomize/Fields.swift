import Diagnostics
import YAML

/// A value and where it was written.
struct Located<T> {
    var value: T
    var mark: Mark
}

/// Where findings about one file go.
final class FileFindings {
    let file: String
    /// Whether unknown fields are errors.
    let isStrict: Bool
    var diagnostics = Diagnostics()

    init(file: String, isStrict: Bool = true) {
        self.file = file
        self.isStrict = isStrict
    }

    func location(_ mark: Mark) -> SourceLocation { SourceLocation(file: file, line: mark.line, column: mark.column) }

    func error(_ summary: String, at mark: Mark, cause: String? = nil, remedy: String? = nil) {
        diagnostics.append(Diagnostic(.error, summary, at: location(mark), cause: cause, remedy: remedy))
    }
}

/// The fields of one mapping, read as kustomize reads its configuration: names match whatever their case, null is as good as
/// absent, and a wrong type is an error that names the field.
struct Fields {
    let findings: FileFindings
    let mark: Mark
    private let path: String
    private var nodes: [String: Node] = [:]

    init(_ node: Node, path: String = "", names: [String], findings: FileFindings) {
        self.findings = findings
        self.path = path
        mark = node.mark
        guard let entries = node.mapping else {
            if !node.isNull { findings.error("\(path.isEmpty ? "the file" : path) must be a mapping, not \(node.kindName)", at: node.mark) }
            return
        }
        var keys: [String: String] = [:]
        for entry in entries {
            let text = entry.keyText
            guard let name = names.contains(text) ? text : names.first(where: { $0.lowercased() == text.lowercased() }) else {
                if findings.isStrict { unknown(text, at: entry.key.mark, names) }
                continue
            }
            // Of one field written in several cases, kustomize takes the key that sorts last.
            if let earlier = keys[name], text < earlier { continue }
            keys[name] = text
            nodes[name] = entry.value.isNull ? nil : entry.value
        }
    }

    private func unknown(_ text: String, at mark: Mark, _ names: [String]) {
        let near = names.min { Self.distance($0, text) < Self.distance($1, text) }
        let remedy = near.flatMap { Self.distance($0, text) <= 3 ? "did you mean \"\($0)\"?" : nil }
        findings.error("unknown field \"\(name(text))\"", at: mark, remedy: remedy)
    }

    /// Edits between two words (Levenshtein), for suggestions.
    private static func distance(_ a: String, _ b: String) -> Int {
        let (a, b) = (Array(a.lowercased()), Array(b.lowercased()))
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let best = min(row[j] + 1, row[j + 1] + 1, diagonal + (x == y ? 0 : 1))
                diagonal = row[j + 1]
                row[j + 1] = best
            }
        }
        return row[b.count]
    }

    private func name(_ field: String) -> String { path.isEmpty ? field : "\(path).\(field)" }

    private func wrongType(_ field: String, _ node: Node, _ expected: String) {
        let hint = expected == "a string" && node.scalar != nil ? "put it in quotes" : nil
        findings.error("\(field) must be \(expected), not \(node.kindName)", at: node.mark, remedy: hint)
    }

    func has(_ field: String) -> Bool { nodes[field] != nil }
    func node(_ field: String) -> Node? { nodes[field] }
    func mark(of field: String) -> Mark { nodes[field]?.mark ?? mark }
    /// Whether all fields but these are absent or empty text.
    func isEmpty(but ignored: Set<String>) -> Bool { nodes.allSatisfy { ignored.contains($0.key) || $0.value.string == "" } }

    /// A string's text; where unknown fields are let pass, numbers and booleans are text too, as Kubernetes' decoder has it.
    private func text(_ node: Node) -> String? {
        if let text = node.string { return text }
        guard !findings.isStrict, let value = node.scalar?.value else { return nil }
        if case .double(let fraction) = value { return FloatText.single(fraction) }
        return value.scalarText
    }

    func string(_ field: String) -> String {
        guard let node = nodes[field] else { return "" }
        if let text = text(node) { return text }
        wrongType(name(field), node, "a string")
        return ""
    }

    /// A part of a type, which kustomize takes from nothing but a string, in objects of transformers too.
    func typePart(_ field: String) -> String {
        guard let node = nodes[field] else { return "" }
        if node.string == nil { wrongType(name(field), node, "a string") }
        return node.string ?? ""
    }

    func bool(_ field: String) -> Bool {
        guard let node = nodes[field] else { return false }
        if let flag = node.bool { return flag }
        wrongType(name(field), node, "a boolean")
        return false
    }

    func int(_ field: String) -> Int? {
        guard let node = nodes[field] else { return nil }
        if let number = node.int { return Int(number) }
        wrongType(name(field), node, "a whole number")
        return nil
    }

    func list<T>(_ field: String, _ element: (Node, String) -> T?) -> [T] {
        guard let node = nodes[field] else { return [] }
        guard let items = node.sequence else {
            wrongType(name(field), node, "a list")
            return []
        }
        return items.enumerated().compactMap { element($1, "\(name(field))[\($0)]") }
    }

    func strings(_ field: String) -> [Located<String>] {
        list(field) { node, path in
            if node.isNull { return Located(value: "", mark: node.mark) }
            if let text = text(node) { return Located(value: text, mark: node.mark) }
            wrongType(path, node, "a string")
            return nil
        }
    }

    /// A mapping of strings, ordered by key.
    func pairs(_ field: String) -> [(key: String, value: String)] {
        guard let node = nodes[field] else { return [] }
        guard let entries = node.mapping else {
            wrongType(name(field), node, "a mapping")
            return []
        }
        var pairs: [(key: String, value: String)] = []
        for entry in entries {
            guard let text = entry.value.isNull ? "" : text(entry.value) else {
                wrongType("\(name(field)).\(entry.keyText)", entry.value, "a string")
                continue
            }
            pairs.append((entry.keyText, text))
        }
        return pairs.sorted { $0.key < $1.key }
    }

    /// A mapping of booleans.
    func flags(_ field: String) -> [String: Bool] {
        guard let node = nodes[field] else { return [:] }
        guard let entries = node.mapping else {
            wrongType(name(field), node, "a mapping")
            return [:]
        }
        var flags: [String: Bool] = [:]
        for entry in entries {
            if let flag = entry.value.bool {
                flags[entry.keyText] = flag
            } else if !entry.value.isNull {
                wrongType("\(name(field)).\(entry.keyText)", entry.value, "a boolean")
            }
        }
        return flags
    }

    func fields(_ field: String, _ names: [String]) -> Fields? {
        nodes[field].map { Fields($0, path: name(field), names: names, findings: findings) }
    }

    func fieldsList<T>(_ field: String, _ names: [String], _ element: (Fields) -> T?) -> [T] {
        list(field) { node, path in element(Fields(node, path: path, names: names, findings: findings)) }
    }
}
