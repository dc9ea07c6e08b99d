import Diagnostics
import YAML

extension Layer {
    /// ConfigMaps, Secrets, then what `generators` lists.
    /// - Parameter isComplete: whether all is there that is merged with or replaced.
    func generate(into accumulator: Accumulator, isComplete: Bool) throws(Diagnostics) {
        var findings = Diagnostics()
        func absorb(_ resource: Resource, at location: SourceLocation) {
            guard isComplete && findings.isEmpty || resource.behavior == .create else { return }
            accumulator.absorb(resource, at: location, &findings)
        }
        for (kind, entries) in [
            (DataGenerator.Kind.configMap, kustomization.configMapGenerators), (.secret, kustomization.secretGenerators),
        ] {
            let source = generatorOrigin(kind.rawValue + "Generator")
            for entry in entries {
                let entry = entry.adding(kustomization.generatorOptions)
                do throws(Diagnostics) {
                    let resource = try resource(kind, entry, FileFindings(file: file.display), at: location(entry.mark))
                    resource.buildOrigin = source
                    absorb(resource, at: location(entry.mark))
                } catch {
                    findings.append(contentsOf: error)
                }
            }
        }
        var configs: [PluginConfig] = []
        do throws(Diagnostics) { configs = try configurations(kustomization.generators) } catch { findings.append(contentsOf: error) }
        for config in configs {
            do throws(Diagnostics) {
                let resource = try generated(by: config)
                resource.buildOrigin = config.origin
                absorb(resource, at: config.location)
            } catch {
                findings.append(contentsOf: error)
            }
        }
        try findings.throwIfErrors()
    }

    private func generatorOrigin(_ kind: String) -> BuildOrigin? {
        origin.map { origin in
            var made = BuildOrigin()
            made.configuredIn = Path.clean(origin.path.isEmpty ? file.name : origin.path + "/" + file.name)
            made.configuredBy = ("builtin", kind, "", "")
            return made
        }
    }

    private func resource(
        _ kind: DataGenerator.Kind, _ entry: GeneratorEntry, _ findings: FileFindings, at location: SourceLocation
    ) throws(Diagnostics) -> Resource {
        let generator = DataGenerator(kind: kind, entry: entry, read: { place.read($0, run, findings, for: $1) }, findings: findings)
        guard let object = generator.object() else { throw findings.diagnostics }
        let resource = Resource(object, kinds: run.kinds, origin: location)
        resource.isGenerated = true
        resource.needsHash = entry.options?.disableNameSuffixHash != true
        resource.behavior = Resource.Behavior(rawValue: entry.behavior) ?? .create
        try run.countResources(1)
        return resource
    }

    /// What one configuration object under `generators` makes.
    private func generated(by config: PluginConfig) throws(Diagnostics) -> Resource {
        let findings = config.findings
        switch config.kind {
        case "ConfigMapGenerator", "SecretGenerator":
            let kind: DataGenerator.Kind = config.kind == "SecretGenerator" ? .secret : .configMap
            let fields = config.fields(GeneratorEntry.names + ["type", "metadata"])
            var entry = GeneratorEntry(fields)
            let metadata = fields.fields("metadata", ["name", "namespace"])
            if entry.name.isEmpty { entry.name = metadata?.string("name") ?? "" }
            if entry.namespace.isEmpty { entry.namespace = metadata?.string("namespace") ?? "" }
            try findings.diagnostics.throwIfErrors()
            return try resource(kind, entry, findings, at: config.location)
        case "IAMPolicyGenerator": return try account(config)
        default: throw Diagnostics([config.unknown("generator")])
        }
    }

    /// A ServiceAccount bound to one of Google's, the only thing IAMPolicyGenerator makes.
    private func account(_ config: PluginConfig) throws(Diagnostics) -> Resource {
        let fields = config.fields(["cloud", "kubernetesService", "serviceAccount"])
        let cloud = fields.string("cloud")
        if cloud != "gke" { config.findings.error("IAMPolicyGenerator: cloud must be gke, not \"\(cloud)\"", at: fields.mark) }
        let service = fields.fields("kubernetesService", ["name", "namespace"])
        let account = fields.fields("serviceAccount", ["name", "projectId"])
        let name = service?.string("name") ?? ""
        let namespace = service?.string("namespace") ?? ""
        let user = "\(account?.string("name") ?? "")@\(account?.string("projectId") ?? "").iam.gserviceaccount.com"
        try config.findings.diagnostics.throwIfErrors()
        var metadata: Value = ["annotations": ["iam.gke.io/gcp-service-account": .string(user)], "name": .string(name)]
        if !namespace.isEmpty { metadata["namespace"] = .string(namespace) }
        let value: Value = ["apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata]
        return Resource(value.object ?? Object(), kinds: run.kinds, origin: config.location)
    }

    // MARK: Configuration objects

    /// The objects under `generators`, `transformers` or `validators`: each entry is one inline, or a file or directory of them.
    func configurations(_ entries: [Located<String>]) throws(Diagnostics) -> [PluginConfig] {
        let accumulator = Accumulator()
        var findings = Diagnostics()
        var paths: [Located<String>] = []
        for entry in entries {
            let reader = ResourceReader(run: run, display: file.display, offset: entry.mark.line)
            guard let inline = try? reader.resources(Array(entry.value.utf8)) else {
                paths.append(entry)
                continue
            }
            for resource in inline {
                resource.buildOrigin = origin?.appending(file.name)
                accumulator.append(resource, at: location(entry.mark), &findings)
            }
        }
        try findings.throwIfErrors()
        try addResources(paths, to: accumulator)
        return accumulator.set.all.map { PluginConfig($0, place: SourceLocation(file: file.display, line: 1)) }
    }
}
