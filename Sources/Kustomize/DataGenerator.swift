import Cryptography
import Diagnostics
import YAML

/// Makes ConfigMaps and Secrets from literals, files and environment files.
struct DataGenerator {
    enum Kind: String { case configMap = "ConfigMap", secret = "Secret" }

    let kind: Kind
    let entry: GeneratorEntry
    /// Reads a file named in the kustomization, reporting what fails.
    let read: (Located<String>, FileUse) -> [UInt8]?
    let findings: FileFindings

    private struct Pair {
        var key: String
        var value: [UInt8]
        var mark: Mark
    }

    /// The object; nil when a source cannot be had, which `findings` then tells.
    func object() -> Object? {
        let before = findings.diagnostics.all.count
        if entry.name.isEmpty { findings.error("a \(kind.rawValue) generator needs a name", at: entry.mark) }
        var seen: Set<String> = []
        let pairs = environmentPairs() + literalPairs() + filePairs()
        for pair in pairs {
            if !seen.insert(pair.key).inserted {
                findings.error("key \"\(pair.key)\" comes twice in \(kind.rawValue) \"\(entry.name)\"", at: pair.mark)
            }
        }
        guard findings.diagnostics.all.count == before else { return nil }
        return object(pairs.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) })
    }

    private func object(_ pairs: [Pair]) -> Object {
        var metadata: Object = Object([Object.Member(key: "name", value: .string(entry.name))])
        if !entry.namespace.isEmpty { metadata.append("namespace", .string(entry.namespace)) }
        func strings(_ pairs: [(key: String, value: String)]) -> Value {
            .object(Object(pairs.map { Object.Member(key: $0.key, value: .string($0.value)) }))
        }
        if let labels = entry.options?.labels, !labels.isEmpty { metadata.append("labels", strings(labels)) }
        if let annotations = entry.options?.annotations, !annotations.isEmpty { metadata.append("annotations", strings(annotations)) }
        var object = Object([
            Object.Member(key: "apiVersion", value: "v1"), Object.Member(key: "kind", value: .string(kind.rawValue)),
            Object.Member(key: "metadata", value: .object(metadata)),
        ])
        switch kind {
        case .configMap:
            let (text, binary) = (pairs.filter { $0.value.isUTF8 }, pairs.filter { !$0.value.isUTF8 })
            if !text.isEmpty { object.append("data", strings(text.map { ($0.key, String(decoding: $0.value, as: UTF8.self)) })) }
            if !binary.isEmpty { object.append("binaryData", strings(binary.map { ($0.key, Self.base64($0.value)) })) }
        case .secret:
            object.append("type", .string(entry.type.isEmpty ? "Opaque" : entry.type))
            object.append("data", strings(pairs.map { ($0.key, Self.base64($0.value)) }))
        }
        if entry.options?.immutable == true { object.append("immutable", true) }
        return object
    }

    /// In lines of 70 characters, each with its end, once there is more than one.
    static func base64(_ bytes: [UInt8]) -> String {
        let text = Base64.encode(bytes)
        guard text.utf8.count >= 70 else { return text }
        var result = ""
        var rest = text[...]
        while !rest.isEmpty {
            result += rest.prefix(70) + "\n"
            rest = rest.dropFirst(70)
        }
        return result
    }

    // MARK: Sources

    /// `KEY=value`, one pair of equal quotes around the value taken off.
    private func literalPairs() -> [Pair] {
        entry.literals.compactMap { literal in
            guard let equals = literal.value.firstIndex(of: "="), equals != literal.value.startIndex else {
                let shown = kind == .secret ? "a literal of a Secret" : "literal \"\(literal.value)\""
                findings.error("\(shown) is not of the form key=value", at: literal.mark)
                return nil
            }
            var value = literal.value[literal.value.index(after: equals)...]
            if value.utf8.count >= 2, let first = value.first, first == value.last, first == "\"" || first == "'" {
                value = value.dropFirst().dropLast()
            }
            return Pair(key: String(literal.value[..<equals]), value: Array(value.utf8), mark: literal.mark)
        }
    }

    /// `path` or `key=path`.
    private func filePairs() -> [Pair] {
        entry.files.compactMap { file in
            let parts = file.value.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
            guard parts.count <= 2, !parts.contains("") else {
                findings.error("file \"\(file.value)\" is neither a path nor of the form key=path", at: file.mark)
                return nil
            }
            let path = parts[parts.count - 1]
            let key = parts.count == 2 ? parts[0] : Path.name(of: path)
            let use = kind == .secret ? FileUse.secretValue(key: key) : .configuration
            guard let bytes = read(Located(value: path, mark: file.mark), use) else { return nil }
            return Pair(key: key, value: bytes, mark: file.mark)
        }
    }

    private func environmentPairs() -> [Pair] {
        entry.envs.flatMap { file -> [Pair] in
            guard let bytes = read(file, kind == .secret ? .secretEnvironment : .configuration) else { return [] }
            guard bytes.isUTF8 else {
                findings.error("environment file \"\(file.value)\" is not UTF-8", at: file.mark)
                return []
            }
            let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            return lines.enumerated().compactMap { pair(line: $1, isFirst: $0 == 0, of: file) }
        }
    }

    /// `KEY=value` or `KEY` for an empty value; leading blanks, comments and a byte order mark at the start are skipped.
    private func pair(line: ArraySlice<UInt8>, isFirst: Bool, of file: Located<String>) -> Pair? {
        var line = line
        if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
        if isFirst, line.starts(with: [0xEF, 0xBB, 0xBF]) { line = line.dropFirst(3) }
        let text = String(decoding: line, as: UTF8.self).drop { $0.isWhitespace }
        guard let first = text.first, first != "#" else { return nil }
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        return Pair(key: String(parts[0]), value: parts.count == 2 ? Array(parts[1].utf8) : [], mark: file.mark)
    }
}

extension [UInt8] {
    var isUTF8: Bool { withUnsafeBufferPointer { String(validating: $0, as: UTF8.self) != nil } }
}
