/// Reads YAML (and so JSON) text into values or nodes. Documents that hold nothing are left out.
package enum YAMLReader {
    /// Every document of a text with the places of all its values.
    package static func documents(
        _ text: String, file: String, limits: YAMLLimits = .default, schema: YAMLSchema = .kubernetes,
        duplicateKeys: DuplicateKeys = .error, rule: DocumentRule = .all
    ) throws(YAMLError) -> [Node] {
        try documents(bytes: Array(text.utf8), file: file, limits: limits, schema: schema, duplicateKeys: duplicateKeys, rule: rule)
    }

    package static func documents(
        bytes: [UInt8], file: String, limits: YAMLLimits = .default, schema: YAMLSchema = .kubernetes,
        duplicateKeys: DuplicateKeys = .error, rule: DocumentRule = .all
    ) throws(YAMLError) -> [Node] {
        try read(bytes, file, limits, schema, duplicateKeys, rule, keeping: { (tree: Node, _, _) in tree })
    }

    /// Every document of a text as a plain value: the fast way when places do not matter.
    package static func values(
        _ text: String, file: String, limits: YAMLLimits = .default, schema: YAMLSchema = .kubernetes,
        duplicateKeys: DuplicateKeys = .error, rule: DocumentRule = .all
    ) throws(YAMLError) -> [Value] {
        try values(bytes: Array(text.utf8), file: file, limits: limits, schema: schema, duplicateKeys: duplicateKeys, rule: rule)
    }

    package static func values(
        bytes: [UInt8], file: String, limits: YAMLLimits = .default, schema: YAMLSchema = .kubernetes,
        duplicateKeys: DuplicateKeys = .error, rule: DocumentRule = .all
    ) throws(YAMLError) -> [Value] {
        try read(bytes, file, limits, schema, duplicateKeys, rule, keeping: { (tree: Value, _, _) in tree })
    }

    /// A document as a plain value, and where it starts.
    package struct MarkedValue: Sendable {
        package var value: Value
        package var mark: Mark
        package var nulls: NullForms
    }

    package static func markedValues(
        bytes: [UInt8], file: String, limits: YAMLLimits = .default, schema: YAMLSchema = .kubernetes,
        duplicateKeys: DuplicateKeys = .error, rule: DocumentRule = .all
    ) throws(YAMLError) -> [MarkedValue] {
        try read(bytes, file, limits, schema, duplicateKeys, rule, keeping: { MarkedValue(value: $0, mark: $1, nulls: $2) })
    }

    private static func read<Tree: ComposedTree, Kept>(
        _ bytes: [UInt8], _ file: String, _ limits: YAMLLimits, _ schema: YAMLSchema, _ duplicateKeys: DuplicateKeys,
        _ rule: DocumentRule, keeping: (Tree, Mark, NullForms) -> Kept
    ) throws(YAMLError) -> [Kept] {
        guard bytes.count <= limits.bytes else {
            throw YAMLError(file: file, line: 1, column: 1, problem: "the text is larger than \(limits.bytes) bytes")
        }
        let result = bytes.withUnsafeBufferPointer { buffer -> Result<[Kept], YAMLError> in
            var kept: [Kept] = []
            do throws(YAMLError) {
                let parts = rule == .separated ? try DocumentParts(buffer, file: file) : DocumentParts(whole: buffer)
                var composer = Composer<Tree>(EventStream(buffer, file: file), limits: limits, schema: schema, duplicates: duplicateKeys)
                for part in parts.parts {
                    if part.bytes.count < buffer.count { composer.stream = EventStream(part.bytes, file: file, line: part.line) }
                    while let document = try composer.document() {
                        guard kept.count < limits.documents else {
                            throw composer.stream.error("more than \(limits.documents) documents")
                        }
                        kept.append(keeping(document.tree, document.mark, composer.nulls))
                        if rule == .first || parts.parts.count > 1 { break }
                    }
                }
            } catch {
                return .failure(error)
            }
            return .success(kept)
        }
        return try result.get()
    }
}
