import Diagnostics
import YAML

extension Layer {
    /// A transformer and where it was asked for.
    struct Step {
        var transformer: any Transformer
        var report: Report
        var origin: BuildOrigin?
    }

    /// What is to be done to the resources, in kustomize's order, with all that is read for it.
    func steps(_ config: TransformerConfig) throws(Diagnostics) -> [Step] {
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
        do throws(Diagnostics) {
            steps += try pluginSteps(kustomization.transformers)
        } catch {
            findings.diagnostics.append(contentsOf: error)
        }
        try findings.diagnostics.throwIfErrors()
        return steps
    }

    /// Runs the steps; the first with failures is the last, since what follows would only trip over them. But where one found nothing to
    /// change, nothing was left half done: of those behind it what they look for in vain is told, too.
    func run(_ steps: [Step], on set: ResourceSet) throws(Diagnostics) {
        var findings = Diagnostics()
        for step in steps {
            let report = step.report
            step.transformer.transform(set, report)
            findings.append(contentsOf: findings.isEmpty ? report.diagnostics : report.mismatches)
            if report.diagnostics.all.count > report.mismatches.all.count { break }
            if let origin = step.origin {
                for resource in set.all where !resource.isEmpty {
                    if resource.buildOrigin == nil { resource.buildOrigin = origin } else { resource.buildTransformations.append(origin) }
                }
            }
            set.dropEmpty()
        }
        try findings.throwIfErrors()
    }

    /// Validators are transformers that may change nothing but the label that says who validated.
    func validate(_ accumulator: Accumulator, _ validators: [Step]) throws(Diagnostics) {
        for step in validators {
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

    func step(_ transformer: some Transformer, _ name: String, _ mark: Mark) -> Step { step(transformer, name, at: location(mark)) }

    func step(_ transformer: some Transformer, _ name: String, at location: SourceLocation?) -> Step {
        let origin = origin.map { origin in
            var made = BuildOrigin()
            made.configuredIn = Path.clean(origin.path.isEmpty ? file.name : origin.path + "/" + file.name)
            made.configuredBy = ("builtin", transformer.kind, "", "")
            return made
        }
        return Step(transformer: transformer, report: Report(step: name, location: location), origin: origin)
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

    // MARK: Replacements

    /// Replacements given by path are read in.
    func replacements(_ entries: [ReplacementEntry], _ findings: FileFindings) -> [ReplacementEntry] {
        entries.enumerated().flatMap { index, entry -> [ReplacementEntry] in
            func named(_ entry: ReplacementEntry, in findings: FileFindings) -> ReplacementEntry {
                var entry = entry
                entry.name = "replacements[\(index)]"
                entry.location = findings.location(entry.mark)
                return entry
            }
            guard !entry.path.isEmpty else { return [named(entry, in: findings)] }
            if entry.source != nil || entry.targets != nil {
                findings.error("a replacement has either a path or a source and targets", at: entry.mark)
                return []
            }
            guard let bytes = place.read(Located(value: entry.path, mark: entry.mark), run, findings) else { return [] }
            let inner = FileFindings(file: display(entry.path), isStrict: false)
            do throws(YAMLError) {
                let nodes = try YAMLReader.documents(bytes: bytes, file: inner.file, duplicateKeys: .lastWins, rule: .first)
                let read = (nodes.first.map { $0.sequence ?? [$0] } ?? []).map {
                    named(ReplacementEntry(Fields($0, names: ReplacementEntry.names, findings: inner)), in: inner)
                }
                findings.diagnostics.append(contentsOf: inner.diagnostics)
                return read
            } catch {
                findings.diagnostics.append(contentsOf: Diagnostics(error))
                return []
            }
        }
    }
}
