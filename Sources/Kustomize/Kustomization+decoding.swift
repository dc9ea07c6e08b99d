import Diagnostics
import YAML

extension Kustomization {
    static let fileNames = ["kustomization.yaml", "kustomization.yml", "Kustomization"]

    private static let names = [
        "apiVersion", "kind", "metadata", "openapi", "namePrefix", "nameSuffix", "namespace", "commonLabels", "labels",
        "commonAnnotations", "patchesStrategicMerge", "patchesJson6902", "patches", "images", "imageTags", "replacements", "replicas",
        "vars", "sortOptions", "resources", "components", "crds", "bases", "configMapGenerator", "secretGenerator", "helmGlobals",
        "helmCharts", "helmChartInflationGenerator", "generatorOptions", "configurations", "generators", "transformers", "validators",
        "buildMetadata",
    ]

    /// Reads a kustomization file; what is wrong with it goes to `findings`.
    init(_ node: Node, findings: FileFindings) {
        let fields = Fields(node, names: Self.names, findings: findings)
        readKind(fields)
        readTransformations(fields)
        readSources(fields)
        for name in Self.names where fields.has(name) { marks[name] = fields.mark(of: name) }
        if fields.isEmpty(but: ["apiVersion", "kind"]), findings.diagnostics.isEmpty {
            findings.error("the kustomization is empty", at: node.mark, remedy: "list what it is made of under \"resources\"")
        }
    }

    private mutating func readKind(_ fields: Fields) {
        let text = fields.string("kind")
        if !text.isEmpty {
            if let known = Kind(rawValue: text) {
                kind = known
            } else {
                fields.findings.error("kind must be Kustomization or Component, not \"\(text)\"", at: fields.mark(of: "kind"))
            }
        }
        let version = kind == .component ? "kustomize.config.k8s.io/v1alpha1" : "kustomize.config.k8s.io/v1beta1"
        let given = fields.string("apiVersion")
        if !given.isEmpty, given != version {
            fields.findings.error(
                "apiVersion of a \(kind.rawValue) must be \(version), not \"\(given)\"", at: fields.mark(of: "apiVersion"))
        }
        _ = fields.fields("metadata", ["name", "namespace", "labels", "annotations"])
    }

    private mutating func readTransformations(_ fields: Fields) {
        namePrefix = fields.string("namePrefix")
        nameSuffix = fields.string("nameSuffix")
        namespace = fields.string("namespace")
        commonLabels = fields.pairs("commonLabels")
        labels = fields.fieldsList("labels", LabelEntry.names) { LabelEntry($0) }
        commonAnnotations = fields.pairs("commonAnnotations")
        patchesStrategicMerge = fields.strings("patchesStrategicMerge")
        patchesJSON6902 = fields.fieldsList("patchesJson6902", PatchEntry.names) { PatchEntry($0) }
        patches = fields.fieldsList("patches", PatchEntry.names) { PatchEntry($0) }
        images = ["images", "imageTags"].flatMap { fields.fieldsList($0, ImageEntry.names) { ImageEntry($0) } }
        replicas = fields.fieldsList("replicas", ["name", "count"]) { ReplicaEntry($0) }
        replacements = fields.fieldsList("replacements", ReplacementEntry.names) { ReplacementEntry($0) }
        variables = fields.fieldsList("vars", ["name", "objref", "fieldref"]) { VariableEntry($0) }
        sortOptions = fields.fields("sortOptions", ["order", "legacySortOptions"]).map { SortOptions($0) }
        buildMetadata = fields.strings("buildMetadata").map(\.value)
    }

    private mutating func readSources(_ fields: Fields) {
        resources = fields.strings("resources") + fields.strings("bases")
        components = fields.strings("components")
        crds = fields.strings("crds")
        configMapGenerators = fields.fieldsList("configMapGenerator", GeneratorEntry.names) { GeneratorEntry($0) }
        secretGenerators = fields.fieldsList("secretGenerator", GeneratorEntry.names + ["type"]) { GeneratorEntry($0) }
        generatorOptions = fields.fields("generatorOptions", GeneratorOptions.names).map { GeneratorOptions($0) }
        configurations = fields.strings("configurations")
        generators = fields.strings("generators")
        transformers = fields.strings("transformers")
        validators = fields.strings("validators")
        for pair in fields.pairs("openapi") {
            let value = Located(value: pair.value, mark: fields.mark(of: "openapi"))
            if pair.key == "path" { openAPIPath = value } else if pair.key == "version" { openAPIVersion = value }
        }
        for field in ["helmCharts", "helmChartInflationGenerator"] where fields.node(field)?.sequence?.isEmpty == false {
            fields.findings.error(
                "\(field) would run the helm program, which homelab never does", at: fields.mark(of: field),
                remedy: "use a HelmChart object of k3s, or render the chart with `helm template` and list the result under \"resources\"")
        }
    }
}

extension LabelEntry {
    static let names = ["pairs", "includeSelectors", "includeTemplates", "includeVolumeClaimTemplates", "fields"]

    init(_ fields: Fields) {
        pairs = fields.pairs("pairs")
        includeSelectors = fields.bool("includeSelectors")
        includeTemplates = fields.bool("includeTemplates")
        includeVolumeClaimTemplates = fields.bool("includeVolumeClaimTemplates")
        self.fields = TransformerConfig.specs(fields, "fields")
        mark = fields.mark
    }
}

extension PatchEntry {
    static let names = ["path", "patch", "target", "options"]

    init(_ fields: Fields) {
        path = fields.string("path")
        patch = fields.string("patch")
        target = fields.fields("target", Selector.names).map { Selector($0) }
        options = fields.flags("options")
        mark = fields.mark
        linesBefore = fields.node("patch")?.linesBeforeText ?? mark.line
    }
}

extension ImageEntry {
    static let names = ["name", "newName", "tagSuffix", "newTag", "digest"]

    init(_ fields: Fields) {
        name = fields.string("name")
        newName = fields.string("newName")
        newTag = fields.string("newTag")
        digest = fields.string("digest")
        tagSuffix = fields.string("tagSuffix")
        mark = fields.mark
    }
}

extension ReplicaEntry {
    init(_ fields: Fields) {
        name = fields.string("name")
        count = fields.int("count") ?? 0
        mark = fields.mark
    }
}

extension ReplacementEntry {
    static let names = ["path", "source", "sourceValue", "targets"]
    private static let optionNames = ["delimiter", "index", "encoding", "create"]

    init(_ fields: Fields) {
        path = fields.string("path")
        mark = fields.mark
        source = fields.fields("source", Selector.names + ["fieldPath", "options"]).map {
            Source(selector: Selector($0), fieldPath: $0.string("fieldPath"), options: Self.options($0))
        }
        sourceValue = fields.has("sourceValue") ? fields.string("sourceValue") : nil
        guard fields.has("targets") else { return }
        targets = fields.fieldsList("targets", ["select", "reject", "fieldPaths", "options"]) { target in
            Target(
                select: target.fields("select", Selector.names).map { Selector($0) },
                reject: target.fieldsList("reject", Selector.names) { Selector($0) },
                fieldPaths: target.strings("fieldPaths").map(\.value), options: Self.options(target))
        }
    }

    private static func options(_ fields: Fields) -> Options {
        guard let options = fields.fields("options", optionNames) else { return Options() }
        return Options(delimiter: options.string("delimiter"), index: options.int("index") ?? 0, create: options.bool("create"))
    }
}

extension VariableEntry {
    init(_ fields: Fields) {
        name = fields.string("name")
        mark = fields.mark
        if let object = fields.fields("objref", ["apiVersion", "group", "version", "kind", "name", "namespace"]) {
            let apiVersion = object.string("apiVersion")
            type = TypeSelector(group: object.string("group"), version: object.string("version"), kind: object.string("kind"))
            if !apiVersion.isEmpty {
                let parts = apiVersion.split(separator: "/", maxSplits: 1).map(String.init)
                type.group = parts.count == 2 ? parts[0] : ""
                type.version = parts.last ?? ""
            }
            objectName = object.string("name")
            objectNamespace = object.string("namespace")
        }
        if let field = fields.fields("fieldref", ["fieldPath"])?.string("fieldPath"), !field.isEmpty { fieldPath = field }
    }
}

extension SortOptions {
    init(_ fields: Fields) {
        order = fields.string("order")
        mark = fields.mark
        if let legacy = fields.fields("legacySortOptions", ["orderFirst", "orderLast"]) {
            first = legacy.strings("orderFirst").map(\.value)
            last = legacy.strings("orderLast").map(\.value)
        }
    }
}

extension GeneratorOptions {
    static let names = ["labels", "annotations", "disableNameSuffixHash", "immutable"]

    init(_ fields: Fields) {
        labels = fields.pairs("labels")
        annotations = fields.pairs("annotations")
        disableNameSuffixHash = fields.bool("disableNameSuffixHash")
        immutable = fields.bool("immutable")
    }
}

extension GeneratorEntry {
    static let names = ["name", "namespace", "behavior", "literals", "files", "envs", "env", "options"]

    init(_ fields: Fields) {
        name = fields.string("name")
        namespace = fields.string("namespace")
        behavior = fields.string("behavior")
        type = fields.string("type")
        literals = fields.strings("literals")
        files = fields.strings("files")
        envs = fields.strings("envs")
        let single = fields.string("env")
        if !single.isEmpty { envs.append(Located(value: single, mark: fields.mark(of: "env"))) }
        options = fields.fields("options", GeneratorOptions.names).map { GeneratorOptions($0) }
        mark = fields.mark
    }

    /// With the options that hold for all generators of a kustomization: own labels and annotations win, flags add up.
    func adding(_ shared: GeneratorOptions?) -> GeneratorEntry {
        guard let shared else { return self }
        var entry = self
        guard var own = options else {
            entry.options = shared
            return entry
        }
        func merged(_ own: [(key: String, value: String)], _ shared: [(key: String, value: String)]) -> [(key: String, value: String)] {
            own + shared.filter { pair in !own.contains { $0.key == pair.key } }
        }
        own.labels = merged(own.labels, shared.labels)
        own.annotations = merged(own.annotations, shared.annotations)
        own.disableNameSuffixHash = own.disableNameSuffixHash || shared.disableNameSuffixHash
        own.immutable = own.immutable || shared.immutable
        entry.options = own
        return entry
    }
}
