package import Diagnostics
package import KubernetesModel
package import Kustomize
import NodeInventory
import SyncPlanning
import YAML

/// What the agent would make of a repository's files: the objects of its own directory and of every unit among them, rendered as it renders
/// them, as far as files alone can tell. Without a cluster there are no keys, and no variables but those that are in the files.
package struct RepositoryUnits: Sendable {
    package struct Unit: Sendable {
        package let object: Manifest
        /// What it applies; nil where its files are another repository's, or cannot be built.
        package var manifests: [Manifest]?
        package var problems = Diagnostics()
        /// Whether its definition has variables for which the files have no values.
        package var hasOpenVariables = false
    }

    /// How the agent's own repository is named, and what it may fetch.
    package struct Setting: Sendable {
        /// The agent's own GitRepository; without it every one that is not among the files is taken for that.
        package var own: Ownership?
        /// The branch that the agent follows, and the URL where the inventory names one.
        package var branch: String?
        package var url: String?
        package var allowsRemoteBases = false

        package init(own: Ownership? = nil, branch: String? = nil, url: String? = nil, allowsRemoteBases: Bool = false) {
            self.own = own
            self.branch = branch
            self.url = url
            self.allowsRemoteBases = allowsRemoteBases
        }
    }

    /// What a unit wants.
    struct Wants {
        var unit: Ownership
        /// Leads to the cluster of the objects; nil for the agent's own.
        var kubeconfig: KustomizationSpec.KubeconfigReference?
        /// nil where the files do not tell.
        var manifests: [Manifest]?
    }

    private let files: any FileTree
    private let places: FieldPlaces
    private let setting: Setting
    private let root: String
    /// Of the agent's own directory; nil when it cannot be rendered.
    package private(set) var objects: [Manifest]?
    package private(set) var units: [Unit] = []
    /// What is wrong with the agent's own directory and with objects of any, besides what is wrong with each unit.
    package private(set) var ownProblems = Diagnostics()
    /// Objects in versions of Flux' API before the served one, as they were written.
    private var old: [Manifest] = []
    /// The GitRepository of the agent's own repository, where Flux' bootstrap left it in the agent's own directory.
    private var bootstrapped: GitRepositorySpec?
    private var clearSecrets = ClearSecrets()
    private var objectFaults = ObjectFaults()
    /// How Flux was told to run that lies in the agent's own directory.
    private var flux = FluxSettings()

    /// - Parameter path: the directory that the agent covers, from the root of the files.
    package init(_ files: some FileTree, path: String, _ setting: Setting = Setting()) {
        self.files = files
        places = FieldPlaces(files)
        self.setting = setting
        root = path
        var hasAllVariables = true
        do {
            let own = try FluxComponents.own(in: files, at: path)
            var spec = UnitSpec(owner: setting.own ?? Ownership(namespace: "", name: ""), path: path)
            spec.take(own: own, otherwise: spec)
            let result = try build(path, spec, own)
            ownProblems.append(contentsOf: result.warnings)
            lookOver(result, isDecrypting: spec.isDecrypting)
            if let own {
                ownProblems.append(contentsOf: Diagnostics(misfits(own)))
                ownProblems.append(
                    contentsOf: Diagnostics(UnitSpec(of: own).withoutEffect.map { Self.uselessSetting($0, own) }))
            }
            let made = try substituted(result.manifests, spec)
            objects = made.manifests.map(FluxKinds.served)
            hasAllVariables = made.hasAllVariables
            let components = FluxComponents(result.manifests, path: path)
            old = components.old
            flux = components.settings
            bootstrapped = components.repository
            ownProblems.append(contentsOf: Diagnostics(components.lostFlags.map(\.diagnostic)))
        } catch {
            ownProblems.append(contentsOf: remote(error))
        }
        let ours = FluxComponents(objects ?? [], path: path).manifests
        add(ours, mayHaveVariables: !hasAllVariables)
        findRepositories()
    }

    /// What the GitRepository of the agent's own repository leaves out of it, where it lies in the agent's own directory.
    package var ignore: String? { bootstrapped?.ignore }

    /// The agent's own objects and those of all units.
    package var all: [Manifest] { (objects ?? []) + units.flatMap { $0.manifests ?? [] } }

    /// What the agent's own unit wants, if its name is known, and what each other one does.
    var wants: [Wants] {
        var result: [Wants] = []
        if let own = setting.own {
            result.append(Wants(unit: own, manifests: objects.map { FluxComponents($0, path: root).manifests }))
        }
        for unit in units {
            guard let owner = unit.object.key.unit else { continue }
            result.append(Wants(unit: owner, kubeconfig: KustomizationSpec(of: unit.object).kubeconfig, manifests: unit.manifests))
        }
        return result
    }

    /// All that a name may mean.
    func units(named name: String) -> [Unit] {
        units.filter { $0.object.name == name || "\($0.object.namespace)/\($0.object.name)" == name }
    }

    /// - Parameter name: `apps`, or `flux-system/apps` where the name alone stands for several.
    package func unit(named name: String) throws -> Unit {
        let found = units(named: name)
        if found.count == 1 { return found[0] }
        try ownProblems.throwIfErrors()
        let known = (found.isEmpty ? units : found).map { "\($0.object.namespace)/\($0.object.name)" }.sorted()
        throw Diagnostic(
            .error, found.isEmpty ? "\(root) makes no unit \(name)" : "\(root) makes several units \(name)",
            remedy: known.isEmpty ? "it makes none at all" : "name one of \(known.joined(separator: ", "))")
    }

    package var problems: Diagnostics {
        var result = ownProblems
        for unit in units { result.append(contentsOf: unit.problems) }
        result.append(contentsOf: Diagnostics(DependencyCircles.problems(in: all)))
        result.append(contentsOf: Diagnostics(uselessWays))
        result.append(contentsOf: Diagnostics(contested))
        result.append(contentsOf: Diagnostics(oldVersions))
        result.append(contentsOf: Diagnostics(all.flatMap(\.stringDataProblems)))
        result.append(contentsOf: Diagnostics(clearSecrets.warnings))
        result.append(contentsOf: Diagnostics(objectFaults.findings))
        for manifest in all {
            switch manifest.key.groupKind {
            case FluxKinds.gitRepository.groupKind: result.append(contentsOf: Diagnostics(problems(ofRepository: manifest)))
            case FluxKinds.receiver.groupKind: result.append(contentsOf: Diagnostics(misfits(manifest)))
            default: break
            }
        }
        return result
    }

    /// Follows the units among some objects, and those among theirs.
    /// - Parameter mayHaveVariables: whether those of the agent's own directory were not all known.
    private mutating func add(_ found: [Manifest], mayHaveVariables: Bool) {
        var waiting = found.filter { $0.key.unit != nil }.map { (object: $0, mayHaveVariables: mayHaveVariables) }[...]
        while let (object, mayHaveVariables) = waiting.popFirst() {
            guard !units.contains(where: { $0.object.key == object.key }) else { continue }
            var spec = UnitSpec(of: object)
            spec.flux = flux
            var unit = Unit(object: object)
            unit.hasOpenVariables = mayHaveVariables && JSONWriter.text(object.value).contains("${")
            if let reason = flux.reasonToLeave(object) {
                unit.problems.append(
                    Diagnostic(
                        .warning, "the agent leaves this unit alone, as Flux did", subject: object.key.description, at: object.origin,
                        cause: reason, remedy: "take the argument from Flux' kustomize-controller for all units to be kept"))
                units.append(unit)
                continue
            }
            unit.problems.append(contentsOf: Diagnostics(problems(of: spec, object)))
            // A path that a variable is still to be put into is known to nobody here.
            var hasAllVariables = true
            if isBuiltFromHere(spec), spec.path != root, !spec.path.contains("${") {
                do {
                    (unit.manifests, hasAllVariables) = try manifests(of: spec, object)
                } catch {
                    unit.problems.append(contentsOf: remote(error, of: object))
                }
            }
            units.append(unit)
            guard spec.kubeconfig == nil else { continue }
            waiting += (unit.manifests ?? []).filter { $0.key.unit != nil }.map { ($0, !hasAllVariables) }
        }
    }

    private func isBuiltFromHere(_ spec: UnitSpec) -> Bool {
        guard let source = spec.source, source.kind == FluxKinds.gitRepository.kind else { return false }
        if let own = setting.own, source.namespace == own.namespace, source.name == own.name { return true }
        // The Kustomization that Flux' bootstrap wrote names the agent's repository, in its words.
        let flux = (objects ?? []).first { $0.key.unit != nil && KustomizationSpec(of: $0).path == root }
        if let flux, KustomizationSpec(of: flux).source == source { return true }
        return setting.own == nil && !repositories.contains(source)
    }

    private var repositories: Set<KustomizationSpec.SourceReference> {
        Set(
            all.filter { $0.key.groupKind == FluxKinds.gitRepository.groupKind }
                .map { KustomizationSpec.SourceReference(kind: $0.kind, namespace: $0.namespace, name: $0.name) })
    }

    /// Names that no file has: a GitRepository that was made by hand would be no mistake, a slip of the pen would.
    private mutating func findRepositories() {
        guard let own = setting.own else { return }
        let known = repositories
        let names = Set(units.compactMap(\.object.key.unit) + [own])
        for index in units.indices {
            let (object, spec) = (units[index].object, UnitSpec(of: units[index].object))
            func warn(_ summary: String, _ remedy: String) {
                units[index].problems.append(
                    Diagnostic(.warning, summary, subject: object.key.description, at: object.origin, remedy: remedy))
            }
            if let source = spec.source, source.kind == FluxKinds.gitRepository.kind, !source.name.isEmpty, !isBuiltFromHere(spec),
                !known.contains(source)
            {
                warn(
                    "spec.sourceRef names \(source), which is not among these files",
                    "this repository's is called {kind: GitRepository, name: \(own.name), namespace: \(own.namespace)}")
            }
            for other in spec.dependsOn where !names.contains(other) {
                warn("spec.dependsOn names the unit \(other), which is not among these files", "it waits until somebody makes that unit")
            }
        }
    }

    // MARK: Rendering

    /// - Parameter object: the Kustomization, where there is one.
    private func build(_ path: String, _ spec: UnitSpec, _ object: Manifest?) throws(Diagnostics) -> BuildResult {
        var options = BuildOptions(order: .none, generatesMissingKustomization: true)
        options.loadRestriction = .none
        options.overlay = spec.overlay
        options.overlayPlaces = object.map(places.patches) ?? []
        options.remotePermission = Self.remotePermission
        if spec.isDecrypting { return try KustomizeBuild(files: files, options: options).result(path) }
        var result = try KustomizeBuild(files: DecryptingFileTree(files, .none), options: options).result(path)
        result.manifests = try FileDecryption.none.opened(result.manifests)
        return result
    }

    private mutating func lookOver(_ result: BuildResult, isDecrypting: Bool) {
        clearSecrets.add(result, isDecrypting: isDecrypting)
        objectFaults.add(result, places)
    }

    private static let remotePermission = "set agent.allowRemoteBases: true in the inventory and run homelab bootstrap"

    /// What is elsewhere is not fetched here; where the agent may, that is no error.
    /// - Parameter object: the Kustomization, for what has no place of its own.
    private func remote(_ problems: Diagnostics, of object: Manifest? = nil) -> Diagnostics {
        Diagnostics(
            problems.all.map { problem in
                var problem = problem
                if problem.location == nil, problem.subject == nil {
                    (problem.location, problem.subject) = (object?.origin, object?.key.description)
                }
                guard setting.allowsRemoteBases, problem.remedy?.hasSuffix(Self.remotePermission) == true else { return problem }
                return Diagnostic(
                    .warning, "names files of another repository, so this unit's objects are not checked here", subject: problem.subject,
                    at: problem.location, remedy: "`homelab build --allow-remote` and `homelab diff --allow-remote` fetch them")
            })
    }

    /// What a unit makes, and whether all of its variables are known.
    private mutating func manifests(
        of spec: UnitSpec, _ object: Manifest
    ) throws(Diagnostics) -> (manifests: [Manifest], hasAllVariables: Bool) {
        guard (try? files.resolve(spec.path))??.isDirectory == true else {
            throw Diagnostics([
                Diagnostic(
                    .error, "spec.path is \(spec.path), and there is no such directory", subject: object.key.description,
                    at: places.place(of: [.key("spec"), .key("path")], in: object).location,
                    remedy: "add it, or correct the path, which begins at the root of the repository")
            ])
        }
        let built = try build(spec.path, spec, object)
        lookOver(built, isDecrypting: spec.isDecrypting)
        let repository = setting.url.flatMap { url in setting.branch.map { FollowedRepository(url: url, reference: $0) } }
        let components = FluxComponents(built.manifests, of: spec, from: repository)
        old += components.old
        return try substituted(components.manifests, spec)
    }

    /// With the variables of the unit and of the ConfigMaps among the files. What comes from elsewhere stays as it is written.
    private func substituted(
        _ manifests: [Manifest], _ spec: UnitSpec
    ) throws(Diagnostics) -> (manifests: [Manifest], hasAllVariables: Bool) {
        guard spec.variables.isUsed else { return (manifests, true) }
        var materials = BuildMaterials()
        var isComplete = true
        let known = all
        for key in BuildMaterials.origins(of: spec).prefix(spec.variables.sources.count) {
            let found = known.first { $0.key == key && key.kind == "ConfigMap" }
            if let found { materials.values.merge(found.dataTexts) { $1 } } else { isComplete = false }
        }
        materials.values.merge(spec.variables.inline) { $1 }
        return (try materials.put(into: manifests, always: spec.variables.always || !isComplete, isComplete: isComplete), isComplete)
    }

    // MARK: What is wrong

    private func problems(of spec: UnitSpec, _ object: Manifest) -> [Diagnostic] {
        let hindrances = spec.hindrances.filter { !spec.invalidExpressions.contains($0) }
        var result = hindrances.map { told("the unit would apply nothing", $0, of: object, "correct it in its Kustomization") }
        result += spec.invalidExpressions.map {
            told("an expression cannot be read", $0, of: object, "correct it; the language is CEL, cel.dev")
        }
        result += misfits(object, toldOf: spec.hindrances)
        result += spec.warnings.map { Self.uselessSetting($0, object) }
        return result
    }

    /// - Parameter cause: begins with the field.
    private func told(_ summary: String, _ cause: String, of object: Manifest, _ remedy: String) -> Diagnostic {
        Diagnostic(
            .error, summary, subject: object.key.description, at: places.place(of: [PathStep](prefixOf: cause), in: object).location,
            cause: cause, remedy: remedy)
    }

    /// What does not fit the definition of the object's kind: what the API server refuses, and fields that it leaves out.
    /// - Parameter causes: what is told of it already, each beginning with the field.
    private func misfits(_ object: Manifest, toldOf causes: [String] = []) -> [Diagnostic] {
        let told = Set(causes.map { [PathStep](prefixOf: $0).text })
        let misfits = StructuralSchema.served[object.groupVersionKind]?.misfits(in: object.value) ?? []
        return misfits.filter { !told.contains($0.path.text) }.map { misfit in
            let place = places.place(of: misfit.path, in: object, atKey: misfit.isUnknownField)
            let choice = misfit.isUnknownField ? "known here: " : "give one of "
            let nearest = Suggestion.nearest(to: misfit.word, in: misfit.candidates).map { "did you mean \"\($0)\"?" }
            let candidates = misfit.candidates.isEmpty ? nil : choice + misfit.candidates.joined(separator: ", ")
            return Diagnostic(
                misfit.isUnknownField ? .warning : .error, misfit.summary, subject: object.key.description, at: place.location,
                cause: place.isAsWritten ? nil : "patches or variables make it so", remedy: misfit.remedy ?? nearest ?? candidates)
        }
    }

    private static func uselessSetting(
        _ cause: String, _ object: Manifest, remedy: String = "correct it, or take it away"
    ) -> Diagnostic {
        Diagnostic(
            .warning, "a setting has no effect", subject: object.key.description, at: object.origin, cause: cause, remedy: remedy)
    }

    private func problems(ofRepository object: Manifest) -> [Diagnostic] {
        let spec = GitRepositorySpec(of: object)
        var causes = spec.unreadable
        var limits: [String] = []
        if isAgentsOwn(object, spec) {
            let own = OwnRepositoryLimits(spec, branch: setting.branch)
            limits = own.unmet + own.unused
        } else {
            causes = spec.obstacles
            do { _ = try FollowedReference(spec) } catch { causes.append(error.message) }
            if !spec.url.isEmpty, !["https://", "http://", "ssh://"].contains(where: { spec.url.hasPrefix($0) }) {
                causes.append("spec.url is \(spec.url); it takes https://…, http://… and ssh://user@host/path")
            }
        }
        return misfits(object, toldOf: causes)
            + causes.map { told("the repository could not be followed", $0, of: object, "correct it in its GitRepository") }
            + limits.map {
                Self.uselessSetting($0, object, remedy: "`repository:` of the inventory says how this one is followed and reached")
            }
    }

    /// As `SourceRegistry` takes it.
    private func isAgentsOwn(_ object: Manifest, _ spec: GitRepositorySpec) -> Bool {
        if let bootstrapped, (bootstrapped.namespace, bootstrapped.name) == (spec.namespace, spec.name) { return true }
        guard !spec.hasRulesOfItsOwn, spec.url == setting.url, spec.branch == setting.branch else { return false }
        let isInHome = [HomelabNamespace.name, setting.own?.namespace].contains(object.namespace)
        return isInHome || (objects ?? []).contains { $0.key == object.key }
    }

    /// One warning for each version of a kind.
    private var oldVersions: [Diagnostic] {
        Dictionary(grouping: old, by: \.groupVersionKind).sorted { $0.key < $1.key }.map { kind, objects in
            Diagnostic(
                .warning, "\(objects.count) \(kind.kind) in the old version \(kind.apiVersion): applied as v1",
                subject: objects[0].key.description,
                at: objects[0].origin, remedy: "write apiVersion: \(kind.group)/v1")
        }
    }

    /// ConfigMaps that units name as the way to another cluster, and that lead to none. A Secret is not read: it is encrypted, or not here.
    private var uselessWays: [Diagnostic] {
        let named = units.compactMap { unit -> ObjectKey? in
            guard case .configMap(let name)? = UnitSpec(of: unit.object).kubeconfig else { return nil }
            return ObjectKey(group: "", kind: "ConfigMap", namespace: unit.object.namespace, name: name)
        }
        let maps = all.filter { Set(named).contains($0.key) }
        return maps.compactMap { map in
            // What a variable is put into is known to the cluster alone.
            if (map.value["data"]?.object ?? Object()).contains(where: { $0.value.string?.contains("${") == true }) { return nil }
            do throws(Diagnostic) { _ = try WorkloadIdentity(of: map) } catch { return error }
            return nil
        }
    }

    /// Objects that two units want, named at the later place; the agent refuses them.
    private var contested: [Diagnostic] {
        var first: [ObjectKey: (unit: String, manifest: Manifest)] = [:]
        var result: [Diagnostic] = []
        let here = units.filter { UnitSpec(of: $0.object).kubeconfig == nil }
        let wanted =
            [(root, FluxComponents(objects ?? [], path: root).manifests)] + here.map { ($0.object.key.description, $0.manifests ?? []) }
        for (unit, manifests) in wanted {
            for manifest in manifests {
                guard let other = first[manifest.key] else {
                    first[manifest.key] = (unit, manifest)
                    continue
                }
                guard other.unit != unit else { continue }
                result.append(
                    Diagnostic(
                        .error, "is wanted by two units", subject: manifest.key.description, at: manifest.origin,
                        cause: "\(unit) wants it, and \(other.unit) does too" + (other.manifest.origin.map { ", at \($0)" } ?? ""),
                        remedy: "remove it from one of the two"))
            }
        }
        return result
    }
}
