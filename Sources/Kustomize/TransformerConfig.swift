import YAML

/// Which resources refer by name to resources of one type, and where.
struct NameReference {
    var target: TypeSelector
    var referrers: [FieldSpec]
}

/// Where transformers work: the built-in places and those a repository adds with `configurations` and `crds`.
struct TransformerConfig {
    var namePrefix: [FieldSpec]
    var nameSuffix: [FieldSpec]
    var namespace: [FieldSpec]
    var commonLabels: [FieldSpec]
    var labels: [FieldSpec] = []
    var templateLabels: [FieldSpec]
    var commonAnnotations: [FieldSpec]
    var images: [FieldSpec]
    var replicas: [FieldSpec]
    /// Beyond the built-in ones.
    var nameReferences: [NameReference] = []
    /// Beyond the built-in ones.
    var variableReferences: [FieldSpec] = []
    /// Whether it is no more than the built-in one, so that merging it can be left out.
    var isBuiltIn = true

    static let builtIn = TransformerConfig(
        namePrefix: [FieldSpec("metadata/name")], nameSuffix: [FieldSpec("metadata/name")], namespace: BuiltInFields.namespace,
        commonLabels: BuiltInFields.commonLabels, templateLabels: BuiltInFields.templateLabels,
        commonAnnotations: BuiltInFields.commonAnnotations, images: BuiltInFields.images, replicas: BuiltInFields.replicas)

    static let empty = TransformerConfig(
        namePrefix: [], nameSuffix: [], namespace: [], commonLabels: [], templateLabels: [], commonAnnotations: [], images: [],
        replicas: [])

    mutating func merge(_ other: TransformerConfig) throws(MergeFailure) {
        if other.isBuiltIn { return }
        isBuiltIn = false
        try namePrefix.merge(other.namePrefix)
        try nameSuffix.merge(other.nameSuffix)
        try namespace.merge(other.namespace)
        try commonLabels.merge(other.commonLabels)
        try labels.merge(other.labels)
        try templateLabels.merge(other.templateLabels)
        try commonAnnotations.merge(other.commonAnnotations)
        try images.merge(other.images)
        try replicas.merge(other.replicas)
        try variableReferences.merge(other.variableReferences)
        for reference in other.nameReferences { try merge(reference) }
        try settle(&namePrefix)
        try settle(&nameSuffix)
        try settle(&namespace)
        try settle(&commonLabels)
        try settle(&labels)
        try settle(&templateLabels)
        try settle(&commonAnnotations)
        try settle(&images)
        try settle(&replicas)
    }

    /// kustomize sorts its specs by type and merges them anew, whereby a spec for all kinds gives way to one for a certain kind
    /// with the same path.
    private func settle(_ specs: inout [FieldSpec]) throws(MergeFailure) {
        func key(_ spec: FieldSpec) -> String {
            func part(_ text: String, _ none: String) -> String { text.isEmpty ? none : text }
            return "\(part(spec.type.kind, "[noKind]")).\(part(spec.type.version, "[noVer]")).\(part(spec.type.group, "[noGrp]"))"
        }
        let sorted = specs.enumerated().sorted { a, b in
            let (x, y) = (key(a.element), key(b.element))
            return x == y ? a.offset < b.offset : x.utf8.lexicographicallyPrecedes(y.utf8)
        }
        specs = []
        for spec in sorted { try specs.merge(spec.element) }
    }

    mutating func merge(_ reference: NameReference) throws(MergeFailure) {
        if let index = nameReferences.firstIndex(where: { $0.target == reference.target }) {
            try nameReferences[index].referrers.merge(reference.referrers)
        } else {
            nameReferences.append(reference)
        }
    }
}

extension TransformerConfig {
    private static let names = [
        "namePrefix", "nameSuffix", "namespace", "commonLabels", "labels", "templateLabels", "commonAnnotations", "nameReference",
        "varReference", "images", "replicas",
    ]
    static let specNames = ["path", "group", "version", "kind", "create"]

    /// A file of `configurations`.
    init(_ node: Node, findings: FileFindings) {
        self = .empty
        let fields = Fields(node, names: Self.names, findings: findings)
        isBuiltIn = false
        namePrefix = Self.specs(fields, "namePrefix")
        nameSuffix = Self.specs(fields, "nameSuffix")
        namespace = Self.specs(fields, "namespace")
        commonLabels = Self.specs(fields, "commonLabels")
        labels = Self.specs(fields, "labels")
        templateLabels = Self.specs(fields, "templateLabels")
        commonAnnotations = Self.specs(fields, "commonAnnotations")
        images = Self.specs(fields, "images")
        replicas = Self.specs(fields, "replicas")
        variableReferences = Self.specs(fields, "varReference")
        nameReferences = fields.fieldsList("nameReference", ["group", "version", "kind", "fieldSpecs"]) { entry in
            NameReference(
                target: TypeSelector(group: entry.typePart("group"), version: entry.typePart("version"), kind: entry.typePart("kind")),
                referrers: Self.specs(entry, "fieldSpecs"))
        }
    }

    static func specs(_ fields: Fields, _ name: String) -> [FieldSpec] { fields.fieldsList(name, specNames) { spec($0) } }

    static func spec(_ entry: Fields) -> FieldSpec {
        FieldSpec(
            entry.string("path"), group: entry.typePart("group"), version: entry.typePart("version"), kind: entry.typePart("kind"),
            creates: entry.bool("create"))
    }
}
