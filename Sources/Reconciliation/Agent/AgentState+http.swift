package import KubernetesModel

extension AgentState {
    /// What the agent's local port answers; a pure function of its state.
    ///
    /// | path       | answer                                                                         |
    /// |------------|--------------------------------------------------------------------------------|
    /// | `/healthz` | 200 while the process works at all                                             |
    /// | `/readyz`  | 200 when there is a commit and a leader is known (itself or another), else 503 |
    /// | `/metrics` | Prometheus' text format                                                        |
    package func response(path: String, now: Timestamp) -> (status: Int, contentType: String, body: String) {
        switch path {
        case "/healthz": return (200, "text/plain; charset=utf-8", "ok\n")
        case "/readyz":
            let missing = unready
            return missing.isEmpty
                ? (200, "text/plain; charset=utf-8", "ok\n")
                : (503, "text/plain; charset=utf-8", missing.map { "not ready: \($0)\n" }.joined())
        case "/metrics": return (200, "text/plain; version=0.0.4; charset=utf-8", metrics(now: now))
        default: return (404, "text/plain; charset=utf-8", "there are /healthz, /readyz and /metrics\n")
        }
    }

    private var unready: [String] {
        var reasons: [String] = []
        // An empty repository is where everybody starts, and with an ssh URL a key that the host has not been told of.
        let start: [SourceProblem.Kind?] = [.branchMissing, .keyRefused]
        if source.commit == nil, !start.contains(source.problem?.kind) {
            reasons.append(source.problem.map { "no commit yet: \($0.message)" } ?? "no commit yet")
        }
        if leader.isEmpty { reasons.append("no leader is known: the API server does not answer, or the lease is free") }
        if isLeading, let unit, unit.phase == .unreachable { reasons.append(unit.message) }
        return reasons
    }

    private func metrics(now: Timestamp) -> String {
        var text = MetricsText()
        text.gauge("homelab_agent_info", "What runs here.", 1, labels: [("node", node), ("version", version)])
        text.gauge("homelab_agent_leader", "1 while this agent acts, 0 while another does.", isLeading ? 1 : 0)
        text.gauge("homelab_agent_start_time_seconds", "When this process started.", Double(startedAt.secondsSinceEpoch))
        text.counter(
            "homelab_reconcile_total", "Passes over the unit, by result.",
            [
                (Double(passes - failedPasses), [("result", "success")]), (Double(failedPasses), [("result", "failure")]),
            ])
        text.summary("homelab_reconcile_duration_seconds", "How long the passes took.", sum: passSeconds, count: passes)
        text.gauge("homelab_reconcile_duration_seconds_max", "The longest pass.", longestPassSeconds)
        text.counter("homelab_objects_applied_total", "Objects created or changed.", [(Double(objectsApplied), [])])
        text.counter("homelab_objects_deleted_total", "Objects pruned.", [(Double(objectsDeleted), [])])
        text.counter("homelab_drift_repairs_total", "Changes made by others and set right.", [(Double(driftRepairs), [])])
        let contact = lastContact.map { Double($0.duration(to: now).components.seconds) } ?? -1
        text.gauge("homelab_source_age_seconds", "Since the repository last answered; -1 when it never did.", contact)
        text.gauge("homelab_source_healthy", "1 while the repository gives commits.", source.problem == nil ? 1 : 0)
        if let unit, isLeading {
            let labels = [("unit", unit.unit)]
            text.gauge(
                "homelab_unit_revision", "The commit that is applied.", 1,
                labels: labels + [("applied", unit.appliedRevision), ("attempted", unit.attemptedRevision)])
            text.gauge("homelab_unit_ready", "1 when everything is applied and healthy.", unit.isHealthy ? 1 : 0, labels: labels)
            text.gauge("homelab_unit_errors", "Findings about files and refused objects.", Double(unit.errors.count), labels: labels)
            text.gauges(
                "homelab_unit_objects", "Objects by health.",
                HealthStatus.allCases.map { (Double(unit.healthCounts[$0] ?? 0), labels + [("health", $0.rawValue)]) })
        }
        if isLeading {
            text.gauges(
                "homelab_kustomization_ready", "1 when a Kustomization is applied and healthy.",
                units.sorted { $0.key < $1.key }.map {
                    ($0.value ? 1 : 0, [("namespace", $0.key.namespace), ("name", $0.key.name)])
                })
        }
        text.counter(
            "homelab_node_steps_total", "Steps on nodes by result, since the start.",
            [JournalEntry.Result.done, .failed, .skipped, .interrupted, .refused].map {
                (Double(nodeSteps[$0] ?? 0), [("result", $0.rawValue)])
            })
        if let nodes, isLeading {
            text.gauges(
                "homelab_node_healthy", "1 for a node that is as the inventory says.",
                nodes.nodes.map { ($0.isHealthy ? 1 : 0, [("node", $0.name), ("phase", $0.phase)]) })
            text.gauges(
                "homelab_machine_info", "What each machine of the inventory runs.",
                nodes.nodes.map { (1, [("node", $0.name), ("role", $0.role), ("version", $0.version), ("phase", $0.phase)]) })
            text.gauge("homelab_nodes_errors", "Findings about the inventory and the machines.", Double(nodes.errors.count))
        }
        return text.text
    }
}
