import Diagnostics
import YAML

extension Layer {
    /// A transformer and where it was asked for.
    private struct Step {
        var transformer: any Transformer
        var report: Report
        var origin: BuildOrigin?
    }

    func transform(_ accumulator: Accumulator) throws(Diagnostics) {
        let config = accumulator.config
        let findings = FileFindings(file: file.display)
        var steps = patchSteps(findings)
        steps += nameSteps(config) + metadataSteps(config)
        steps += kustomization.patchesJSON6902.enumerated().compactMap { json6902Step($1, "patchesJson6902[\($0)]", findings) }
        steps += kustomization.replicas.enumerated().map {
            step(ReplicaTransformer(entry: $1, specs: config.replicas), "replicas[\($0)]", $1.mark)
        }
        steps += kustomization.images.enumerated().map { step(ImageTransformer(image: $1, specs: config.images), "images[\($0)]", $1.mark) }
        if !kustomization.replacements.isEmpty {
            let entries = replacements(kustomization.replacements, findings)
            steps.append(step(ReplacementTransformer(entries: entries), "replacements", kustomization.marks["replacements"] ?? .start))
        }
        try findings.diagnostics.throwIfErrors()
        steps += try pluginSteps(kustomization.transformers)
        try run(steps, on: accumulator.set)
    }

    /// Runs the steps; the first with failures is the last, since what follows would only trip over them.
    private func run(_ steps: [Step], on set: ResourceSet) throws(Diagnostics) {
        for step in steps {
            step.transformer.transform(set, step.report)
            try step.report.diagnostics.throwIfErrors()
            if let origin = step.origin {
                for resource in set.all where !resource.isEmpty {
                    if resource.buildOrigin == nil { resource.buildOrigin = origin } else { resource.buildTransformations.append(origin) }
                }
            }
            set.dropEmpty()
        }
    }

    /// Validators are transformers that may change nothing but the label that says who validated.
    func validate(_ accumulator: Accumulator) throws(Diagnostics) {
        guard !kustomization.validators.isEmpty else { return }
        for step in try pluginSteps(kustomization.validators) {
            let before = Dictionary(accumulator.set.all.map { ($0.id, (object: $0.object, history: $0.historyCount)) }) { $1 }
            step.transformer.transform(accumulator.set, step.report)
            try step.report.diagnostics.throwIfErrors()
            for resource in accumulator.set.all {
                let old = before[resource.id]
                let isSame = old.map { Self.unvalidated($0.object) == Self.unvalidated(resource.object) }
                if isSame == true, old?.history == resource.historyCount { continue }
                step.report.add("a validator may not change resources, nor name any anew", resource)
            }
            try step.report.diagnostics.throwIfErrors()
        }
    }

    private static func unvalidated(_ object: Object) -> Value {
        let label = "validated-by"
        guard var labels = object["metadata"]?["labels"], labels[label] != nil else { return .object(object) }
        labels[label] = nil
        var object = object
        object["metadata"]?["labels"] = labels.object?.isEmpty == true ? Value?.none : labels
        return .object(object)
    }

    private func step(_ transformer: some Transformer, _ name: String, _ mark: Mark, builtIn: Bool = true) -> Step {
        let origin = origin.map { origin in
            var made = BuildOrigin()
            made.configuredIn = Path.clean(origin.path.isEmpty ? file.name : origin.path + "/" + file.name)
            made.configuredBy = ("builtin", transformer.kind, "", "")
            return made
        }
        return Step(transformer: transformer, report: Report(step: name, location: location(mark)), origin: origin)
    }

    // MARK: Fields of the kustomization

    private func nameSteps(_ config: TransformerConfig) -> [Step] {
        var steps: [Step] = []
        func mark(_ field: String) -> Mark { kustomization.marks[field] ?? .start }
        if !kustomization.namespace.isEmpty {
            steps.append(
                step(NamespaceTransformer(namespace: kustomization.namespace, specs: config.namespace), "namespace", mark("namespace")))
        }
        if !kustomization.namePrefix.isEmpty {
            steps.append(
                step(NameAffixTransformer(prefix: kustomization.namePrefix, specs: config.namePrefix), "namePrefix", mark("namePrefix")))
        }
        if !kustomization.nameSuffix.isEmpty {
            steps.append(
                step(NameAffixTransformer(suffix: kustomization.nameSuffix, specs: config.nameSuffix), "nameSuffix", mark("nameSuffix")))
        }
        return steps
    }

    private func metadataSteps(_ config: TransformerConfig) -> [Step] {
        var steps: [Step] = []
        func mark(_ field: String) -> Mark { kustomization.marks[field] ?? .start }
        for (index, entry) in kustomization.labels.enumerated() {
            let report = Report(step: "labels[\(index)]", location: location(entry.mark))
            do throws(MergeFailure) {
                let specs = try specs(for: entry, config)
                steps.append(
                    step(PairsTransformer(kind: "LabelTransformer", pairs: entry.pairs, specs: specs), "labels[\(index)]", entry.mark))
            } catch {
                report.add(error.problem)
                steps.append(Step(transformer: PairsTransformer(kind: "", pairs: [], specs: []), report: report))
            }
        }
        if !kustomization.commonLabels.isEmpty || !kustomization.labels.isEmpty {
            let labels = PairsTransformer(kind: "LabelTransformer", pairs: kustomization.commonLabels, specs: config.commonLabels)
            steps.append(step(labels, "commonLabels", mark("commonLabels")))
        }
        if !kustomization.commonAnnotations.isEmpty {
            let annotations = PairsTransformer(
                kind: "AnnotationsTransformer", pairs: kustomization.commonAnnotations, specs: config.commonAnnotations)
            steps.append(step(annotations, "commonAnnotations", mark("commonAnnotations")))
        }
        return steps
    }

    private func specs(for entry: LabelEntry, _ config: TransformerConfig) throws(MergeFailure) -> [FieldSpec] {
        var specs = entry.fields
        try specs.merge(config.labels)
        if entry.includeSelectors {
            try specs.merge(config.commonLabels)
            return specs
        }
        if entry.includeTemplates { try specs.merge(config.templateLabels) }
        if entry.includeVolumeClaimTemplates {
            try specs.merge(FieldSpec("spec/volumeClaimTemplates[]/metadata/labels", group: "apps", kind: "StatefulSet", creates: true))
        }
        try specs.merge(FieldSpec("metadata/labels", creates: true))
        return specs
    }

    // MARK: Patches

    private func patchSteps(_ findings: FileFindings) -> [Step] {
        var steps: [Step] = []
        if !kustomization.patchesStrategicMerge.isEmpty {
            var patches: [Resource] = []
            for entry in kustomization.patchesStrategicMerge { patches += strategicMergePatches(entry, findings) }
            let transformer = PatchTransformer(content: .strategicMerge(patches), target: nil, kind: "PatchStrategicMergeTransformer")
            steps.append(step(transformer, "patchesStrategicMerge", kustomization.marks["patchesStrategicMerge"] ?? .start))
        }
        for (index, entry) in kustomization.patches.enumerated() {
            guard let transformer = patch(entry, findings) else { continue }
            steps.append(step(transformer, "patches[\(index)]", entry.mark))
        }
        return steps
    }

    /// An entry that reads as objects is the patch itself, any other the path of a file of patches.
    private func strategicMergePatches(_ entry: Located<String>, _ findings: FileFindings) -> [Resource] {
        let inline = try? ResourceReader(run: run, display: file.display, offset: entry.mark.line, isPatch: true, isTargeted: true)
            .resources(Array(entry.value.utf8))
        if let inline, !inline.isEmpty { return inline }
        guard inline == nil, !entry.value.contains("\n") else {
            findings.error("the patch is empty or no object", at: entry.mark)
            return []
        }
        guard let bytes = place.read(entry, run, findings) else { return [] }
        do throws(Diagnostics) {
            let patches = try ResourceReader(run: run, display: display(entry.value), isPatch: true, isTargeted: true).resources(bytes)
            if patches.isEmpty { findings.error("\"\(entry.value)\" holds no patch", at: entry.mark) }
            return patches
        } catch {
            findings.diagnostics.append(contentsOf: error)
            return []
        }
    }

    private func display(_ path: String) -> String {
        Path.join(place.directory, path).map { run.display($0, in: place) } ?? path
    }

    /// An entry of `patches`: what reads as objects is a strategic merge, what reads as a list of operations a JSON patch.
    private func patch(_ entry: PatchEntry, _ findings: FileFindings) -> PatchTransformer? {
        guard let (bytes, display, offset) = text(entry.path, entry.patch, entry.mark, "patch", findings) else { return nil }
        let strategic: Result<[Resource], Diagnostics> = Result { () throws(Diagnostics) in
            try ResourceReader(run: run, display: display, offset: offset, isPatch: true, isTargeted: entry.target != nil).resources(bytes)
        }
        if case .success(let patches) = strategic {
            // An empty file, or one of comments only, changes nothing.
            if patches.isEmpty { return nil }
            for patch in patches {
                patch.allowsNameChange = entry.options["allowNameChange"] == true
                patch.allowsKindChange = entry.options["allowKindChange"] == true
            }
            return PatchTransformer(content: .strategicMerge(patches), target: entry.target)
        }
        do throws(MergeFailure) {
            return PatchTransformer(content: .json(try jsonPatch(bytes, display)), target: entry.target)
        } catch {
            // A list is meant as a JSON patch, anything else as an object.
            let isList = bytes.first { ![0x20, 0x0A, 0x0D, 0x09].contains($0) }.map { $0 == UInt8(ascii: "[") || $0 == UInt8(ascii: "-") }
            if isList == true {
                findings.error("the patch cannot be read", at: entry.mark, cause: error.problem)
            } else if case .failure(let failure) = strategic {
                findings.diagnostics.append(contentsOf: failure)
            }
            return nil
        }
    }

    /// The text of a patch given inline or by path, exactly one of them.
    private func text(
        _ path: String, _ inline: String, _ mark: Mark, _ field: String, _ findings: FileFindings
    ) -> (bytes: [UInt8], display: String, offset: Int)? {
        // kustomize takes blanks off both ends, and so a last line's end off a block of text.
        let start = inline.firstIndex { !$0.isWhitespace } ?? inline.endIndex
        let end = inline.lastIndex { !$0.isWhitespace }.map(inline.index(after:)) ?? start
        let trimmed = Array(inline[start..<end].utf8)
        let skipped = inline[..<start].utf8.count { $0 == UInt8(ascii: "\n") }
        let isBlank = trimmed.isEmpty
        switch (path.isEmpty, isBlank) {
        case (true, true): findings.error("one of path and \(field) is needed", at: mark)
        case (false, false): findings.error("path and \(field) cannot both be set", at: mark)
        case (true, false): return (trimmed, file.display, mark.line + skipped)
        case (false, true):
            guard let bytes = place.read(Located(value: path, mark: mark), run, findings) else { return nil }
            return (bytes, display(path), 0)
        }
        return nil
    }

    /// Text that starts with a bracket is JSON, any other YAML, typed as Kubernetes does.
    private func jsonPatch(_ bytes: [UInt8], _ display: String) throws(MergeFailure) -> JSONPatch {
        let value: Value
        if bytes.first == UInt8(ascii: "[") {
            do throws(JSONError) { value = try JSONReader.value(bytes) } catch { throw MergeFailure(problem: error.description) }
        } else {
            do throws(YAMLError) {
                value = try YAMLReader.values(bytes: bytes, file: display, duplicateKeys: .lastWins, rule: .first).first ?? .null
            } catch {
                throw MergeFailure(problem: error.description)
            }
        }
        return try JSONPatch(value)
    }

    private func json6902Step(_ entry: PatchEntry, _ name: String, _ findings: FileFindings) -> Step? {
        json6902(path: entry.path, operations: entry.patch, target: entry.target, entry.mark, findings).map { step($0, name, entry.mark) }
    }

    private func json6902(
        path: String, operations: String, target: Selector?, _ mark: Mark, _ findings: FileFindings
    ) -> PatchTransformer? {
        if target?.name.isEmpty != false { findings.error("a JSON patch here needs a target with a name", at: mark) }
        guard let (bytes, display, _) = text(path, operations, mark, "patch", findings) else { return nil }
        do throws(MergeFailure) {
            let patch = try jsonPatch(Array(bytes.drop { [0x20, 0x0A, 0x0D, 0x09].contains($0) }), display)
            if patch.operations.isEmpty { throw MergeFailure(problem: "it has no operations") }
            return PatchTransformer(content: .json(patch), target: target, kind: "PatchJson6902Transformer")
        } catch {
            findings.error("the JSON patch cannot be read", at: mark, cause: error.problem)
            return nil
        }
    }

    // MARK: Replacements

    /// Replacements given by path are read in.
    private func replacements(_ entries: [ReplacementEntry], _ findings: FileFindings) -> [ReplacementEntry] {
        entries.flatMap { entry -> [ReplacementEntry] in
            guard !entry.path.isEmpty else { return [entry] }
            if entry.source != nil || entry.targets != nil {
                findings.error("a replacement has either a path or a source and targets", at: entry.mark)
                return []
            }
            guard let bytes = place.read(Located(value: entry.path, mark: entry.mark), run, findings) else { return [] }
            let inner = FileFindings(file: display(entry.path), isStrict: false)
            do throws(YAMLError) {
                let nodes = try YAMLReader.documents(bytes: bytes, file: inner.file, duplicateKeys: .lastWins, rule: .first)
                let read = (nodes.first.map { $0.sequence ?? [$0] } ?? []).map {
                    ReplacementEntry(Fields($0, names: ReplacementEntry.names, findings: inner))
                }
                findings.diagnostics.append(contentsOf: inner.diagnostics)
                return read
            } catch {
                findings.diagnostics.append(Diagnostic(error))
                return []
            }
        }
    }

    // MARK: Transformers given as objects

    private func pluginSteps(_ entries: [Located<String>]) throws(Diagnostics) -> [Step] {
        guard !entries.isEmpty else { return [] }
        var findings = Diagnostics()
        var steps: [Step] = []
        for config in try configurations(entries) {
            guard let transformers = transformers(config) else {
                findings.append(config.unknown("transformer"))
                continue
            }
            findings.append(contentsOf: config.findings.diagnostics)
            let name = "\(config.resource.kind) \"\(config.resource.name)\""
            steps += transformers.map {
                Step(transformer: $0, report: Report(step: name, location: config.location), origin: config.origin)
            }
        }
        try findings.throwIfErrors()
        return steps
    }

    private func transformers(_ config: PluginConfig) -> [any Transformer]? {
        let findings = config.findings
        func fields(_ names: String...) -> Fields { config.fields(names + ["fieldSpecs"]) }
        func specs(_ fields: Fields) -> [FieldSpec] { TransformerConfig.specs(fields, "fieldSpecs") }
        func requireSpecs(_ fields: Fields) {
            if fields.has("fieldSpecs") { return }
            findings.error("\(config.kind) needs fieldSpecs", at: fields.mark, remedy: "name the places, as in `- path: metadata/name`")
        }
        switch config.kind {
        case "AnnotationsTransformer", "LabelTransformer":
            let fields = fields("annotations", "labels")
            let pairs = fields.pairs(config.kind == "LabelTransformer" ? "labels" : "annotations")
            return [PairsTransformer(kind: config.kind, pairs: pairs, specs: specs(fields))]
        case "PrefixTransformer":
            let fields = fields("prefix")
            requireSpecs(fields)
            return [NameAffixTransformer(prefix: fields.string("prefix"), specs: specs(fields))]
        case "SuffixTransformer":
            let fields = fields("suffix")
            requireSpecs(fields)
            return [NameAffixTransformer(suffix: fields.string("suffix"), specs: specs(fields))]
        case "PrefixSuffixTransformer":
            let fields = fields("prefix", "suffix")
            return [NameAffixTransformer(prefix: fields.string("prefix"), suffix: fields.string("suffix"), specs: specs(fields))]
        case "NamespaceTransformer": return [namespaceTransformer(fields("metadata", "unsetOnly", "setRoleBindingSubjects"))]
        case "ImageTagTransformer":
            let fields = fields("imageTag")
            return fields.fields("imageTag", ImageEntry.names).map { [ImageTransformer(image: ImageEntry($0), specs: specs(fields))] } ?? []
        case "ReplicaCountTransformer":
            let fields = fields("replica")
            return fields.fields("replica", ["name", "count"]).map { [ReplicaTransformer(entry: ReplicaEntry($0), specs: specs(fields))] }
                ?? []
        case "PatchTransformer": return patch(PatchEntry(config.fields(PatchEntry.names)), findings).map { [$0] } ?? []
        case "PatchJson6902Transformer":
            let fields = fields("target", "path", "jsonOp")
            let target = fields.fields("target", Selector.names).map { Selector($0) }
            return json6902(path: fields.string("path"), operations: fields.string("jsonOp"), target: target, fields.mark, findings).map {
                [$0]
            } ?? []
        case "PatchStrategicMergeTransformer": return [strategicMerge(fields("paths", "patches"), config)]
        case "ReplacementTransformer":
            let entries = config.fields(["replacements"]).fieldsList("replacements", ReplacementEntry.names) { ReplacementEntry($0) }
            return [ReplacementTransformer(entries: replacements(entries, findings))]
        case "ValueAddTransformer": return [valueAdd(fields("value", "targets", "targetFilePath"), findings)]
        case "HashTransformer": return [HashTransformer()]
        default: return nil
        }
    }

    private func namespaceTransformer(_ fields: Fields) -> NamespaceTransformer {
        let mode = fields.string("setRoleBindingSubjects")
        let subjects = mode.isEmpty ? .defaultOnly : NamespaceTransformer.Subjects(rawValue: mode)
        if subjects == nil {
            fields.findings.error(
                "setRoleBindingSubjects must be defaultOnly, allServiceAccounts or none, not \"\(mode)\"", at: fields.mark)
        }
        return NamespaceTransformer(
            namespace: fields.fields("metadata", ["namespace"])?.string("namespace") ?? "",
            specs: TransformerConfig.specs(fields, "fieldSpecs"), unsetOnly: fields.bool("unsetOnly"), subjects: subjects ?? .defaultOnly)
    }

    private func strategicMerge(_ fields: Fields, _ config: PluginConfig) -> PatchTransformer {
        var patches = fields.strings("paths").flatMap { strategicMergePatches($0, config.findings) }
        let inline = fields.string("patches")
        if !inline.isEmpty {
            do throws(Diagnostics) {
                patches += try ResourceReader(
                    run: run, display: config.location.file, offset: config.location.line, isPatch: true, isTargeted: true
                ).resources(
                    Array(inline.utf8))
            } catch {
                config.findings.diagnostics.append(contentsOf: error)
            }
        }
        if patches.isEmpty, config.findings.diagnostics.isEmpty { config.findings.error("there are no patches", at: fields.mark) }
        return PatchTransformer(content: .strategicMerge(patches), target: nil, kind: "PatchStrategicMergeTransformer")
    }

    private func valueAdd(_ fields: Fields, _ findings: FileFindings) -> ValueAddTransformer {
        func targets(_ fields: Fields) -> [ValueAddTransformer.Target] {
            fields.fieldsList("targets", ["selector", "fieldPath", "filePathPosition"]) { target in
                ValueAddTransformer.Target(
                    selector: target.fields("selector", Selector.names).map { Selector($0) }, fieldPath: target.string("fieldPath"),
                    filePathPosition: target.int("filePathPosition") ?? 0)
            }
        }
        var all = targets(fields)
        let path = fields.string("targetFilePath")
        if !path.isEmpty, let bytes = place.read(Located(value: path, mark: fields.mark), run, findings) {
            do throws(YAMLError) {
                let nodes = try YAMLReader.documents(bytes: bytes, file: path, duplicateKeys: .lastWins, rule: .first)
                if let node = nodes.first { all += targets(Fields(node, names: ["targets"], findings: findings)) }
            } catch {
                findings.diagnostics.append(Diagnostic(error))
            }
        }
        if all.isEmpty { findings.error("ValueAddTransformer needs targets", at: fields.mark) }
        if fields.string("value").isEmpty { findings.error("ValueAddTransformer needs a value", at: fields.mark) }
        return ValueAddTransformer(value: fields.string("value"), targets: all)
    }
}
