import Diagnostics
import KubernetesModel
import Reconciliation
import YAML

/// What the API server says about nodes and apps at one moment: the Node objects, and what the leading agent wrote about its work.
struct ClusterSnapshot: CommandResult {
    let nodes: [Manifest]
    let inventory: NodesReport?
    let units: [StatusReport]
    /// The Kustomizations, the agent's own left out: that is what `units` tells more of.
    let kustomizations: [Manifest]
    /// nil where nobody has asked.
    let leader: Leadership?
    /// What could not be looked at, and repositories whose newest commits nobody knows.
    let problems: [Diagnostic]
    /// About the cluster as a whole; none of them makes it unhealthy.
    let warnings: [Diagnostic]

    init(
        nodes: [Manifest], inventory: NodesReport?, units: [StatusReport], kustomizations: [Manifest] = [], leader: Leadership? = nil,
        problems: [Diagnostic] = [], warnings: [Diagnostic] = []
    ) {
        self.nodes = nodes
        self.inventory = inventory
        self.units = units
        self.leader = leader
        self.problems = problems
        self.warnings = warnings
        let own = Set(units.map(\.owner))
        self.kustomizations = kustomizations.filter { $0.key.unit.map { !own.contains($0) } ?? false }
    }

    init(of api: any ClusterAPI) async throws {
        async let nodes = api.list(GroupVersionKind(group: "", version: "v1", kind: "Node"), namespace: "", labelSelector: nil)
        async let statuses = api.list(
            GroupVersionKind(group: "", version: "v1", kind: "ConfigMap"), namespace: HomelabNamespace.name,
            labelSelector: StatusReport.label)
        async let flux = api.list(FluxControllers.deployment, namespace: "", labelSelector: FluxControllers.label)
        async let leader = Leadership(of: api)
        let (catalog, problems) = try await Self.catalog(of: api)
        let written = try await statuses.items
        let units = written.compactMap { StatusReport(of: $0) }
        let silent = catalog.map { Self.silentSources(of: $0, own: Set(units.map(\.owner))) } ?? []
        self.init(
            nodes: try await nodes.items, inventory: written.compactMap { NodesReport(of: $0) }.first, units: units,
            kustomizations: catalog?.units ?? [], leader: try await leader, problems: problems + silent,
            // Not everybody may list them.
            warnings: FluxControllers.findings((try? await flux.items) ?? []))
    }

    /// None where the agent, which installs the kinds, has never led.
    private static func catalog(of api: any ClusterAPI) async throws -> (catalog: UnitCatalog?, problems: [Diagnostic]) {
        do {
            return (try await UnitCatalog(of: api), [])
        } catch is Diagnostic {
            return (nil, [])
        } catch let error as ClusterError {
            return (nil, [Diagnostic(.error, "the units cannot be listed", cause: error.description)])
        }
    }

    /// Units stay Ready while their repository cannot be looked at. The agent's own is told with its own unit.
    private static func silentSources(of catalog: UnitCatalog, own: Set<Ownership>) -> [Diagnostic] {
        func sources(ofOwn isOwn: Bool) -> Set<ObjectKey> {
            let units = catalog.units.filter { unit in (unit.key.unit.map { own.contains($0) } ?? false) == isOwn }
            return Set(units.compactMap { catalog.source(of: $0)?.key })
        }
        let followed = sources(ofOwn: false).subtracting(sources(ofOwn: true))
        let silent = catalog.sources.filter { followed.contains($0.key) && !$0.isSuspended && $0.isSilent }
        return silent.map { source in
            Diagnostic(
                .error, "gives no newer commit", subject: source.key.description, cause: UnitList.brief(source.readiness.message))
        }
    }

    var isHealthy: Bool { complaint.isEmpty }

    /// The first thing that is not well; empty when all is.
    var complaint: String {
        // What an agent wrote that acts no more says nothing of the cluster as it is now.
        if let leader, !leader.complaint.isEmpty { return leader.complaint }
        if let problem = problems.first {
            return [problem.subject, problem.summary, problem.cause].compactMap { $0 }.joined(separator: ": ")
        }
        if units.isEmpty { return "no agent has reported yet" }
        if let unit = units.first(where: { !$0.isHealthy }) { return "\(unit.unit): \(unit.phase.rawValue): \(unit.message)" }
        if let unit = units.first(where: { !$0.source.problem.isEmpty }) {
            return "\(unit.unit): repository: \(unit.source.problem): \(unit.source.message)"
        }
        if let unit = kustomizations.first(where: { $0.readiness.status != "True" }) {
            return "\(unit.namespace)/\(unit.name): \(unit.readiness.reason): \(unit.readiness.message)"
        }
        if let node = nodes.first(where: { !$0.isReady }) { return "node \(node.name) is not Ready" }
        if let node = inventory?.nodes.first(where: { !$0.isHealthy }) { return "node \(node.name): \(node.phase): \(node.message)" }
        return ""
    }

    func text(_ console: Console, isWide: Bool) -> String { StatusView(console: console, isWide: isWide).text(self) }

    var value: Value {
        [
            "healthy": .bool(isHealthy),
            "leader": leader?.json ?? .null,
            "nodes": .array(nodes.map { ["name": .string($0.name), "ready": .bool($0.isReady), "version": .string($0.kubeletVersion)] }),
            "inventory": inventory?.json ?? .null,
            "units": .array(units.map(\.json)),
            "kustomizations": .array(
                kustomizations.map { unit in
                    [
                        "namespace": .string(unit.namespace), "name": .string(unit.name), "ready": .string(unit.readiness.status),
                        "revision": .string(unit.appliedRevision), "reason": .string(unit.readiness.reason),
                        "message": .string(unit.readiness.message), "suspended": .bool(unit.isSuspended),
                    ]
                }),
            "problems": .array(problems.map(\.json)),
            "warnings": .array(warnings.map(\.json)),
        ]
    }

    /// That a leader renews its Lease, as it does all the time, is no news.
    func news(since earlier: ClusterSnapshot) -> ClusterSnapshot? { settled == earlier.settled ? nil : self }

    private var settled: Value {
        var value = value
        value["leader"]?["renewed"] = ""
        return value
    }
}

extension Manifest {
    var isReady: Bool {
        value[path: "status", "conditions"]?.array?.first { $0["type"] == "Ready" }?["status"] == "True"
    }

    var kubeletVersion: String { value[path: "status", "nodeInfo", "kubeletVersion"]?.string ?? "" }

    var address: String {
        value[path: "status", "addresses"]?.array?.first { $0["type"] == "InternalIP" }?["address"]?.string ?? ""
    }

    /// Whether it is a repository that gives no commit: one of Flux' conditions besides Ready, which may be about its spec only, says so.
    fileprivate var isSilent: Bool {
        conditions.contains { condition in
            switch condition.type {
            case "FetchFailed", "StorageOperationFailed", "IncludeUnavailable": condition.status == "True"
            case "SourceVerified": condition.status == "False"
            default: false
            }
        }
    }

    /// The roles that `kubectl get nodes` shows.
    var roles: [String] {
        (value[path: "metadata", "labels"]?.object?.keys ?? []).filter { $0.hasPrefix("node-role.kubernetes.io/") }
            .map { String($0.dropFirst("node-role.kubernetes.io/".count)) }.sorted()
    }
}
