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
    /// As yaml.v3, Go's reader, types what nothing is known of: only `true` and `false` are booleans, dates become RFC 3339 text.
    case untyped

    /// Whether kustomize's habits count beyond the types of scalars.
    var isKustomize: Bool {
        switch self {
        case .kubernetes, .untyped: false
        case .resource, .patch, .targetedPatch: true
        }
    }
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
