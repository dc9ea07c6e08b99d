package import Diagnostics
package import KubernetesModel
import YAML

/// The Kustomizations and GitRepositories of a cluster, as a command finds them.
package struct UnitCatalog: Sendable {
    package let units: [Manifest]
    package let sources: [Manifest]
    private let expressions: [Ownership: HealthRules]

    /// - Throws: a finding when the cluster does not know the kinds, which the agent installs when it first leads.
    package init(of api: any ClusterAPI) async throws {
        let units: [Manifest]
        do {
            units = try await api.list(FluxKinds.kustomization, namespace: "", labelSelector: nil).items.sorted { $0.key < $1.key }
            sources = try await api.list(FluxKinds.gitRepository, namespace: "", labelSelector: nil).items.sorted { $0.key < $1.key }
        } catch let error as ClusterError where error.kind == .unknownKind {
            throw Diagnostic(
                .error, "the cluster has no units", cause: "it does not know Flux' kinds, which the agent installs",
                remedy: "look at `homelab status` whether an agent leads")
        }
        self.units = units
        let rules = units.compactMap { unit in unit.key.unit.map { ($0, KustomizationSpec(of: unit).healthExpressions) } }
        expressions = Dictionary(rules.filter { !$0.1.isEmpty }) { $1 }
    }

    /// By the rules of the unit that made it.
    /// - Parameter context: of the cluster that it is on.
    package func health(of object: Manifest, in context: HealthContext) -> Health {
        let own = Ownership(of: object).flatMap { expressions[$0]?[object.key.groupKind] }
        return own?.health(of: object) ?? KubernetesModel.health(of: object, in: context)
    }

    /// - Parameter name: `apps`, or `flux-system/apps` where the name alone stands for several.
    package func unit(named name: String) throws(Diagnostic) -> Manifest { try Self.object(named: name, among: units, "unit", "units") }

    /// - Parameter name: a unit's as for `unit(named:)`, or with `gitrepository/` before it a source's.
    package func unitOrSource(named name: String) throws(Diagnostic) -> Manifest {
        let parts = name.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2 else { return try unit(named: name) }
        switch parts[0].lowercased() {
        case "gitrepository", "gitrepositories": return try Self.object(named: parts[1], among: sources, "GitRepository", "GitRepositories")
        case "kustomization", "kustomizations": return try unit(named: parts[1])
        default: return try unit(named: name)
        }
    }

    /// All that a name may mean.
    func units(named name: String) -> [Manifest] { Self.objects(named: name, among: units) }

    private static func objects(named name: String, among all: [Manifest]) -> [Manifest] {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        return all.filter { parts.count == 2 ? $0.namespace == parts[0] && $0.name == parts[1] : $0.name == name }
    }

    private static func object(
        named name: String, among all: [Manifest], _ kind: String, _ kinds: String
    ) throws(Diagnostic) -> Manifest {
        let found = objects(named: name, among: all)
        if found.count == 1 { return found[0] }
        let known = (found.isEmpty ? all : found).map { "\($0.namespace)/\($0.name)" }.joined(separator: ", ")
        throw Diagnostic(
            .error, found.isEmpty ? "there is no \(kind) \(name)" : "there are several \(kinds) \(name)",
            remedy: known.isEmpty ? "there is none at all" : "name one of \(known)")
    }

    /// Whether a source is the repository that the agent itself follows, as `SourceRegistry` takes it.
    package func isAgentsOwn(_ source: Manifest, _ api: any ClusterAPI) async throws -> Bool {
        let isMade = try await InventoryStore.recorded(api).contains(source.key)
        if isMade, source.annotation(FluxComponents.agentSource) == "agent" { return true }
        let spec = GitRepositorySpec(of: source)
        let agentsUnits = Set(try await StatusReport.all(api).map { ObjectKey(unit: $0.owner) })
        let homes = [HomelabNamespace.name] + agentsUnits.map(\.namespace)
        guard !spec.hasRulesOfItsOwn, isMade || homes.contains(source.namespace) else { return false }
        let own = units.filter { agentsUnits.contains($0.key) }.compactMap { self.source(of: $0).map(GitRepositorySpec.init(of:)) }
        return own.contains { $0.url == spec.url && $0.branch == spec.branch }
    }

    package func source(of unit: Manifest) -> Manifest? {
        let reference = KustomizationSpec(of: unit).source
        return sources.first { $0.kind == reference.kind && $0.namespace == reference.namespace && $0.name == reference.name }
    }

    /// The unit that made an object, by its labels.
    package func owner(of object: Manifest) -> Manifest? {
        Ownership(of: object).flatMap { owner in units.first { $0.key.unit == owner } }
    }
}

extension Manifest {
    /// The Ready condition of a unit or source.
    package var readiness: (status: String, reason: String, message: String) {
        let ready = condition("Ready")
        return (ready?.status ?? "Unknown", ready?.reason ?? "", ready?.message ?? "not reconciled yet")
    }

    /// By which the commands take a unit or a source.
    package var commandName: String { key.unit == nil ? "gitrepository/\(namespace)/\(name)" : name }

    package var isSuspended: Bool { value[path: "spec", "suspend"]?.bool == true }

    /// `suspended until 2026-11-24T06:00:00Z: moving disks`, as `homelab suspend` wrote it down; nil for one that is not suspended.
    package var suspension: String? {
        guard isSuspended else { return nil }
        let end = annotation(KustomizationObject.suspendedUntil).map { " until \($0)" } ?? ""
        return "suspended" + end + (annotation(KustomizationObject.suspensionReason).map { ": \($0)" } ?? "")
    }

    package var appliedRevision: String { value[path: "status", "lastAppliedRevision"]?.string ?? "" }
}
