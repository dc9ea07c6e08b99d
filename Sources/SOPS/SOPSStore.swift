internal import Diagnostics
internal import YAML

/// The values of an encrypted file and what SOPS says about it, apart.
struct SOPSStore {
    private(set) var documents: [Value] = []
    private(set) var metadata: Value = .null
    private let format: SOPSFile.Format

    init(_ bytes: [UInt8], format: SOPSFile.Format, path: String) throws(Diagnostics) {
        self.format = format
        let text = String(decoding: bytes, as: UTF8.self)
        switch format {
        case .yaml: for document in try Self.yaml(bytes, path) { take(document) }
        case .json, .binary: take(try Self.json(bytes, path))
        case .dotenv: takeLines(text)
        case .ini: takeSections(text)
        }
        guard metadata.object != nil else {
            throw Diagnostics([
                Diagnostic(.error, "the file has encrypted values and no sops section", at: SourceLocation(file: path, line: 1))
            ])
        }
    }

    private static func yaml(_ bytes: [UInt8], _ path: String) throws(Diagnostics) -> [Value] {
        do {
            return try YAMLReader.values(bytes: bytes, file: path)
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
        if metadata.isNull { metadata = document["sops"] ?? .null }
        var rest = document
        rest["sops"] = nil
        documents.append(rest)
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
        documents = [.object(values)]
        metadata = Self.unflattened(flat)
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
        documents = [.object(sections)]
        metadata = Self.unflattened(flat)
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
        var lists: [String: [Int: Value]] = [:]
        for (key, text) in flat {
            let parts = key.parts(separator: "__list_")
            guard parts.count == 2 else {
                result[key] = .string(text)
                continue
            }
            let place = parts[1].parts(separator: "__map_")
            guard place.count == 2, let index = Int(place[0]) else { continue }
            var entry = lists[parts[0]]?[index] ?? .object(Object())
            entry[place[1]] = .string(text)
            lists[parts[0], default: [:]][index] = entry
        }
        for (key, entries) in lists { result[key] = .array(entries.sorted { $0.key < $1.key }.map(\.value)) }
        return result
    }

    // MARK: The clear text

    func text(of documents: [Value]) -> [UInt8] {
        let first = documents.first ?? .null
        switch format {
        case .yaml: return YAMLWriter.bytes(documents, sortedKeys: false)
        case .json: return Array(JSONWriter.text(first).utf8)
        case .binary: return Array((first["data"]?.string ?? "").utf8)
        case .dotenv: return Array(Self.lines(first, separator: "=").utf8)
        case .ini:
            var text = ""
            for section in first.object ?? Object() {
                if section.key != "DEFAULT" { text += "[\(section.key)]\n" }
                text += Self.lines(section.value, separator: " = ")
            }
            return Array(text.utf8)
        }
    }

    private static func lines(_ values: Value, separator: String) -> String {
        (values.object ?? Object()).map { member in
            let text = (member.value.string ?? "").split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\\n")
            return member.key + separator + text + "\n"
        }.joined()
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

extension String {
    /// The text around the first occurrence of a separator.
    fileprivate func parts(separator: String) -> [String] {
        var index = startIndex
        while index < endIndex {
            if self[index...].hasPrefix(separator) {
                return [String(self[..<index]), String(self[self.index(index, offsetBy: separator.count)...])]
            }
            index = self.index(after: index)
        }
        return [self]
    }
}
