internal import Diagnostics
internal import NodeInventory
internal import NodePlanning

extension Machines {
    /// Tells that something begins on a machine, does it, and tells how it ended.
    func step<T: Sendable>(_ title: String, _ host: any Host, _ body: () async throws -> T) async throws -> T {
        recorder.emit(.stepStarted(node: host.name, step: title))
        let start = ContinuousClock.now
        let result: T
        do {
            result = try await body()
        } catch is CancellationError {
            recorder.emit(.stepSkipped(node: host.name, step: title, reason: "stopped"))
            throw CancellationError()
        } catch {
            let problem = FactGatherer.diagnostic(error, node: host.name)
            recorder.emit(.stepFailed(node: host.name, step: title, elapsed: ContinuousClock.now - start, diagnostic: problem))
            throw error
        }
        recorder.emit(.stepDone(node: host.name, step: title, elapsed: ContinuousClock.now - start))
        return result
    }

    /// A step that may wait for long: `tell` says for what, with the last reason the machine gave.
    func waitingStep<T: Sendable>(
        _ title: String, _ host: any Host, _ body: (_ tell: (String) -> Void) async throws -> T
    ) async throws -> T {
        try await step(title, host) {
            try await body { recorder.emit(.stepDetail(node: host.name, step: title, text: $0)) }
        }
    }

    /// Names the unit's present start: a restart that has only been queued must not be taken for done.
    func invocation(of node: NodeSpec, _ host: any Host) async throws -> String {
        try await host.run(InitSystem.invocation(node.role.unit)).output
    }

    /// Until the unit is active in another start than `before`, and a server's API is ready. Ends early when the journal shows what no
    /// waiting cures.
    func awaitRunning(_ node: NodeSpec, _ host: any Host, since before: String?, tell: (String) -> Void) async throws {
        var watch = UnitWatch(unit: node.role.unit, cursor: nil)
        let deadline = ContinuousClock.now + .seconds(300)
        while true {
            let state = watch.read(try await host.run(watch.command).output).active
            var reason = watch.lastWords ?? "the unit is \(state)"
            if state == "active" {
                if let before, try await invocation(of: node, host) == before {
                    reason = "it has not been started anew yet"
                } else {
                    if node.role == .agent { return }
                    let ready = try await host.run(ClusterObserver.readyz)
                    if ready.succeeded { return }
                    reason = "the API server is not ready: \(ready.complaint)"
                }
            } else if let diagnosis = watch.diagnosis, diagnosis.isHopeless {
                throw diagnosis.diagnostic(node: node.name, watch.words)
            }
            tell(reason)
            if .now >= deadline || watch.hasGivenUp {
                let summary =
                    watch.hasGivenUp
                    ? "k3s has ended, and \(watch.words.supervisor) does not start it again" : "k3s is not ready 5 min after its restart"
                var problem = Diagnostic(
                    .error, summary, subject: "node \"\(node.name)\"", cause: recorder.scrub(reason),
                    remedy: "`homelab doctor \(node.name)` says why; the nodes after it were left alone")
                if let known = watch.diagnosis, known.isOfKnownCause {
                    problem.summary += ": " + known.summary
                    problem.cause = recorder.scrub(known.evidence)
                }
                throw problem
            }
            try await Task.sleep(for: .seconds(1))
        }
    }
}
