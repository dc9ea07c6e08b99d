import Diagnostics
import KubernetesModel
import YAML

/// One run of a build: what is shared by all kustomizations it visits.
final class BuildRun {
    let options: BuildOptions
    let kinds = KindTable()
    private let root: any FileTree
    /// What has been fetched; nil when nothing may be.
    let remotes: [RemoteCommit: any FileTree]?
    /// Branches and tags that have been looked up; nil for one that is not followed.
    let followed: [RemoteName: RemoteCommit?]
    /// What would have to be looked up, and where it is named.
    var missingNames: [RemoteName: SourceLocation] = [:]
    /// What would have to be fetched, and where it is named.
    var missingRemotes: [RemoteCommit: SourceLocation] = [:]
    var warnings = Diagnostics()
    var inputs: Set<String> = []
    private var kustomizationCount = 0
    private var fileCount = 0
    private var byteCount = 0
    private var resourceCount = 0
    private var hasSchema = false

    init(
        files: any FileTree, options: BuildOptions, remotes: [RemoteCommit: any FileTree]? = nil,
        followed: [RemoteName: RemoteCommit?] = [:]
    ) {
        root = files
        self.remotes = remotes
        self.followed = followed
        self.options = options
    }

    func result(_ directory: String) throws(Diagnostics) -> BuildResult {
        guard let path = Path.join("", directory) else { throw Diagnostics([Diagnostic(.error, "\"\(directory)\" lies outside the tree")]) }
        let place = try place(path)
        let file = try KustomizationFile.load(place, self, isTop: true)
        let origin = file.kustomization.buildMetadata.isEmpty ? nil : BuildOrigin()
        let layer = Layer(place: place, file: file, run: self, parents: [], origin: origin)
        let accumulator = Accumulator()
        try layer.accumulate(into: accumulator)
        try finish(accumulator, layer)
        return try output(accumulator.set, file.kustomization)
    }

    private func place(_ path: String) throws(Diagnostics) -> Place {
        let entry: TreeEntry?
        do throws(FileTreeError) { entry = try root.resolve(path) } catch {
            throw Diagnostics([Diagnostic(.error, "cannot open directory \"\(display(path))\"", cause: error.reason)])
        }
        guard let entry else { throw Diagnostics([Diagnostic(.error, "there is no directory \"\(display(path))\"")]) }
        guard entry.isDirectory else {
            throw Diagnostics([
                Diagnostic(
                    .error, "\"\(display(path))\" is not a directory",
                    remedy: "name the directory that it is in: \(display(Path.directory(of: path)))")
            ])
        }
        return Place(tree: root, directory: entry.path)
    }

    // MARK: The last steps

    /// What is done once, at the top: hashes, references, variables, dropping local configuration, order.
    private func finish(_ accumulator: Accumulator, _ layer: Layer) throws(Diagnostics) {
        let set = accumulator.set
        let top = SourceLocation(file: layer.file.display, line: 1)
        HashTransformer().transform(set, Report(step: "hash", location: top))
        let references = Report(step: "name references", location: top)
        var names = NameReferences(set, rules: accumulator.nameReferences)
        names.update(references)
        try references.diagnostics.throwIfErrors()
        if !accumulator.variables.isEmpty {
            let report = Report(step: "vars", location: top)
            let variables = Variables(accumulator.variables, in: set, report)
            variables.expand(in: set, specs: BuiltInFields.variableReferences + accumulator.config.variableReferences, report)
            try report.diagnostics.throwIfErrors()
        }
        set.removeAll { resource in
            resource.annotations["config.kubernetes.io/local-config"].map { $0.scalarText != "false" } ?? false
        }
        try set.refuseEqualIDs(at: top)
        try sort(set, layer)
    }

    private func sort(_ set: ResourceSet, _ layer: Layer) throws(Diagnostics) {
        if let sorting = layer.file.kustomization.sortOptions {
            let report = Report(step: "sortOptions", location: layer.file.location(sorting.mark))
            SortTransformer(options: sorting).transform(set, report)
            try report.diagnostics.throwIfErrors()
        } else if options.order == .legacy {
            set.reorder(SortOrder.legacy(set.all))
        }
    }

    private func output(_ set: ResourceSet, _ kustomization: Kustomization) throws(Diagnostics) -> BuildResult {
        var left = Resource.Count(values: .max, bytes: options.limits.totalBytes)
        for resource in set.all where resource.mayHaveGrown && !left.take(.object(resource.object)) {
            throw Diagnostics([
                Diagnostic(.error, "the build would write more than \(options.limits.totalBytes) bytes", at: resource.origin)
            ])
        }
        var result = BuildResult(manifests: [], provenance: [], warnings: warnings, inputs: inputs)
        result.manifests.reserveCapacity(set.count)
        result.provenance.reserveCapacity(set.count)
        let metadata = Set(kustomization.buildMetadata)
        var extraLabels = options.overlay?.commonLabels ?? []
        if metadata.contains("managedByLabel") { extraLabels.insert(("app.kubernetes.io/managed-by", "homelab"), at: 0) }
        let extraAnnotations = options.overlay?.commonAnnotations ?? []
        for resource in set.all {
            if resource.forms.hasFlowBlanks {
                let forms = resource.forms
                resource.change { forms.writeFlowBlanks(&$0) }
            }
            resource.setPairs("labels", extraLabels)
            resource.setPairs("annotations", extraAnnotations)
            resource.cleanAnnotations(
                origin: metadata.contains("originAnnotations"), transformations: metadata.contains("transformerAnnotations"))
            result.manifests.append(Manifest(.object(resource.object), origin: resource.origin))
            result.provenance.append(Provenance(origin: resource.origin, touches: resource.touches, isGenerated: resource.isGenerated))
        }
        return result
    }

    // MARK: Limits

    func countKustomization(at depth: Int) throws(Diagnostics) {
        kustomizationCount += 1
        if depth > options.limits.depth {
            throw Diagnostics([Diagnostic(.error, "kustomizations are nested deeper than \(options.limits.depth) levels")])
        }
        if kustomizationCount > options.limits.kustomizations {
            throw Diagnostics([Diagnostic(.error, "the build visits more than \(options.limits.kustomizations) kustomizations")])
        }
    }

    func countFile(_ bytes: Int) throws(FileTreeError) {
        fileCount += 1
        byteCount += bytes
        if fileCount > options.limits.files { throw FileTreeError("the build reads more than \(options.limits.files) files") }
        if byteCount > options.limits.totalBytes {
            throw FileTreeError("the build reads more than \(options.limits.totalBytes) bytes in all")
        }
    }

    func countResources(_ more: Int) throws(Diagnostics) {
        resourceCount += more
        if resourceCount > options.limits.resources {
            throw Diagnostics([Diagnostic(.error, "the build makes more than \(options.limits.resources) resources")])
        }
    }

    /// Uses the first `openapi` field met, the outermost first.
    func useSchema(of file: KustomizationFile, _ place: Place) throws(Diagnostics) {
        let kustomization = file.kustomization
        guard !hasSchema, kustomization.openAPIPath != nil || kustomization.openAPIVersion != nil else { return }
        hasSchema = true
        let findings = FileFindings(file: file.display)
        if let version = kustomization.openAPIVersion {
            if kustomization.openAPIPath != nil {
                findings.error("openapi takes a path or a version, not both", at: version.mark)
            } else if !["", "v1.21.2"].contains(version.value) {
                findings.error("openapi version \"\(version.value)\" is not built in; v1.21.2 is", at: version.mark)
            }
        } else if let path = kustomization.openAPIPath, let bytes = place.read(path, self, findings) {
            do throws(YAMLError) {
                let values = try YAMLReader.values(bytes: bytes, file: path.value, duplicateKeys: .lastWins, rule: .first)
                if let value = values.first { kinds.use(value) }
            } catch {
                findings.error("openapi: \(path.value) cannot be read", at: path.mark, cause: error.description)
            }
        }
        try findings.diagnostics.throwIfErrors()
    }

    func display(_ path: String, in place: Place) -> String {
        if let remote = place.remote { return "\(remote.repository)@\(remote.commit.prefix(12)):\(path)" }
        return display(path)
    }

    /// A path of the build's own tree, as messages name it.
    private func display(_ path: String) -> String {
        guard let base = options.displayBase else { return path.isEmpty ? "." : path }
        return Path.relative(path, from: base)
    }
}

extension Resource {
    private static let internalAnnotations: Set<String> = [
        "config.kubernetes.io/index", "config.kubernetes.io/path", "config.k8s.io/id", "internal.config.kubernetes.io/index",
        "internal.config.kubernetes.io/path", "internal.config.kubernetes.io/seqindent", "internal.config.kubernetes.io/id",
        "internal.config.kubernetes.io/annotations-migration-resource-id", "config.kubernetes.io/origin",
        "alpha.config.kubernetes.io/transformations", "internal.config.kubernetes.io/previousNames",
        "internal.config.kubernetes.io/previousKinds", "internal.config.kubernetes.io/previousNamespaces",
        "internal.config.kubernetes.io/prefixes", "internal.config.kubernetes.io/suffixes", "internal.config.kubernetes.io/refBy",
        "internal.config.kubernetes.io/allowNameChange", "internal.config.kubernetes.io/allowKindChange",
        "internal.config.kubernetes.io/generatorBehavior", "internal.config.kubernetes.io/needsHashSuffix",
    ]

    /// Sets labels or annotations on the object itself.
    func setPairs(_ field: String, _ pairs: [(key: String, value: String)]) {
        guard !pairs.isEmpty else { return }
        var object = object["metadata"]?[field]?.object ?? Object()
        for pair in pairs { object[pair.key] = .string(pair.value) }
        setMetadata(field, .object(object))
    }

    static let originAnnotation = "config.kubernetes.io/origin"
    static let transformationsAnnotation = "alpha.config.kubernetes.io/transformations"

    /// What is known of where it comes from and what changed it, as `buildMetadata` shows it.
    var originAnnotations: [(key: String, value: String)] {
        var pairs: [(key: String, value: String)] = []
        if !buildTransformations.isEmpty {
            pairs.append((Self.transformationsAnnotation, buildTransformations.map { "- " + $0.text(indent: "  ") }.joined()))
        }
        if let buildOrigin { pairs.append((Self.originAnnotation, buildOrigin.text())) }
        return pairs
    }

    /// Takes kustomize's working annotations off, adds those of `buildMetadata`, and makes every value text; no annotations are no field.
    func cleanAnnotations(origin: Bool, transformations: Bool) {
        var added: [Object.Member] = []
        for pair in originAnnotations where pair.key == Self.originAnnotation ? origin : transformations {
            added.append(Object.Member(key: pair.key, value: .string(pair.value)))
        }
        guard let old = object["metadata"]?["annotations"] else {
            if !added.isEmpty { setMetadata("annotations", .object(Object(added))) }
            return
        }
        let isClean = old.object.map { old in
            !old.isEmpty && old.allSatisfy { $0.value.string != nil && !Self.internalAnnotations.contains($0.key) }
        }
        if isClean == true, added.isEmpty { return }
        var members = (old.object ?? Object()).filter { !Self.internalAnnotations.contains($0.key) }.map {
            Object.Member(key: $0.key, value: .string(forms.text(of: $0.value, key: $0.key) ?? ""))
        }
        members += added
        setMetadata("annotations", members.isEmpty ? nil : .object(Object(members)))
    }
}
