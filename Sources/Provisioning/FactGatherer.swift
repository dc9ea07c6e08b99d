package import Diagnostics
internal import Glibc
package import NodeInventory
package import NodePlanning

/// What a look at all nodes brought: facts or the reason why there are none, and the connections for the work that follows.
package struct NodeObservations: Sendable {
    package var observed: [String: NodeObservation] = [:]
    /// Connected hosts by node name.
    package var hosts: [String: any Host] = [:]
    /// The findings behind unreachable nodes, in full.
    package var problems: [Diagnostic] = []

    package init() {}

    package func close() async {
        for host in hosts.values { await host.close() }
    }
}

/// Looks at all nodes at once: connect, one round trip for all facts, parse.
package struct FactGatherer: Sendable {
    private let concurrency: Int
    private let recorder: RunRecorder

    package init(concurrency: Int = 20, recorder: RunRecorder) {
        self.concurrency = concurrency
        self.recorder = recorder
    }

    /// Facts of every node; a node that cannot be reached, refuses the login or whose host key is not to be trusted becomes an
    /// observation with the reason.
    /// - Parameters:
    ///   - connect: gives a connected host for a node; throws `HostError` or `Diagnostic`.
    package func gather(
        _ spec: ClusterSpec, nodes: [NodeSpec], connect: @escaping @Sendable (NodeSpec) async throws -> any Host
    ) async throws -> NodeObservations {
        let script = FactsScript.text(for: spec)
        recorder.emit(.phaseStarted(title: ProvisioningEvent.lookAtNodes, nodes: nodes.map(\.name), index: 1, count: 1))
        let start = ContinuousClock.now
        let looks = await parallel(nodes, limit: concurrency) { node in
            await look(at: node, script: script, connect: connect)
        }
        try Task.checkCancellation()
        var all = NodeObservations()
        for (node, look) in zip(nodes, looks) {
            all.observed[node.name] = look.observation
            if let host = look.host { all.hosts[node.name] = host }
            if let problem = look.problem { all.problems.append(problem) }
        }
        recorder.emit(.phaseDone(title: ProvisioningEvent.lookAtNodes, elapsed: ContinuousClock.now - start))
        return all
    }

    private struct Look: Sendable {
        var observation: NodeObservation
        var host: (any Host)?
        var problem: Diagnostic?
    }

    private func look(
        at node: NodeSpec, script: String, connect: @Sendable (NodeSpec) async throws -> any Host
    ) async -> Look {
        let step = ProvisioningEvent.gatherFacts
        let start = ContinuousClock.now
        recorder.emit(.stepStarted(node: node.name, step: step))
        var connected: (any Host)?
        do {
            let host = try await connect(node)
            connected = host
            let facts = try await Self.facts(of: host, script: script)
            recorder.emit(.stepDone(node: node.name, step: step, elapsed: ContinuousClock.now - start))
            return Look(observation: .facts(facts), host: host)
        } catch {
            let problem = Self.diagnostic(error, node: node.name)
            recorder.emit(.stepFailed(node: node.name, step: step, elapsed: ContinuousClock.now - start, diagnostic: problem))
            await connected?.close()
            let reason = problem.summary + (problem.cause.map { ": " + $0 } ?? "")
            return Look(observation: .unreachable(reason: reason), problem: problem)
        }
    }

    /// Runs the script and reads what it printed. The middle of the node's own time is held against the middle of the round trip, however
    /// long the node takes, so that clocks of nodes that were asked at different times can be compared: afterwards `clock.now` is what the node's clock shows
    /// when this machine's shows `reference` (seconds since 1970).
    package static func facts(of host: any Host, script: String, reference: Double? = nil) async throws -> NodeFacts {
        let sent = Self.secondsNow()
        let text = digests.preamble(for: host.name) + script
        let result = try await host.run(RemoteCommand(["sh", "-s"], input: .text(text)).asLook)
        let received = Self.secondsNow()
        guard result.succeeded else {
            throw Diagnostic(
                .error, "cannot gather its facts", subject: "node \"\(host.name)\"", cause: result.complaint,
                remedy: "Put right what the node says, then run again.")
        }
        var facts = try NodeFacts.parse(result.output)
        digests.note(facts, of: host.name)
        if facts.clock.now > 0 {
            let offset = (facts.clock.printed + facts.clock.ended - sent - received) / 2
            facts.clock.offset = offset
            facts.clock.now = (reference ?? Self.runReference) + offset
        }
        return facts
    }

    private static let digests = DigestMemory()

    /// One instant for all nodes of this process, so that equal clocks give equal numbers.
    private static let runReference = secondsNow()

    private static func secondsNow() -> Double {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
    }

    static func diagnostic(_ error: any Error, node: String) -> Diagnostic {
        switch error {
        case let error as HostError: error.diagnostic
        case let error as Diagnostic: error
        case is CancellationError: Diagnostic(.error, "stopped before it was looked at", subject: "node \"\(node)\"")
        default: Diagnostic(.error, String(describing: error), subject: "node \"\(node)\"")
        }
    }
}
