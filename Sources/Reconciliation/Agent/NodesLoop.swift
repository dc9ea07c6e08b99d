import Diagnostics
import Git
package import KubernetesModel
package import YAML

/// Calls the node reconciler with each new commit, and when its own wait is over, and shows what it says.
struct NodesLoop: Sendable {
    let nodes: any NodeReconciling
    let source: GitSource
    let status: StatusWriter
    let machines: MachineWriter
    let clock: any AgentClock
    let monitor: Shared<AgentState>

    func run() async {
        let bell = Bell()
        source.state.attach(bell)
        defer { source.state.detach(bell) }
        var done: ObjectID?
        var againAt: Duration?
        while !Task.isCancelled {
            // A look at the repository that finds nothing new is no reason to look at the machines.
            let isDue = againAt.map { clock.now >= $0 } ?? false
            guard let commit = source.state.value.commit, commit.id != done || isDue else {
                await bell.wait(until: againAt, clock: clock)
                continue
            }
            let report = await reconcile(commit)
            await show(report)
            done = commit.id
            againAt = report.again.map { clock.now + $0 }
        }
    }

    private func reconcile(_ commit: CommitInfo) async -> NodesReport {
        do {
            let tree = try await source.repository.tree(of: commit.id, under: ["inventory"])
            return await nodes.reconcile(
                commit: commit, tree: tree, isSuperseded: { source.state.value.commit?.id != commit.id || Task.isCancelled },
                report: { await show($0) })
        } catch {
            return NodesReport(
                revision: commit.id.hex, errors: [Diagnostic(.error, "the inventory could not be read", cause: error.message)],
                again: .seconds(30))
        }
    }

    private func show(_ report: NodesReport) async {
        monitor.update { $0.nodes = report }
        _ = try? await status.write(report.manifest)
        await machines.show(report)
    }
}

extension NodesReport {
    package static let configMapName = "homelab-nodes"

    package var manifest: Manifest {
        Manifest([
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": [
                "namespace": .string(HomelabNamespace.name), "name": .string(Self.configMapName),
                "labels": .object(Object([.init(key: StatusReport.label, value: "nodes")])),
            ],
            "data": ["status.json": .string(JSONWriter.text(json))],
        ])
    }

    package init?(of manifest: Manifest) {
        guard let text = manifest.value[path: "data", "status.json"]?.string, let value = try? JSONReader.value(text) else { return nil }
        self.init(json: value)
    }

    package var json: Value {
        [
            "revision": .string(revision),
            "nodes": .array(
                nodes.map {
                    [
                        "name": .string($0.name), "role": .string($0.role), "phase": .string($0.phase), "healthy": .bool($0.isHealthy),
                        "version": .string($0.version), "message": .string($0.message),
                    ]
                }),
            "errors": .array(errors.map(\.json)),
        ]
    }

    package init?(json: Value) {
        guard let revision = json["revision"]?.string else { return nil }
        let nodes = (json["nodes"]?.array ?? []).compactMap { node -> Node? in
            guard let name = node["name"]?.string, let phase = node["phase"]?.string else { return nil }
            return Node(
                name: name, role: node["role"]?.string ?? "", phase: phase, isHealthy: node["healthy"]?.bool ?? false,
                version: node["version"]?.string ?? "", message: node["message"]?.string ?? "")
        }
        self.init(revision: revision, nodes: nodes, errors: (json["errors"]?.array ?? []).compactMap { Diagnostic(json: $0) })
    }
}
