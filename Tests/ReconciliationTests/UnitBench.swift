import Diagnostics
import Git
import HomelabTestSupport
import KubernetesClient
import KubernetesModel
import Kustomize
import SyncPlanning
import Testing
import YAML

@testable import Reconciliation

/// Runs one unit's reconciler against a cluster in memory and a repository in memory.
struct UnitBench {
    let api: FakeClusterAPI
    let repository = MemoryRepository()
    /// A repository of a real git in its place.
    var followed: (any RepositorySource)?
    private(set) var monitor = Self.newMonitor
    /// The directories that were built, in order.
    let built = Shared<[String]>([])
    /// The directories whose build takes until they are not in here any more.
    let held = Shared<Set<String>>([])
    /// Makes the objects of a directory.
    var manifests = KustomizeManifests()
    var spec = UnitSpec(owner: Ownership(namespace: "homelab-system", name: "home"), path: "clusters/home")

    /// Reaches what GitRepositories name.
    var repositories: RepositoryFactory?
    var answersWebhooks = false
    var clock: any AgentClock = SystemClock()

    /// Another cluster, which kubeconfigs with the server `https://other:6443` lead to; each client that was made for it is counted.
    let other = FakeClusterAPI(name: "-other")
    let connections = Shared<[ClusterConnection]>([])

    /// What the next agent finds: the same cluster and repository. It knows nothing of what the one before it did.
    var next: UnitBench {
        var next = self
        next.monitor = Self.newMonitor
        return next
    }

    private static var newMonitor: Shared<AgentState> {
        Shared(AgentState(node: "m1", version: "1.0", identity: "m1_1", startedAt: Timestamp(secondsSinceEpoch: 0)))
    }

    init(api: FakeClusterAPI = FakeClusterAPI()) { self.api = api }

    /// Runs the agent's parts for as long as `body` takes, then stops them.
    func run(_ body: (GitSource) async throws -> Void) async rethrows {
        let source = GitSource(repository: followed ?? repository, clock: clock, pollInterval: .seconds(3600))
        await source.awaitTrust()
        let events = EventRecorder(api: api, clock: clock, node: "m1")
        let context = UnitContext(
            api: api, clock: clock, manifests: NotedManifests(source: manifests, built: built, held: held), events: events,
            status: StatusWriter(api: api), monitor: monitor,
            clusters: { [other, connections] connection in
                connections.update { $0.append(connection) }
                guard connection.server == "https://other:6443" else {
                    throw ClusterError(.unreachable, subject: connection.server, message: "no route to host")
                }
                return other
            })
        let units = UnitSupervisor(
            root: spec, context: context,
            own: UnitSupervisor.OwnSource(source: source, url: "ssh://m1/srv/home.git", branch: "main"),
            factory: repositories, answersWebhooks: answersWebhooks)
        let running = Task {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await source.run() }
                group.addTask { await events.run() }
                group.addTask { await units.run() }
            }
        }
        do {
            try await body(source)
        } catch {
            running.cancel()
            await running.value
            throw error
        }
        running.cancel()
        await running.value
    }

    /// What `homelab status` would read.
    func report() async -> StatusReport? {
        let key = ObjectKey(group: "", kind: "ConfigMap", namespace: "homelab-system", name: "homelab-status-home")
        return await api.object(key).flatMap { StatusReport(of: $0) }
    }

    /// What the units and repositories say of themselves, for a test that waits in vain.
    func standing() async -> String {
        var lines = ["\(spec.owner): \(await report().map { "\($0.phase) at \($0.appliedRevision): \($0.message)" } ?? "no report")"]
        for key in await api.keys.sorted() where key.unit != nil || key.kind == FluxKinds.gitRepository.kind {
            let conditions = await FluxConditions(api.object(key)?.value[path: "status", "conditions"])
            lines.append("\(key): \(conditions.all.map { "\($0.type) \($0.status) \($0.reason): \($0.message)" }.joined(separator: "; "))")
        }
        return lines.joined(separator: "\n")
    }

    func recorded() async throws -> [String] {
        let key = ObjectKey(group: "", kind: "ConfigMap", namespace: "homelab-system", name: "homelab-inventory-home")
        let text = await api.object(key)?.value[path: "data", "objects"]?.string ?? ""
        return try #require(ResourceInventory(text: text)).keys.map(\.description)
    }

    func phase(_ phase: StatusReport.Phase, at commit: CommitInfo? = nil) async throws {
        try await eventually("\(phase) at \(commit?.id.hex.prefix(8) ?? "any commit")", { await String(describing: report()) }) {
            guard let report = await report() else { return false }
            return report.phase == phase && (commit == nil || report.appliedRevision == commit?.id.hex)
        }
    }
}

/// Builds as the agent does, and notes what.
private struct NotedManifests: ManifestSource {
    let source: KustomizeManifests
    let built: Shared<[String]>
    let held: Shared<Set<String>>

    var asksOthers: Bool { source.asksOthers }
    func isCurrent(_ followed: [RemoteName: RemoteCommit]) async throws -> Bool { try await source.isCurrent(followed) }

    func build(
        _ files: GitFileTree, at path: String, overlay: FluxOverlay?, decryption: FileDecryption
    ) async throws(Diagnostics) -> BuiltManifests {
        while held.value.contains(path), !Task.isCancelled { try? await Task.sleep(for: .milliseconds(2)) }
        built.update { $0.append(path) }
        return try await source.build(files, at: path, overlay: overlay, decryption: decryption)
    }
}

/// Waits until something is so; fails, saying what was instead, when it is not within a minute.
func eventually(
    _ what: String, _ state: () async -> String = { "" }, sourceLocation: Testing.SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async throws {
    let clock = ContinuousClock()
    let deadline = clock.now + .seconds(60)
    while clock.now < deadline {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(2))
    }
    Issue.record("not within a minute: \(what). \(await state())", sourceLocation: sourceLocation)
    throw NotReached()
}

struct NotReached: Error {}

/// The files of small apps.
enum Files {
    static let namespace = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: web\n"

    static func config(_ title: String, name: String = "site", namespace: String = "web") -> String {
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: \(name)\n  namespace: \(namespace)\ndata:\n  title: \"\(title)\"\n"
    }

    static func deployment(_ name: String = "site", image: String = "web:1") -> String {
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: \(name)
          namespace: web
        spec:
          replicas: 1
          selector: {matchLabels: {app: \(name)}}
          template:
            metadata: {labels: {app: \(name)}}
            spec: {containers: [{name: web, image: "\(image)"}]}

        """
    }

    static func app(title: String = "one") -> [String: String] {
        ["clusters/home/namespace.yaml": namespace, "clusters/home/config.yaml": config(title)]
    }

    static let namespaceKey = ObjectKey(group: "", kind: "Namespace", name: "web")
    static let configKey = ObjectKey(group: "", kind: "ConfigMap", namespace: "web", name: "site")
    static let deploymentKey = ObjectKey(group: "apps", kind: "Deployment", namespace: "web", name: "site")

    /// The status of a Deployment whose one replica runs.
    static func running(_ generation: Int64) -> Value {
        [
            "observedGeneration": .int(generation), "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
            "conditions": [
                ["type": "Available", "status": "True"], ["type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"],
            ],
        ]
    }
}
