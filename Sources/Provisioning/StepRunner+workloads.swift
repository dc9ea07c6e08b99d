internal import Diagnostics
internal import NodeInventory
internal import NodePlanning

/// The Deployments, StatefulSets and DaemonSets that have fewer ready pods than they ask for.
struct WorkloadHealth: Hashable, Sendable {
    /// By `deployment shop/web`, with what is missing: `1 of 2 ready`.
    private(set) var unhealthy: [String: String] = [:]

    /// One line a workload, which stays small in a cluster of any size.
    static let command = RemoteCommand([
        NodeLayout.k3s, "kubectl", "get", "deployments,statefulsets,daemonsets", "-A", "--request-timeout=20s", "-o",
        "jsonpath={range .items[*]}{.kind}|{.metadata.namespace}|{.metadata.name}|{.metadata.generation}|{.status.observedGeneration}"
            + "|{.spec.replicas}|{.status.availableReplicas}|{.status.readyReplicas}|{.status.desiredNumberScheduled}"
            + #"|{.status.numberReady}{"\n"}{end}"#,
    ])

    init(output: String) {
        for line in output.split(separator: "\n") {
            let fields = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
            guard fields.count == 10 else { continue }
            let number = { (index: Int) in Int(fields[index]) ?? 0 }
            let (wanted, there): (Int, Int) =
                switch fields[0] {
                case "Deployment": (number(5), number(6))
                case "StatefulSet": (number(5), number(7))
                default: (number(8), number(9))
                }
            let isSeen = number(4) >= number(3)
            if there >= wanted, isSeen { continue }
            unhealthy["\(fields[0].lowercased()) \(fields[1])/\(fields[2])"] = isSeen ? "\(there) of \(wanted) ready" : "not looked at yet"
        }
    }
}

extension StepRunner {
    /// What is unhealthy before the run changes anything: a workload that was broken before must not hold up an upgrade for ever.
    func takeBaseline(via: String) async {
        guard let server = hosts[via], let result = try? await server.run(WorkloadHealth.command), result.succeeded else { return }
        state.update { $0.unhealthyBefore = Set(WorkloadHealth(output: result.output).unhealthy.keys) }
    }

    func awaitWorkloads(_ node: String, via: String, _ step: Step) async throws {
        let server = try host(via, for: step.activity)
        let deadline = ContinuousClock.now + limits.workloads
        let before = state.now.unhealthyBefore
        var reason = "has not been looked at yet"
        while true {
            let began = ContinuousClock.now
            let result = try await server.run(WorkloadHealth.command)
            if result.succeeded {
                let health = WorkloadHealth(output: result.output)
                let missing = health.unhealthy.filter { before?.contains($0.key) != true }.sorted { $0.key < $1.key }
                if missing.isEmpty { return }
                reason = missing.prefix(5).map { "\($0.key): \($0.value)" }.joined(separator: "; ")
                if missing.count > 5 { reason += "; \(missing.count - 5) more" }
            } else {
                reason = "\(via) does not answer: \(result.complaint)"
            }
            detail(server, step, reason)
            if .now >= deadline {
                // Without a look at the beginning nobody can say whether this run has to do with it.
                if before == nil, result.succeeded {
                    recorder.emit(.note(node: node, text: "not healthy after \(limits.workloads.inSeconds): \(reason)"))
                    return
                }
                throw Diagnostic(
                    .error, "what ran before is not healthy again after \(limits.workloads.inSeconds)", subject: "node \"\(node)\"",
                    cause: recorder.scrub(reason),
                    remedy: "See why (`homelab why KIND/NAMESPACE/NAME`), put it right and run again: the rest follows.")
            }
            try await limits.pause(since: began)
        }
    }

    /// Asks for a member's removal and waits until it is seen to be gone, in etcd's own list too, and the others have had time to elect a
    /// leader: what is done to them meanwhile would be lost (docs.k3s.io, and the issues about a removed leader).
    func removeMember(_ node: String, via: String, _ step: Step) async throws {
        let server = try host(via, for: step.activity)
        let ask = RemoteCommand([
            NodeLayout.k3s, "kubectl", "annotate", "node", node, "--overwrite", "etcd.k3s.cattle.io/remove=true", "--request-timeout=20s",
        ])
        try await askAPI(ask, via: via, step)
        let deadline = ContinuousClock.now + limits.member
        while true {
            let began = ContinuousClock.now
            let answer = try await server.run(NodeStatus.command(node))
            if answer.succeeded {
                let status = try NodeStatus(json: answer.output)
                if status?.isRemovedMember ?? true {
                    let members = try await ClusterObserver.members(server) ?? []
                    if !members.contains(where: { $0.belongs(toNode: node, address: "none") }) { break }
                }
            }
            let reason = answer.succeeded ? "its member is still there" : "\(via) does not answer: \(answer.complaint)"
            detail(server, step, reason)
            if .now >= deadline {
                throw Diagnostic(
                    .error, "its etcd member was not taken out within \(limits.member.inSeconds)", subject: "node \"\(node)\"",
                    cause: recorder.scrub(reason), remedy: "See how the servers are (`homelab doctor`), then run again.")
            }
            try await limits.pause(since: began)
        }
        detail(server, step, "it is out; the others may need \(limits.election.inSeconds) to elect a leader")
        try await Task.sleep(for: limits.election)
    }
}
