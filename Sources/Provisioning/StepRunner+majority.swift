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
            guard let cluster = try await clusterFacts(from: server),
                let reason = try await MajorityCheck(hosts: hosts).reasonToKeep(server.name, in: cluster)
            else { return }
            detail(server, step, "waits: \(reason.text)")
            guard .now < deadline else {
                throw FailureElsewhere(
                    diagnostic: Diagnostic(
                        .error, "cannot \(step.activity): \(reason.text)", subject: "node \"\(server.name)\"", remedy: reason.remedy))
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
}
