import Glibc
import YAML

/// Schemas that a file gives in comments behind its fields, `containers: # {"x-kubernetes-patch-merge-key":"name", …}`, as
/// kustomize reads them.
struct CommentSchemas {
    private var byLine: [Int: Value] = [:]
    private static let sign = Array("x-kubernetes-".utf8)

    /// nil for the usual text, that has no such comment.
    init?(_ bytes: [UInt8]) {
        guard Self.contains(bytes[...], Self.sign) else { return nil }
        for (index, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            guard let hash = line.firstIndex(of: UInt8(ascii: "#")), Self.contains(line[hash...], Self.sign),
                let open = line[hash...].firstIndex(of: UInt8(ascii: "{")),
                let value = try? YAMLReader.values(bytes: Array(line[open...]), file: "", rule: .first).first
            else { continue }
            byLine[index + 1] = value
        }
        if byLine.isEmpty { return nil }
    }

    private static func contains(_ bytes: ArraySlice<UInt8>, _ sign: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while rest.count >= sign.count, let base = UnsafeRawBufferPointer(rebasing: rest).baseAddress,
                let found = memchr(base, Int32(sign[0]), rest.count)
            {
                rest = rest.dropFirst(UnsafeRawPointer(found) - base)
                if rest.starts(with: sign) { return true }
                rest = rest.dropFirst()
            }
            return false
        }
    }

    /// The schema of a document, as far as comments give one.
    func schema(of node: Node) -> MergeSchema? {
        switch node.content {
        case .scalar: return nil
        case .sequence(let items):
            let elements = items.compactMap { schema(of: $0) }
            guard let first = elements.first else { return nil }
            return MergeSchema(listMergedBy: nil, of: elements.dropFirst().reduce(first) { $0.overlaid(by: $1) })
        case .mapping(let entries):
            var fields: [String: MergeSchema] = [:]
            for entry in entries {
                let inner = schema(of: entry.value)
                guard let given = byLine[entry.key.mark.line].flatMap({ OpenAPIDocument.schema(ofField: $0) }) else {
                    fields[entry.keyText] = inner
                    continue
                }
                fields[entry.keyText] = inner.map { given.overlaid(by: $0) } ?? given
            }
            return fields.isEmpty ? nil : MergeSchema(fields: fields)
        }
    }
}
