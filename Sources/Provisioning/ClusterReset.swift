package import Diagnostics
internal import NodeInventory
internal import NodePlanning

extension Machines {
    /// Takes the whole cluster down: the homelab agents first, so that none of them puts anything back, then k3s and all its data, on
    /// agents before servers. Each machine is left as it was before `homelab bootstrap`; what stopped half-way can be begun again.
    /// - Returns: the machines that could not be reached, which keep what they have.
    package func reset() async throws -> Diagnostics {
        let nodes = spec.nodes
        return try await with(nodes, needsAll: false) { hosts, unreached in
            var problems = unreached
            let stopped = await each(nodes.filter { $0.role == .server }, hosts, "stop the homelab agent") { host, _ in
                RemoteCommand(["sh", "-c", "{ \(InitSystem.disable(NodeLayout.agentUnit)); } 2>/dev/null; :"])
            }
            problems.append(contentsOf: stopped)
            for role in [NodeRole.agent, .server] {
                let removed = await each(nodes.filter { $0.role == role }, hosts, "take k3s and homelab off it") { host, facts in
                    let routes = facts.network.routes.filter { route in
                        spec.network.pods.contains { $0.overlaps(route.destination) } && route.interface != "cni0"
                    }
                    let step = Step.uninstall(
                        Uninstallation(
                            cluster: spec.name, user: facts.access.user, home: facts.access.home,
                            routes: routes.map { $0.destination.description }))
                    guard let command = try step.commands(inputs: StepInputs()).first else { return nil }
                    return command
                }
                problems.append(contentsOf: removed)
            }
            try Task.checkCancellation()
            return problems
        }
    }

    /// Runs what `command` makes of a node's facts on all these nodes at once.
    private func each(
        _ nodes: [NodeSpec], _ hosts: [String: any Host], _ title: String,
        _ command: @escaping @Sendable (any Host, NodeFacts) throws -> RemoteCommand?
    ) async -> Diagnostics {
        let script = FactsScript.text(for: spec)
        let outcomes = await parallel(nodes.filter { hosts[$0.name] != nil }, limit: 20) { node -> Diagnostic? in
            guard let host = hosts[node.name] else { return nil }
            recorder.emit(.stepStarted(node: node.name, step: title))
            let start = ContinuousClock.now
            do {
                let facts = try await FactGatherer.facts(of: host, script: script)
                if let command = try command(host, facts) {
                    let result = try await host.run(command)
                    recorder.log(node.name, result.output + result.errorOutput)
                    guard result.succeeded else {
                        throw Diagnostic(
                            .error, "cannot \(title)", subject: "node \"\(node.name)\"", cause: recorder.scrub(result.complaint),
                            remedy: "put right what the node says, then run again")
                    }
                }
                recorder.emit(.stepDone(node: node.name, step: title, elapsed: ContinuousClock.now - start))
                return nil
            } catch {
                let problem = FactGatherer.diagnostic(error, node: node.name)
                recorder.emit(
                    .stepFailed(node: node.name, step: title, elapsed: ContinuousClock.now - start, diagnostic: problem))
                return problem
            }
        }
        return Diagnostics(outcomes.compactMap { $0 })
    }
}
