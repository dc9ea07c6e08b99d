import Diagnostics
import YAML

/// Transformers that a kustomization gives as objects of their own.
extension Layer {
    func pluginSteps(_ entries: [Located<String>]) throws(Diagnostics) -> [Step] {
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
            var entry = PatchEntry(path: fields.string("path"), patch: fields.string("jsonOp"), mark: fields.mark)
            entry.target = fields.fields("target", Selector.names).map { Selector($0) }
            entry.linesBefore = fields.mark.line
            return json6902(entry, findings).map { [$0] } ?? []
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
                findings.diagnostics.append(contentsOf: Diagnostics(error))
            }
        }
        if all.isEmpty { findings.error("ValueAddTransformer needs targets", at: fields.mark) }
        if fields.string("value").isEmpty { findings.error("ValueAddTransformer needs a value", at: fields.mark) }
        return ValueAddTransformer(value: fields.string("value"), targets: all)
    }
}
