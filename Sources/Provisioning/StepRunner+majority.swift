internal import Diagnostics
internal import NodeInventory
internal import NodePlanning

extension StepRunner {
    /// Until etcd keeps its majority while this server is down for a moment: since the plan was made another one may have gone.
    /// A server whose own API does not answer is not waited with: it has nothing to give away, and may be what has to be put right.
    func awaitMajority(without server: any Host, _ step: Step) async throws {
        let deadline = ContinuousClock.now + limits.node
        while true {
            let began = ContinuousClock.now
            guard let facts = try await clusterFacts(from: server), let reason = Self.reasonToKeep(server.name, facts) else { return }
            detail(server, step, "waits: \(reason)")
            guard .now < deadline else {
                throw Diagnostic(
                    .error, "cannot \(step.activity): \(reason)", subject: "node \"\(server.name)\"",
                    remedy: "Bring the other servers back (`homelab doctor` tells why they are away), then run again.")
            }
            try await limits.pause(since: began)
        }
    }

    private func clusterFacts(from server: any Host) async throws -> ClusterFacts? {
        do {
            return try await ClusterObserver(recorder: recorder).ask(server).facts
        } catch let error as HostError {
            throw error
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            return nil
        }
    }

    /// Why a server must not be stopped now; nil when it may, or is no member of etcd.
    static func reasonToKeep(_ server: String, _ facts: ClusterFacts) -> String? {
        guard let node = facts.node(named: server), node.isEtcdMember else { return nil }
        let quorum = facts.quorum
        if quorum.survivesRestart(ofHealthy: node.isHealthyMember) { return nil }
        let away = facts.nodes.filter { $0.isEtcdMember && !$0.isHealthyMember && $0.name != server }.map(\.name)
        return "etcd has \(quorum.members) members, \(quorum.healthy) of them healthy, and would lose its majority without \(server)"
            + (away.isEmpty ? "" : " (\(away.joined(separator: ", ")) is away)")
    }
}
