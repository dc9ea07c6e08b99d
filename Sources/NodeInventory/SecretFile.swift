package import Diagnostics
import YAML

/// A file with a secret that an inventory names, and where it does.
package struct SecretFile: Hashable, Sendable {
    /// As it is written: from the inventory's directory, `~` for the operator's home.
    package let path: String
    /// `nodes[0].password`
    package let field: String
    package let location: SourceLocation
}

extension Located {
    /// The files that are named in the fields of a schema that take a secret, in the order of the text.
    func secretFiles(_ schema: ObjectSchema, below path: String = "") -> [SecretFile] {
        entries.flatMap { key, _, value -> [SecretFile] in
            let path = path.isEmpty ? key : path + "." + key
            return schema.field(named: key).map { value.secretFiles($0.type, at: path) } ?? []
        }
    }

    private func secretFiles(_ type: FieldType, at path: String) -> [SecretFile] {
        switch type {
        // Read like a secret, and what vouches for a host is none.
        case .secret where path == "repository.ca": []
        case .secret: secretFile(at: path).map { [$0] } ?? []
        case .object(let schema): secretFiles(schema, below: path)
        case .textOr(let other): secretFiles(other, at: path)
        case .oneOrMore(let item) where node.sequence == nil: secretFiles(item, at: path)
        case .list(let item), .oneOrMore(let item):
            (node.sequence ?? []).enumerated().flatMap { Located(node: $1, file: file).secretFiles(item, at: "\(path)[\($0)]") }
        case .map(let item): entries.flatMap { $0.value.secretFiles(item, at: "\(path).\($0.key)") }
        case .anything where path == "k3s.registries": references(at: path)
        case .anything, .text, .integer, .boolean, .choice: []
        }
    }

    /// Wherever one may be, as ``Registries`` has it.
    private func references(at path: String) -> [SecretFile] {
        if let found = secretFile(at: path) { return [found] }
        return entries.flatMap { $0.value.references(at: "\(path).\($0.key)") }
    }

    private func secretFile(at path: String) -> SecretFile? {
        guard node.mapping?.count == 1, let name = text("file") else { return nil }
        return SecretFile(path: name, field: path, location: location)
    }
}
