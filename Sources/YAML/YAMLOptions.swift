/// Bounds on what one text may cost, so that a hostile file (alias bombs, endless nesting) ends in a clear error.
package struct YAMLLimits: Hashable, Sendable {
    /// Bytes of the text.
    package var bytes: Int
    /// Collections within collections.
    package var depth: Int
    /// Scalars and collections over all documents, each alias counted as everything it stands for.
    package var nodes: Int
    /// Bytes of all scalars, those behind aliases counted at every use.
    package var scalarBytes: Int
    package var documents: Int

    package init(
        bytes: Int = 64 << 20, depth: Int = 100, nodes: Int = 4_000_000, scalarBytes: Int = 256 << 20, documents: Int = 100_000
    ) {
        self.bytes = bytes
        self.depth = depth
        self.nodes = nodes
        self.scalarBytes = scalarBytes
        self.documents = documents
    }

    package static let `default` = YAMLLimits()
}

/// How plain scalars get their types.
package enum YAMLSchema: Hashable, Sendable {
    /// As Kubernetes' API machinery reads YAML: `yes`, `on` and `y` are booleans, dates stay text.
    case kubernetes
    /// As kustomize reads resources: only `true` and `false` are booleans, dates become RFC 3339 text, and the values of
    /// `metadata.annotations` are text as written.
    case resource
    /// As kustomize reads patches: as resources, but a null among the annotations deletes.
    case patch
    /// As kustomize reads patches for whatever a target selects: all that stands in `metadata.labels` and
    /// `metadata.annotations` is text, nulls too.
    case targetedPatch
}

/// What a key that a mapping holds twice means.
package enum DuplicateKeys: Hashable, Sendable {
    case error
    case firstWins
    case lastWins
}

/// Which documents of a text are read.
package enum DocumentRule: Hashable, Sendable {
    case all
    /// Only the first that holds something; what is behind it is not even looked at.
    case first
    /// As kustomize parts files: at lines that start with `---`, which hold nothing else but a comment; of each part the first.
    case separated
}

/// How a document writes its nulls: `key:` with nothing behind it, or `null` and `~`. kustomize drops the former when it patches.
package struct NullForms: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let blank = NullForms(rawValue: 1)
    package static let written = NullForms(rawValue: 2)
}

/// What of the way that a document's scalars are written makes a difference when kustomize patches it.
package struct WrittenForms: Hashable, Sendable {
    package var nulls = NullForms()
    /// Of texts that stand in quotes or blocks, by a hash of each with its key.
    private var quoted: [UInt64] = []
    /// Numbers and booleans as they are written in a patch, by the text that they print as, where the two differ.
    package private(set) var originals: [String: String] = [:]

    package init() {}

    /// Whether a key's text stands in quotes: because it would be no text without them, or as the document has it.
    package func isQuoted(_ text: String, of key: String) -> Bool {
        if Value(plain: text, schema: .resource).string == nil { return true }
        var text = text
        return text.withUTF8 { quoted.contains(Self.hash($0, of: key)) }
    }

    /// Takes over the quotes of what was merged in.
    package mutating func merge(_ other: WrittenForms) { quoted += other.quoted }

    package mutating func dropQuotes() { quoted = [] }

    mutating func noteQuoted(_ text: UnsafeBufferPointer<UInt8>, of key: String) { quoted.append(Self.hash(text, of: key)) }

    mutating func note(_ value: Value, written text: UnsafeBufferPointer<UInt8>) {
        guard let printed = value.scalarText, !printed.utf8.elementsEqual(text) else { return }
        originals[printed] = String(decoding: text, as: UTF8.self)
    }

    /// FNV-1a over the key, the start of the text and its length: texts that differ only far behind may be taken for the same.
    private static func hash(_ text: UnsafeBufferPointer<UInt8>, of key: String) -> UInt64 {
        func add(_ sum: UInt64, _ byte: UInt8) -> UInt64 { (sum ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return text.prefix(64).reduce(key.utf8.reduce(0xCBF2_9CE4_8422_2325 ^ UInt64(text.count), add), add)
    }
}
