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
        package var forms: WrittenForms
    }

    package static func markedValues(
        bytes: [UInt8], file: String, limits: YAMLLimits = .default, schema: YAMLSchema = .kubernetes,
        duplicateKeys: DuplicateKeys = .error, rule: DocumentRule = .all
    ) throws(YAMLError) -> [MarkedValue] {
        try read(bytes, file, limits, schema, duplicateKeys, rule, keeping: { MarkedValue(value: $0, mark: $1, forms: $2) })
    }

    private static func read<Tree: ComposedTree, Kept>(
        _ bytes: [UInt8], _ file: String, _ limits: YAMLLimits, _ schema: YAMLSchema, _ duplicateKeys: DuplicateKeys,
        _ rule: DocumentRule, keeping: (Tree, Mark, WrittenForms) -> Kept
    ) throws(YAMLError) -> [Kept] {
        do throws(YAMLError) {
            return try readAsIs(bytes, file, limits, schema, duplicateKeys, rule, keeping: keeping)
        } catch {
            guard error.all.contains(where: { $0.problem == FlowColons.problem }),
                let quoted = FlowColons.quoted(String(decoding: bytes, as: UTF8.self))
            else { throw error }
            return try readAsIs(Array(quoted.utf8), file, limits, schema, duplicateKeys, rule, keeping: keeping)
        }
    }

    private static func readAsIs<Tree: ComposedTree, Kept>(
        _ bytes: [UInt8], _ file: String, _ limits: YAMLLimits, _ schema: YAMLSchema, _ duplicateKeys: DuplicateKeys,
        _ rule: DocumentRule, keeping: (Tree, Mark, WrittenForms) -> Kept
    ) throws(YAMLError) -> [Kept] {
        guard bytes.count <= limits.bytes else {
            throw YAMLError(file: file, line: 1, column: 1, problem: "the text is larger than \(limits.bytes) bytes")
        }
        let result = bytes.withUnsafeBufferPointer { text -> Result<[Kept], YAMLError> in
            func read(_ parts: [DocumentParts.Part], onlyFirst: Bool) throws(YAMLError) -> [Kept] {
                var kept: [Kept] = []
                var composer = Composer<Tree>(limits: limits, schema: schema, duplicates: duplicateKeys)
                do throws(YAMLError) {
                    for part in parts {
                        let stream = EventStream(part.bytes, file: file, line: part.line, scans: !Tree.keepsPlaces)
                        while let document = try composer.document(of: stream) {
                            guard kept.count < limits.documents else { throw stream.error("more than \(limits.documents) documents") }
                            kept.append(keeping(document.tree, document.mark, composer.forms))
                            if onlyFirst { break }
                        }
                    }
                } catch {
                    throw YAMLError(composer.repeatedKeys + [error]) ?? error
                }
                if let repeated = YAMLError(composer.repeatedKeys) { throw repeated }
                return kept
            }
            return Result { () throws(YAMLError) in
                let whole = [DocumentParts.Part(bytes: text, line: 0)]
                guard rule == .separated else { return try read(whole, onlyFirst: rule == .first) }
                let parts = try DocumentParts(text, file: file)
                do throws(YAMLError) {
                    // The fast way: where nothing is wrong and no part ends early, YAML's own rules part the text in the same way.
                    if !parts.hasEndMarks { return try read(whole, onlyFirst: false) }
                } catch {
                    // What stands behind a part's first document is not looked at.
                }
                return try read(parts.all, onlyFirst: true)
            }
        }
        return try result.get()
    }
}
