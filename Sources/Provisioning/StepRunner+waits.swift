internal import Diagnostics
internal import NodeInventory
internal import NodePlanning

extension StepRunner {
    /// Until the unit is active and a server's API says it is ready. Ends early when the journal shows what no waiting cures.
    func awaitK3s(_ role: NodeRole, _ step: Step, on host: any Host) async throws {
        var watch = UnitWatch(unit: role.unit, cursor: state.now.cursors["\(host.name)/\(role.unit)"])
        let deadline = ContinuousClock.now + limits.k3s
        var reason = "has not said anything yet"
        var restartsBefore: Int?
        while true {
            let began = ContinuousClock.now
            let look = try await self.look(&watch, on: host)
            restartsBefore = restartsBefore ?? look.restarts
            if look.active == "active" {
                if role == .agent { return }
                let ready = try await host.run(ClusterObserver.readyz)
                if ready.succeeded { return }
                reason = "the API server is not ready: \(ready.complaint)"
            } else {
                reason = watch.lastWords ?? "the unit is \(look.active)"
            }
            detail(host, step, reason)
            if let diagnosis = watch.diagnosis, diagnosis.isHopeless, look.active != "active" {
                throw diagnosis.diagnostic(node: host.name, watch.words)
            }
            if let end = end(look, since: restartsBefore, watch, role) { throw ended(end, role, watch, reason, on: host) }
            if .now >= deadline { throw notReady(watch, reason, "k3s", after: limits.k3s, on: host) }
            try await limits.pause(since: began)
        }
    }

    /// Until the Node object is Ready and, on an etcd server, its member votes: only then may the next server join.
    func awaitNode(
        _ name: String, via: String, voting: Bool, version: String? = nil, _ step: Step, on host: any Host
    ) async throws {
        let server = try self.host(via, for: step.activity)
        let node = hosts[name]
        let role: NodeRole = voting || via == name ? .server : .agent
        var watch = UnitWatch(unit: role.unit, cursor: state.now.cursors["\(name)/\(role.unit)"])
        var restartsBefore: Int?
        let deadline = ContinuousClock.now + limits.node
        var looks = 0
        while true {
            let began = ContinuousClock.now
            let reason: String
            let answer = try await server.run(NodeStatus.command(name))
            let isAway = !answer.succeeded
            if isAway {
                reason = "\(via) does not answer: \(answer.complaint)"
            } else if let status = try NodeStatus(json: answer.output) {
                let isOfVersion = version == nil || status.kubeletVersion == version
                if !isOfVersion {
                    reason = "its kubelet is still \(status.kubeletVersion)"
                } else if !status.isReady {
                    reason = "not Ready: \(status.reason)"
                } else if voting, status.isVotingMember != true {
                    let isMember = status.isVotingMember != nil
                    reason = isMember ? "Ready, its etcd member does not vote yet" : "Ready, its etcd member is not there yet"
                } else if let node, try await !status.isOfRunningK3s(role, on: node) {
                    reason = NodeStatus.isOfEarlierK3s
                } else {
                    return
                }
            } else {
                reason = "it has not registered yet"
            }
            // The journal costs a round trip, so it is read now and then only, for the reason behind a node that does not come.
            if let node, looks % 4 == 3 {
                let look = try await look(&watch, on: node)
                restartsBefore = restartsBefore ?? look.restarts
                if let end = end(look, since: restartsBefore, watch, role) { throw ended(end, role, watch, reason, on: node) }
            }
            looks += 1
            let words = reason.hasPrefix("it has not registered") ? watch.lastWords.map { "; k3s: \($0)" } ?? "" : ""
            detail(host, step, reason + words)
            if .now >= deadline {
                let found = notReady(watch, reason, "node \(name)", after: limits.node, on: host)
                throw isAway && via != name ? FailureElsewhere(diagnostic: found) : found
            }
            try await limits.pause(since: began)
        }
    }

    /// Until the homelab agent on the node says that it is healthy.
    func awaitAgent(_ listen: String, _ step: Step, on host: any Host) async throws {
        let unit = NodeLayout.agentUnit
        var watch = UnitWatch(unit: unit, cursor: state.now.cursors["\(host.name)/\(unit)"])
        let deadline = ContinuousClock.now + limits.agent
        while true {
            let began = ContinuousClock.now
            let health = try await host.run(RemoteCommand([NodeLayout.homelab, "agent-health", listen], asRoot: false))
            let look = try await self.look(&watch, on: host)
            // An old agent may still answer while the new one is being started over and over.
            if health.succeeded, look.active == "active" { return }
            let reason = look.active == "active" ? health.complaint : watch.lastWords ?? "the unit is \(look.active)"
            detail(host, step, reason)
            if .now >= deadline || watch.hasGivenUp {
                let summary =
                    watch.hasGivenUp
                    ? "the homelab agent has ended, and \(watch.words.supervisor) does not start it again"
                    : "the homelab agent is not healthy after \(limits.agent.inSeconds)"
                throw Diagnostic(
                    .error, summary, subject: "node \"\(host.name)\"",
                    cause: recorder.scrub(reason), remedy: "Look at all it said (\(watch.words.log(unit)) on the node), then run again.")
            }
            try await limits.pause(since: began)
        }
    }

    private func look(_ watch: inout UnitWatch, on host: any Host) async throws -> UnitWatch.Look {
        let result = try await host.run(watch.command)
        let look = watch.read(result.output)
        for line in look.lines { recorder.log(host.name, line) }
        return look
    }

    /// Why no waiting helps any more: nobody starts k3s again, or it was begun again more often since the first look than a cluster that
    /// only has to come up explains.
    private func end(_ look: UnitWatch.Look, since before: Int?, _ watch: UnitWatch, _ role: NodeRole) -> String? {
        if watch.hasGivenUp { return "k3s has ended, and \(watch.words.supervisor) does not start it again" }
        let times = look.restarts - (before ?? look.restarts)
        guard look.active != "active", times >= (role == .agent ? limits.agentRestarts : limits.serverRestarts) else { return nil }
        return "k3s ended \(times) times and does not come up"
    }

    private func ended(_ summary: String, _ role: NodeRole, _ watch: UnitWatch, _ reason: String, on host: any Host) -> Diagnostic {
        let diagnosis = watch.diagnosis
        if let diagnosis, diagnosis.isOfKnownCause {
            var known = diagnosis.diagnostic(node: host.name, watch.words)
            known.summary = "\(summary): \(known.summary)"
            return recorder.scrubbed(known)
        }
        return Diagnostic(
            .error, summary, subject: "node \"\(host.name)\"", cause: recorder.scrub(diagnosis?.evidence ?? reason),
            remedy: "Look at all it said (\(watch.words.log(role.unit)) on the node), then run again.")
    }

    private func notReady(_ watch: UnitWatch, _ reason: String, _ what: String, after: Duration, on host: any Host) -> Diagnostic {
        if var known = watch.diagnosis?.diagnostic(node: host.name, watch.words) {
            known.summary = "\(what) is not ready after \(after.inSeconds): \(known.summary)"
            known.cause = known.cause.map { recorder.scrub($0) }
            return known
        }
        return Diagnostic(
            .error, "\(what) is not ready after \(after.inSeconds)", subject: "node \"\(host.name)\"", cause: recorder.scrub(reason),
            remedy: "Look at all it said (\(watch.words.log(watch.unit)) on the node); a further run goes on waiting.")
    }
}
