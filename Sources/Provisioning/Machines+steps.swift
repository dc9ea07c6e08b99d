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
        } catch {
            let problem = FactGatherer.diagnostic(error, node: host.name)
            recorder.emit(.stepFailed(node: host.name, step: title, elapsed: ContinuousClock.now - start, diagnostic: problem))
            throw error
        }
        recorder.emit(.stepDone(node: host.name, step: title, elapsed: ContinuousClock.now - start))
        return result
    }

    /// Names the unit's present start: a restart that has only been queued must not be taken for done.
    func invocation(of node: NodeSpec, _ host: any Host) async throws -> String {
        try await host.run(InitSystem.invocation(node.role.unit)).output
    }

    /// Until the unit is active in another start than `before`, and a server's API is ready.
    func awaitRunning(_ node: NodeSpec, _ host: any Host, since before: String?) async throws {
        var watch = UnitWatch(unit: node.role.unit, cursor: nil)
        let deadline = ContinuousClock.now + .seconds(300)
        while true {
            let state = watch.read(try await host.run(watch.command).output).active
            var isAnother = true
            if let before, state == "active" { isAnother = try await invocation(of: node, host) != before }
            if state == "active", isAnother {
                if node.role == .agent { return }
                if try await host.run(Self.readyz).succeeded { return }
            }
            if .now >= deadline {
                throw Diagnostic(
                    .error, "k3s is not ready 5 min after its restart", subject: "node \"\(node.name)\"",
                    cause: watch.lastWords.map(recorder.scrub),
                    remedy: "`homelab doctor \(node.name)` says why; the nodes after it were left alone")
            }
            try await Task.sleep(for: .seconds(1))
        }
    }
}
