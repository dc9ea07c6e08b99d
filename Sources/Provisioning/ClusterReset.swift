package import Diagnostics
internal import NodeInventory
package import NodePlanning

extension Machines {
    /// Takes the whole cluster down: the homelab agents first, so that none of them puts anything back, then k3s and all its data, on
    /// agents before servers. Each machine is left as it was before `homelab bootstrap`; what stopped half-way can be begun again.
    /// - Parameter confirmed: asked before anything is done; gets what goes and what is left alone, and what could not be looked at.
    /// - Returns: what was left alone, and the machines that could not be reached or cleared, which keep what they have.
    /// - Throws: `Diagnostic` when nobody can tell which machines are of this cluster; what `confirmed` throws; `Diagnostics` when another
    ///   run works on one of them.
    package func reset(
        confirmed: (ResetScope, Diagnostics) async throws -> Void
    ) async throws -> (spared: [NodeNote], problems: Diagnostics) {
        try await with(spec.nodes, needsAll: false) { hosts, unreached in
            try await reset(hosts, unreached, confirmed: confirmed)
        }
    }

    /// The same over connections that are there.
    func reset(
        _ hosts: [String: any Host], _ unreached: Diagnostics, confirmed: (ResetScope, Diagnostics) async throws -> Void
    ) async throws -> (spared: [NodeNote], problems: Diagnostics) {
        let (scope, problems, _) = try await observe(hosts, unreached)
        try await confirmed(scope, problems)
        let names = Set(scope.nodes)
        let nodes = spec.nodes.filter { names.contains($0.name) }
        // A kubectl that renewed the Lease meanwhile would unpack k3s' tools anew on a machine that they are being taken off.
        let failed = try await holding(nodes, hosts, keepsLease: false) {
            // What the operator did not see on the list stays, and what is no longer of this cluster does too.
            let (now, lost, facts) = try await observe(hosts, unreached)
            let rest = nodes.filter { now.nodes.contains($0.name) }
            let changed = now.spared.filter { names.contains($0.node ?? "") }.map { $0.finding(.error) }
            let gone = lost.all.filter { lost in !problems.all.contains { $0.subject == lost.subject } }
            return Diagnostics(changed + gone + (try await take(rest, hosts, facts)).all)
        }
        return (scope.spared, Diagnostics(problems.all + failed.all))
    }

    /// - Returns: what the facts of the machines say, and why others were not seen, but for those that are to be absent.
    private func observe(
        _ hosts: [String: any Host], _ unreached: Diagnostics
    ) async throws -> (scope: ResetScope, problems: Diagnostics, facts: [String: NodeFacts]) {
        let script = FactsScript.text(for: spec)
        let (found, problems) = try await look(at: spec.nodes, hosts, unreached) { node, host in
            (node.name, try await FactGatherer.facts(of: host, script: script))
        }
        let facts = Dictionary(found) { first, _ in first }
        var observed = facts.mapValues { NodeObservation.facts($0) }
        var ofPresent = Diagnostics()
        for problem in problems.all {
            let node = spec.nodes.first { "node \"\($0.name)\"" == problem.subject }
            if let node { observed[node.name] = .unreachable(reason: problem.summary + (problem.cause.map { ": " + $0 } ?? "")) }
            if node?.state != .absent { ofPresent.append(problem) }
        }
        return (try ResetScope(spec, observed: observed), ofPresent, facts)
    }

    private func take(_ nodes: [NodeSpec], _ hosts: [String: any Host], _ facts: [String: NodeFacts]) async throws -> Diagnostics {
        var problems = await each(nodes.filter { $0.role == .server }, hosts, "stop the homelab agent") { _ in
            RemoteCommand(["sh", "-c", "{ \(InitSystem.disable(NodeLayout.agentUnit)); } 2>/dev/null; :"])
        }
        for role in [NodeRole.agent, .server] {
            let removed = await each(nodes.filter { $0.role == role }, hosts, "take k3s and homelab off it") { node in
                guard let facts = facts[node.name] else { return nil }
                return try Step.uninstall(Uninstallation(of: facts, from: spec)).commands(inputs: StepInputs()).first
            }
            problems.append(contentsOf: removed)
        }
        try Task.checkCancellation()
        return problems
    }

    /// Runs what `command` makes for a node on all these nodes at once, and tells what it prints.
    private func each(
        _ nodes: [NodeSpec], _ hosts: [String: any Host], _ title: String,
        _ command: @escaping @Sendable (NodeSpec) throws -> RemoteCommand?
    ) async -> Diagnostics {
        let outcomes = await parallel(nodes, limit: 20) { node -> Diagnostic? in
            guard let host = hosts[node.name] else { return nil }
            do {
                try await step(title, host) {
                    guard let command = try command(node) else { return }
                    let result = try await host.streamLines(command) { [recorder] in
                        recorder.emit(.stepDetail(node: node.name, step: title, text: $0))
                    }
                    recorder.log(node.name, result.output + result.errorOutput)
                    guard result.succeeded else {
                        throw Diagnostic(
                            .error, "cannot \(title)", subject: "node \"\(node.name)\"", cause: recorder.scrub(result.complaint),
                            remedy: "put right what the node says, then run again")
                    }
                }
                return nil
            } catch {
                return FactGatherer.diagnostic(error, node: node.name)
            }
        }
        return Diagnostics(outcomes.compactMap { $0 })
    }
}

extension NodeNote {
    /// For people who did not ask for a plan.
    package func finding(_ severity: Diagnostic.Severity) -> Diagnostic {
        Diagnostic(severity, "is left alone: \(text)", subject: node.map { "node \"\($0)\"" }, remedy: remedy)
    }
}
