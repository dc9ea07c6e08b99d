package import Diagnostics
package import KubernetesModel
import YAML

/// Keeps one Machine object for each machine the agent reports, and tells what becomes of it as Events.
///
/// It is a view of the work on nodes and never stops it: what cannot be written is told, and written with the next report.
package actor MachineWriter {
    private static let definitionKind = GroupVersionKind(
        group: "apiextensions.k8s.io", version: "v1", kind: "CustomResourceDefinition")

    private let api: any ClusterAPI
    private let clock: any AgentClock
    private let events: EventRecorder
    private let journal: NodeJournal?
    /// The objects as they are in the cluster; nil before they were looked at.
    private var known: [String: Manifest]?
    private var written: [String: MachineStatus] = [:]

    package init(api: any ClusterAPI, clock: any AgentClock, events: EventRecorder, journal: NodeJournal?) {
        self.api = api
        self.clock = clock
        self.events = events
        self.journal = journal
    }

    /// - Parameter report: one without machines (an inventory that could not be read) says nothing about them.
    /// - Returns: why the objects are not as the report says.
    @discardableResult
    package func show(_ report: NodesReport) async -> Diagnostic? {
        guard !report.nodes.isEmpty else { return nil }
        do {
            var objects = try await objects()
            let changes = journal?.lastChanges ?? [:]
            for node in report.nodes {
                let status = MachineStatus(
                    node, of: report, lastChange: changes[node.name], before: objects[node.name], now: clock.timestamp)
                if written[node.name] == status { continue }
                let before = objects[node.name]
                objects[node.name] = try await write(status, over: before)
                written[node.name] = status
                known = objects
                tell(status, before)
            }
            let names = Set(report.nodes.map(\.name))
            for (name, object) in objects where !names.contains(name) {
                _ = try await api.delete(MachineKind.kind, namespace: "", name: name, options: DeleteOptions(uid: object.uid))
                written[name] = nil
                known?[name] = nil
            }
            return nil
        } catch {
            // Somebody removed an object or the definition, or the server is away: look afresh next time.
            known = nil
            written = [:]
            return Diagnostic(
                .warning, "the Machine objects could not be written", subject: "nodes", cause: "\(error)",
                remedy: "`homelab status` shows the machines all the same; it is tried again by itself")
        }
    }

    private func objects() async throws -> [String: Manifest] {
        if let known { return known }
        if try await api.get(Self.definitionKind, namespace: "", name: MachineKind.definition.name) == nil {
            _ = try await api.apply(MachineKind.definition, options: ApplyOptions(fieldManager: "homelab-agent"))
        }
        // A definition is served some moments after it is accepted.
        let deadline = clock.now + .seconds(20)
        while try await api.resource(for: MachineKind.kind) == nil {
            guard clock.now < deadline else {
                throw ClusterError(.unknownKind, subject: MachineKind.kind.description, message: "the server does not serve it")
            }
            try await clock.sleep(for: .milliseconds(200))
        }
        let found = try await api.list(MachineKind.kind, namespace: "", labelSelector: nil).items
        let objects = Dictionary(found.map { ($0.name, $0) }) { first, _ in first }
        known = objects
        return objects
    }

    private func write(_ status: MachineStatus, over before: Manifest?) async throws -> Manifest {
        if before == nil || before?.value["spec"] != status.manifest.value["spec"] {
            _ = try await api.apply(status.manifest, options: ApplyOptions(fieldManager: "homelab-agent"))
        }
        return try await api.mergePatch(MachineKind.kind, namespace: "", name: status.name, patch: status.patch, subresource: "status")
    }

    /// One Event for each change of what a person would see: another phase, or in the same phase another reason to be left as it is.
    private func tell(_ status: MachineStatus, _ before: Manifest?) {
        guard let object = known?[status.name] else { return }
        let old = before?.value[path: "status", "phase"]?.string
        let suffix = status.message.isEmpty ? "" : ": \(status.message)"
        var (reason, text) = (status.phase, (old.map { "\($0) -> \(status.phase)" } ?? status.phase) + suffix)
        if old == status.phase {
            let isSaid = status.message.isEmpty || status.message == before?.value[path: "status", "message"]?.string
            if isSaid || status.standing == MachineStatus.changing { return }
            (reason, text) = (status.standing, status.message)
        }
        events.record(
            EventRecorder.Event(
                reason, text, object: object.key, apiVersion: MachineKind.kind.apiVersion, uid: object.uid,
                isWarning: ["Failed", "NotReady", "ChangeRefused", "ChangeFrozen"].contains(reason)))
    }
}
