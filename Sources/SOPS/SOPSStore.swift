internal import Diagnostics
internal import YAML

/// The values of an encrypted file and what SOPS says about them, apart.
struct SOPSStore {
    /// Documents that were encrypted at once: they share a key and a code.
    struct Part {
        var metadata: Value
        /// Their positions.
        var documents: [Int]
    }

    var documents: [Value] = []
    private(set) var parts: [Part] = []
    /// The documents as kustomize reads what is not encrypted in them; nil where that makes no difference.
    private(set) var kept: [Value]?
    let format: SOPSFile.Format

    /// - Parameter keepsForResource: whether kustomize reads what becomes of it.
    init(_ bytes: [UInt8], format: SOPSFile.Format, path: String, keepsForResource: Bool) throws(Diagnostics) {
        self.format = format
        let text = String(decoding: bytes, as: UTF8.self)
        switch format {
        case .yaml:
            for document in try Self.yaml(bytes, path) { take(document) }
            if keepsForResource, let values = try? YAMLReader.values(bytes: bytes, file: path, schema: .resource) {
                kept = values.count == documents.count ? values : nil
            }
        case .json, .binary: take(try Self.json(bytes, path))
        case .dotenv: takeLines(text)
        case .ini: takeSections(text)
        }
        // What stands beside encrypted documents in clear text is an object of its own; what is encrypted needs its section.
        let described = Set(parts.flatMap(\.documents))
        for (index, document) in documents.enumerated() where !described.contains(index) && (parts.isEmpty || document.isEncrypted) {
            throw Diagnostics([
                Diagnostic(
                    .error, "the file has encrypted values and no sops section", at: SourceLocation(file: path, line: 1),
                    cause: documents.count > 1 ? "its document \(index + 1) has none" : nil,
                    remedy: "restore the file from git, or encrypt it anew with `sops`")
            ])
        }
    }

    /// Whether it is one text with a name that SOPS gave it, the form of a file that has none.
    var isContent: Bool {
        guard format == .json, documents.count == 1, let object = documents[0].object else { return false }
        return object.count == 1 && object["data"]?.string != nil && object["data"]?.isEncrypted == true
    }

    /// As SOPS reads it: its code is made over these.
    private static func yaml(_ bytes: [UInt8], _ path: String) throws(Diagnostics) -> [Value] {
        do {
            return try YAMLReader.values(bytes: bytes, file: path, schema: .untyped)
        } catch {
            throw Diagnostics([
                Diagnostic(.error, "the encrypted file is no YAML", at: SourceLocation(file: path, line: 1), cause: "\(error)")
            ])
        }
    }

    private static func json(_ bytes: [UInt8], _ path: String) throws(Diagnostics) -> Value {
        do {
            return try JSONReader.value(bytes)
        } catch {
            throw Diagnostics([
                Diagnostic(
                    .error, "the encrypted file is no JSON", at: SourceLocation(file: path, line: error.line, column: error.column),
                    cause: error.problem)
            ])
        }
    }

    private mutating func take(_ document: Value) {
        var rest = document
        if let metadata = document["sops"], metadata["mac"] != nil {
            rest["sops"] = nil
            describe(metadata)
        }
        documents.append(rest)
    }

    /// Says of the next document how it was encrypted.
    private mutating func describe(_ metadata: Value) {
        if let index = parts.firstIndex(where: { $0.metadata == metadata }) {
            parts[index].documents.append(documents.count)
        } else {
            parts.append(Part(metadata: metadata, documents: [documents.count]))
        }
    }

    // MARK: Formats without structure: the metadata is written flat

    private mutating func takeLines(_ text: String) {
        var values = Object()
        var flat: [(String, String)] = []
        for line in text.split(whereSeparator: \.isNewline) where !line.hasPrefix("#") {
            let sides = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard sides.count == 2 else { continue }
            if sides[0].hasPrefix("sops_") {
                flat.append((String(sides[0].dropFirst(5)), Self.unescaped(sides[1])))
            } else {
                values.append(sides[0], .string(Self.unescaped(sides[1])))
            }
        }
        takeFlat(.object(values), flat)
    }

    private mutating func takeSections(_ text: String) {
        var sections = Object()
        var flat: [(String, String)] = []
        var section = "DEFAULT"
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.trimmed
            if line.isEmpty || line.hasPrefix("#") || line.hasPrefix(";") { continue }
            if line.hasPrefix("["), line.hasSuffix("]") {
                section = String(line.dropFirst().dropLast())
                if section != "sops", sections[section] == nil { sections.append(section, .object(Object())) }
                continue
            }
            let sides = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(\.trimmed)
            guard sides.count == 2 else { continue }
            if section == "sops" {
                flat.append((sides[0], Self.unescaped(sides[1])))
            } else {
                var values = sections[section]?.object ?? Object()
                values[sides[0]] = .string(sides[1])
                sections[section] = .object(values)
            }
        }
        takeFlat(.object(sections), flat)
    }

    private mutating func takeFlat(_ values: Value, _ flat: [(String, String)]) {
        if !flat.isEmpty { describe(Self.unflattened(flat)) }
        documents.append(values)
    }

    private static func unescaped(_ text: String) -> String {
        var result = ""
        var rest = text[...]
        while let next = rest.popFirst() {
            if next == "\\", rest.first == "n" {
                result.append("\n")
                rest = rest.dropFirst()
            } else {
                result.append(next)
            }
        }
        return result
    }

    /// `age__list_0__map_enc` is `age[0].enc`.
    private static func unflattened(_ flat: [(String, String)]) -> Value {
        var result: Value = .object(Object())
        for (key, text) in flat { result.set(.string(text), at: steps(of: key)[...]) }
        return result
    }

    fileprivate enum Step { case key(String), index(Int) }

    private static func steps(of key: String) -> [Step] {
        let parts = key.split(separator: "__")
        return parts.enumerated().map { position, part in
            if position > 0, part.hasPrefix("list_"), let index = Int(part.dropFirst(5)), (0..<1000).contains(index) {
                return .index(index)
            }
            return .key(String(position > 0 && part.hasPrefix("map_") ? part.dropFirst(4) : part))
        }
    }

    // MARK: The clear text

    /// nil where the values have no such form.
    func text(as output: SOPSFile.Format) -> [UInt8]? {
        if output == .yaml { return YAMLWriter.bytes(documents, sortedKeys: false) }
        guard documents.count == 1, let values = documents[0].object else { return nil }
        switch output {
        case .yaml, .binary: return nil
        case .json: return Array(JSONWriter.text(documents[0]).utf8)
        case .dotenv: return Self.lines(values, separator: "=").map { Array($0.utf8) }
        case .ini:
            var text = ""
            for section in values {
                guard let lines = section.value.object.flatMap({ Self.lines($0, separator: " = ") }) else { return nil }
                if section.key != "DEFAULT" { text += "[\(section.key)]\n" }
                text += lines
            }
            return Array(text.utf8)
        }
    }

    private static func lines(_ values: Object, separator: String) -> String? {
        var result = ""
        for member in values {
            guard let text = member.value.isNull ? "" : member.value.scalarText else { return nil }
            result += member.key + separator + text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\\n") + "\n"
        }
        return result
    }
}

extension Value {
    /// Whether some value in it is encrypted.
    fileprivate var isEncrypted: Bool {
        switch self {
        case .string(let text): EncryptedValue(text) != nil
        case .array(let items): items.contains(where: \.isEncrypted)
        case .object(let object): object.contains { $0.value.isEncrypted }
        default: false
        }
    }

    fileprivate mutating func set(_ value: Value, at steps: ArraySlice<SOPSStore.Step>) {
        switch steps.first {
        case nil: self = value
        case .key(let key):
            var inner = self[key] ?? .null
            inner.set(value, at: steps.dropFirst())
            self[key] = inner
        case .index(let index):
            var items = array ?? []
            while items.count <= index { items.append(.null) }
            items[index].set(value, at: steps.dropFirst())
            self = .array(items)
        }
    }
}

extension StringProtocol {
    fileprivate var trimmed: String {
        var rest = self[...]
        while rest.first?.isWhitespace == true { rest = rest.dropFirst() }
        while rest.last?.isWhitespace == true { rest = rest.dropLast() }
        return String(rest)
    }
}
