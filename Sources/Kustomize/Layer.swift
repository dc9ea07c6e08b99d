import Diagnostics
import YAML

/// One kustomization of a build: gathers its resources and applies what it says to them.
struct Layer {
    let place: Place
    let file: KustomizationFile
    let run: BuildRun
    /// The directories of the kustomizations being built around this one, the nearest last.
    let parents: [Place]
    /// Kept only when the top asks for origin annotations.
    var origin: BuildOrigin?

    var kustomization: Kustomization { file.kustomization }

    /// Resources, generators, components, transformers, validators, variables, in kustomize's order. What cannot be read does not keep the
    /// rest from being read, so that all of it is told; but nothing is changed then, which would trip over what is missing.
    /// - Parameter readsOnly: whether something is missing among what the layer adds to.
    func accumulate(into accumulator: Accumulator, readsOnly: Bool = false) throws(Diagnostics) {
        try run.countKustomization(at: parents.count)
        var findings = Diagnostics()
        // A limit that was reached is met again by all that go beyond it.
        var told: Set<Diagnostic> = []
        func attempt(_ body: () throws(Diagnostics) -> Void) {
            do throws(Diagnostics) { try body() } catch {
                for problem in error.all where told.insert(problem).inserted { findings.append(problem) }
            }
        }
        var (steps, validators): ([Step], [Step]) = ([], [])
        attempt { () throws(Diagnostics) in try run.useSchema(of: file, place) }
        attempt { () throws(Diagnostics) in try addResources(kustomization.resources, to: accumulator) }
        attempt { () throws(Diagnostics) in try mergeConfigurations(into: accumulator) }
        var isComplete = !readsOnly && findings.isEmpty
        attempt { () throws(Diagnostics) in try generate(into: accumulator, isComplete: isComplete) }
        isComplete = isComplete && findings.isEmpty
        attempt { () throws(Diagnostics) in try addComponents(to: accumulator, isComplete: isComplete) }
        attempt { () throws(Diagnostics) in steps = try self.steps(accumulator.config) }
        attempt { () throws(Diagnostics) in validators = try pluginSteps(kustomization.validators) }
        try findings.throwIfErrors()
        if readsOnly { return }
        try run(steps, on: accumulator.set)
        try validate(accumulator, validators)
        try accumulator.add(kustomization.variables, kinds: run.kinds, file)
    }

    func location(_ mark: Mark) -> SourceLocation { file.location(mark) }

    // MARK: Resources

    /// Every entry is a file of objects, or else a directory with a kustomization, or something remote. All that fail are told.
    func addResources(_ entries: [Located<String>], to accumulator: Accumulator) throws(Diagnostics) {
        var findings = Diagnostics()
        for entry in entries {
            do throws(Diagnostics) {
                try addResource(entry, to: accumulator)
            } catch {
                findings.append(contentsOf: error)
            }
        }
        try findings.throwIfErrors()
    }

    private func addResource(_ entry: Located<String>, to accumulator: Accumulator) throws(Diagnostics) {
        let findings = FileFindings(file: file.display)
        if !RemoteReference.isFile(entry.value) {
            switch place.resolve(entry.value, run) {
            case .directory(let directory): return try addDirectory(directory, entry, to: accumulator, isComponent: false)
            case .file(let path):
                guard let bytes = place.read(resolved: path, entry, run, findings) else { throw findings.diagnostics }
                return try add(bytes, display: run.display(path, in: place), entry, to: accumulator)
            case .none(let reason):
                guard RemoteReference.isRepository(entry.value) else {
                    findings.error("cannot use resource \"\(entry.value)\"", at: entry.mark, cause: reason, remedy: Place.remedy(reason))
                    throw findings.diagnostics
                }
            }
        }
        if let name = entry.value.split(separator: "?").first, [".yaml", ".yml", ".json"].contains(where: name.hasSuffix) {
            guard let bytes = place.read(entry, run, findings) else { throw findings.diagnostics }
            return try add(bytes, display: entry.value, entry, to: accumulator)
        }
        try addDirectory(try fetch(entry), entry, to: accumulator, isComponent: false)
    }

    private func add(_ bytes: [UInt8], display: String, _ entry: Located<String>, to accumulator: Accumulator) throws(Diagnostics) {
        var findings = Diagnostics()
        for resource in try ResourceReader(run: run, display: display).resources(bytes) {
            resource.buildOrigin = origin?.appending(entry.value)
            accumulator.append(resource, at: location(entry.mark), &findings)
        }
        try findings.throwIfErrors()
    }

    private func fetch(_ entry: Located<String>) throws(Diagnostics) -> Place {
        let findings = FileFindings(file: file.display)
        guard let (place, path) = Place.remote(entry, isFile: false, run, findings) else { throw findings.diagnostics }
        if case .directory(let directory) = place.resolve(path, run) { return directory }
        findings.error("cannot use \"\(entry.value)\"", at: entry.mark, cause: "its repository has no directory \"\(path)\" at that commit")
        throw findings.diagnostics
    }

    private func addDirectory(
        _ directory: Place, _ entry: Located<String>, to accumulator: Accumulator, isComponent: Bool, readsOnly: Bool = false
    ) throws(Diagnostics) {
        let around = parents + [place]
        if around.contains(where: { $0.remote == directory.remote && Path.isWithin($0.directory, directory.directory) }) {
            throw Diagnostics([
                Diagnostic(
                    .error, "\"\(entry.value)\" is a directory that is being built already", at: location(entry.mark),
                    cause: "a kustomization cannot contain itself or a directory above it")
            ])
        }
        let file = try KustomizationFile.load(directory, run, isTop: false)
        let isKindOfComponent = file.kustomization.kind == .component
        guard isKindOfComponent == isComponent else {
            throw Diagnostics([
                Diagnostic(
                    .error, isComponent ? "\"\(entry.value)\" is no Component" : "\"\(entry.value)\" is a Component",
                    at: location(entry.mark),
                    remedy: isComponent ? "list it under \"resources\", or make its kind Component" : "list it under \"components\"")
            ])
        }
        let layer = Layer(place: directory, file: file, run: run, parents: around, origin: origin?.appending(entry.value))
        if isComponent {
            try layer.accumulate(into: accumulator, readsOnly: readsOnly)
            if !readsOnly { try accumulator.set.refuseEqualIDs(at: location(entry.mark)) }
            return
        }
        let own = Accumulator()
        try layer.accumulate(into: own)
        try accumulator.merge(own, at: location(entry.mark))
    }

    /// All that fail are told; behind the first nothing is changed any more.
    private func addComponents(to accumulator: Accumulator, isComplete: Bool) throws(Diagnostics) {
        var findings = Diagnostics()
        for entry in kustomization.components {
            do throws(Diagnostics) {
                try addComponent(entry, to: accumulator, readsOnly: !isComplete || !findings.isEmpty)
            } catch {
                findings.append(contentsOf: error)
            }
        }
        try findings.throwIfErrors()
    }

    private func addComponent(_ entry: Located<String>, to accumulator: Accumulator, readsOnly: Bool) throws(Diagnostics) {
        switch place.resolve(entry.value, run) {
        case .directory(let directory):
            try addDirectory(directory, entry, to: accumulator, isComponent: true, readsOnly: readsOnly)
        case .file:
            throw Diagnostics([
                Diagnostic(.error, "component \"\(entry.value)\" is a file, not a directory", at: location(entry.mark))
            ])
        case .none(let reason):
            if RemoteReference.isRepository(entry.value) {
                return try addDirectory(try fetch(entry), entry, to: accumulator, isComponent: true, readsOnly: readsOnly)
            }
            if run.options.overlay?.ignoreMissingComponents == true, parents.isEmpty { return }
            throw Diagnostics([Diagnostic(.error, "cannot use component \"\(entry.value)\"", at: location(entry.mark), cause: reason)])
        }
    }

    // MARK: Configuration

    private func mergeConfigurations(into accumulator: Accumulator) throws(Diagnostics) {
        guard !kustomization.configurations.isEmpty || !kustomization.crds.isEmpty else { return }
        let findings = FileFindings(file: file.display)
        for entry in kustomization.configurations {
            guard let bytes = place.read(entry, run, findings) else { continue }
            do throws(YAMLError) {
                let inner = FileFindings(file: entry.value)
                let nodes = try YAMLReader.documents(bytes: bytes, file: entry.value, rule: .first)
                guard let node = nodes.first else { continue }
                let config = TransformerConfig(node, findings: inner)
                findings.diagnostics.append(contentsOf: inner.diagnostics)
                accumulator.merge(config, at: location(entry.mark), &findings.diagnostics)
            } catch {
                findings.diagnostics.append(contentsOf: Diagnostics(error))
            }
        }
        for entry in kustomization.crds {
            guard let bytes = place.read(entry, run, findings) else { continue }
            do throws(YAMLError) {
                let values = try YAMLReader.values(bytes: bytes, file: entry.value, duplicateKeys: .lastWins, rule: .first)
                accumulator.merge(CRDReferences(values.first ?? .null).config, at: location(entry.mark), &findings.diagnostics)
            } catch {
                findings.diagnostics.append(contentsOf: Diagnostics(error))
            }
        }
        try findings.diagnostics.throwIfErrors()
    }
}
