import Diagnostics
import YAML

/// A YAML node and the file it is in.
struct Located: Sendable {
    let node: Node
    let file: String

    var location: SourceLocation { SourceLocation(file: file, line: node.mark.line, column: node.mark.column) }

    func location(of node: Node) -> SourceLocation { SourceLocation(file: file, line: node.mark.line, column: node.mark.column) }

    /// The member `key`; nil when it is missing or null.
    subscript(key: String) -> Located? {
        guard let value = node[key], !value.isNull else { return nil }
        return Located(node: value, file: file)
    }

    /// The items of a list, or the value itself as the only one.
    var items: [Located] {
        (node.sequence ?? [node]).map { Located(node: $0, file: file) }
    }

    var entries: [(key: String, at: SourceLocation, value: Located)] {
        (node.mapping ?? []).map { ($0.keyText, location(of: $0.key), Located(node: $0.value, file: file)) }
    }

    var text: String? { node.text }
    func text(_ key: String) -> String? { self[key]?.text }
    func bool(_ key: String) -> Bool? { self[key]?.node.bool }
    func int(_ key: String) -> Int? { self[key]?.node.int.map(Int.init) }
    func texts(_ key: String) -> [String] { self[key]?.items.compactMap(\.text) ?? [] }
    func seconds(_ key: String) -> Int? { text(key).flatMap(Duration.seconds) }
}

/// Lengths of time as people write them.
enum Duration {
    /// A year: what is longer is a slip.
    private static let longest = 365 * 24 * 3600

    static func seconds(_ text: String) -> Int? {
        guard let unit = text.last, let factor = ["s": 1, "m": 60, "h": 3600][unit],
            let number = Int(text.dropLast()), number >= 0, text.first?.isNumber == true
        else { return nil }
        return number <= longest / factor ? number * factor : nil
    }
}

/// Compares what was written with a schema and collects everything that does not fit.
struct SchemaCheck {
    private(set) var diagnostics = Diagnostics()
    /// What the field that is being looked at is for.
    private var about = ""

    mutating func check(_ value: Located, _ schema: ObjectSchema, path: String = "") {
        guard value.node.mapping != nil else {
            return wrongKind(value, path, "a mapping")
        }
        let outer = about
        defer { about = outer }
        for (key, at, member) in value.entries {
            guard let field = schema.field(named: key) else {
                unknown(key, at: at, in: schema.fields.map(\.name), path)
                continue
            }
            if member.node.isNull {
                if field.required {
                    diagnostics.append(
                        Diagnostic(.error, "\"\(joined(path, key))\" has no value", at: at, remedy: "give one: \(field.about)"))
                }
                continue
            }
            about = field.about
            check(member, field.type, path: joined(path, key))
        }
        for field in schema.fields where field.required && value.node.entry(field.name) == nil {
            diagnostics.append(
                Diagnostic(
                    .error, "\"\(joined(path, field.name))\" is missing", at: value.location, remedy: "add \(field.name): \(field.about)"))
        }
    }

    private mutating func unknown(_ key: String, at location: SourceLocation, in names: [String], _ path: String) {
        let nearest = Suggestion.nearest(to: key, in: names)
        diagnostics.append(
            Diagnostic(
                .error, "unknown field \"\(joined(path, key))\"", at: location,
                remedy: nearest.map { "did you mean \"\($0)\"?" } ?? "known here: " + names.joined(separator: ", ")))
    }

    private mutating func check(_ value: Located, _ type: FieldType, path: String) {
        switch type {
        case .anything: break
        case .boolean:
            if value.node.bool == nil { wrongKind(value, path, "true or false") }
        case .integer(let range):
            guard let number = value.node.int else { return wrongKind(value, path, "a whole number") }
            if !range.contains(Int(number)) {
                diagnostics.append(
                    Diagnostic(
                        .error, "\"\(path)\" is \(number)", at: value.location,
                        remedy: "give a number from \(range.lowerBound) to \(range.upperBound)"))
            }
        case .text(let form):
            guard let text = value.text else { return wrongKind(value, path, "text") }
            check(text, form, value, path)
        case .choice(let words):
            guard let text = value.text else { return wrongKind(value, path, "one of " + words.joined(separator: ", ")) }
            if words.contains(text) { return }
            let nearest = Suggestion.nearest(to: text, in: words)
            diagnostics.append(
                Diagnostic(
                    .error, "\"\(path)\" is \"\(text)\"", at: value.location,
                    remedy: nearest.map { "did you mean \"\($0)\"?" } ?? "give " + words.joined(separator: " or ")))
        case .list(let item):
            guard let items = value.node.sequence else { return wrongKind(value, path, "a list") }
            for (index, node) in items.enumerated() { check(Located(node: node, file: value.file), item, path: "\(path)[\(index)]") }
        case .oneOrMore(let item):
            if value.node.sequence == nil { return check(value, item, path: path) }
            check(value, .list(item), path: path)
        case .map(let item):
            guard value.node.mapping != nil else { return wrongKind(value, path, "a mapping") }
            for (key, _, member) in value.entries { check(member, item, path: joined(path, key)) }
        case .object(let schema): check(value, schema, path: path)
        case .textOr(let other): if value.text == nil { check(value, other, path: path) }
        case .secret: checkSecret(value, path)
        }
    }

    private mutating func check(_ text: String, _ form: TextForm, _ value: Located, _ path: String) {
        guard let problem = form.problem(with: text) else { return }
        diagnostics.append(
            Diagnostic(.error, "\"\(path)\" is \"\(text)\": \(problem.what)", at: value.location, remedy: problem.remedy))
    }

    private mutating func checkSecret(_ value: Located, _ path: String) {
        if value.text == "prompt" { return }
        let entries = value.entries
        if entries.count == 1, let entry = entries.first, ["file", "env"].contains(entry.key), entry.value.text?.isEmpty == false {
            return
        }
        let problem =
            value.text == nil ? "\"\(path)\" is no reference to a secret" : "\"\(path)\" holds a secret in clear text"
        diagnostics.append(
            Diagnostic(
                .error, problem, at: value.location,
                remedy: "give {file: PATH}, {env: NAME} or prompt; the secret itself stays out of the inventory"))
    }

    private mutating func wrongKind(_ value: Located, _ path: String, _ wanted: String) {
        let what = path.isEmpty ? "the document" : "\"\(path)\""
        let remedy = path.isEmpty ? "begin with apiVersion: and kind:; `homelab init` shows how it looks" : "give \(wanted): \(about)"
        diagnostics.append(Diagnostic(.error, "\(what) is \(value.node.kindName), not \(wanted)", at: value.location, remedy: remedy))
    }

    private func joined(_ path: String, _ key: String) -> String { path.isEmpty ? key : path + "." + key }
}
