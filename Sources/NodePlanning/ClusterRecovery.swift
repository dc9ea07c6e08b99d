package import NodeInventory

/// What can be done for a cluster whose API does not answer: start the servers that hold its data, and say what more it takes when
/// those are too few (docs.k3s.io/datastore/backup-restore, etcd's rule of the majority).
package struct ClusterRecovery: Hashable, Sendable {
    /// The starts of servers that hold the cluster's data; empty when all of those that can be reached run.
    package var plan: NodePlan
    /// What stands in the way, each with what a person does.
    package var notes: [NodeNote] = []
    /// The servers that can be reached and hold the cluster's data.
    package let holders: [String]
    /// Those that can be reached and hold none.
    package let empty: [String]
    /// Those that cannot be reached, each with why.
    package let unseen: [NodeNote]
    /// How many of how many servers have to run before the API can answer.
    package let majority: Int
    package let members: Int

    /// So many more servers have to come back first.
    package var missing: Int { max(0, majority - holders.count) }
    /// There may be a cluster to bring back.
    package var isOfCluster: Bool { !holders.isEmpty || !unseen.isEmpty }

    /// - Parameter plan: of a look at all nodes, with an API that does not answer.
    package init(_ plan: NodePlan, desired: ClusterSpec, observed: [String: NodeObservation]) {
        let servers = desired.nodes.filter { $0.role == .server && $0.state != .absent }
        let holding = servers.filter { observed[$0.name]?.facts?.holdsCluster == true }.map(\.name)
        holders = holding
        empty = servers.filter { observed[$0.name]?.facts?.holdsCluster == false }.map(\.name)
        unseen = servers.compactMap { server in
            switch observed[server.name] {
            case .facts: nil
            case .unreachable(let reason): NodeNote(node: server.name, reason, remedy: "switch it on and see that it is reachable")
            case nil: NodeNote(node: server.name, "was not looked at")
            }
        }
        let usesEtcd =
            holders.isEmpty ? servers.count > 1 : holders.contains { observed[$0]?.facts?.k3s.datastore == .etcd }
        members = usesEtcd ? holders.count + unseen.count : 1
        majority = Quorum.majority(of: members)
        self.plan = plan
        self.plan.pending = []
        self.plan.phases = plan.phases.filter { $0.kind == .firstServer || $0.kind == .servers }.compactMap { phase in
            var phase = phase
            phase.tasks = phase.tasks.filter { holding.contains($0.node) }
            // With what is on their disks: a change of the configuration is no part of a recovery.
            for index in phase.tasks.indices { phase.tasks[index].steps.removeAll(where: \.step.writesConfiguration) }
            phase.tasks.removeAll(where: \.steps.isEmpty)
            return phase.tasks.isEmpty ? nil : phase
        }
        let survivors = servers.filter { holding.contains($0.name) }
        notes = unseen + (missing > 0 ? [tooFew(survivors, survivors.map { observed[$0.name]?.facts?.system.words ?? .systemd })] : [])
    }

    /// Servers without the majority come up and wait for ever, so nothing is started.
    private func tooFew(_ survivors: [NodeSpec], _ words: [ServiceWords]) -> NodeNote {
        let names = unseen.compactMap(\.node)
        let count = holders.isEmpty ? "none" : "only \(holders.count)"
        let needs = members == 1 ? "the server that holds the data is needed" : "etcd needs \(majority) of its \(members) members"
        return NodeNote(
            node: nil, "\(needs), and \(count) can be reached",
            remedy: "bring \(Self.choice(missing, of: names)) back and run `homelab recover` again"
                + (survivors.first.map { "; when they are lost for good: " + beginAnew($0, Array(survivors.dropFirst()), words) } ?? ""))
    }

    /// The first survivor goes on with the newest data it has, the others join it.
    private func beginAnew(_ first: NodeSpec, _ others: [NodeSpec], _ words: [ServiceWords]) -> String {
        let unit = NodeRole.server.unit
        let stop = ServiceWords.either(words.map { $0.stop(unit) })
        let join =
            others.isEmpty
            ? "" : ResetRecipe.join(first, others.map(\.name), start: ServiceWords.either(words.dropFirst().map { $0.start(unit) })) + "; "
        return "on \(([first] + others).map(\.name).joined(separator: ", ")) \(stop); on \(first.name) \(ResetRecipe.reset()), which keeps "
            + "the newest data it has, and \(words[0].start(unit)); \(join)then write state: absent for the lost ones"
    }

    /// What is known of the servers, a line each, and what that means for the cluster.
    package var standing: [String] {
        var lines = holders.isEmpty ? ["no server answers"] : ["answers and holds the cluster's data: \(holders.joined(separator: ", "))"]
        if !empty.isEmpty { lines.append("answers and holds none of it: \(empty.joined(separator: ", "))") }
        lines += unseen.map { "does not answer: \($0.node ?? ""): \($0.text)" }
        if members > 1 {
            let verdict =
                missing > 0 ? "\(missing) more \(missing == 1 ? "has" : "have") to come back" : "those that answer are enough"
            lines.append("etcd needs \(majority) of its \(members) members: \(verdict)")
        }
        return lines
    }

    /// What is waited for: servers that may come back, or, while there are enough, the API of those that run.
    package var awaited: String {
        missing == 0 ? "the API of \(holders.joined(separator: ", "))" : Self.choice(missing, of: unseen.compactMap(\.node))
    }

    /// `m2`, `m2 and m3`, `m2 or m3`, `2 of m2, m3, m4`.
    private static func choice(_ count: Int, of names: [String]) -> String {
        if count >= names.count { return names.joined(separator: " and ") }
        return count == 1 ? names.joined(separator: " or ") : "\(count) of \(names.joined(separator: ", "))"
    }
}

extension Step {
    fileprivate var writesConfiguration: Bool {
        switch self {
        case .writeFile, .writeToken, .enableUnit: true
        default: false
        }
    }
}
