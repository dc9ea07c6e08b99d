internal import Diagnostics
internal import NodeInventory
internal import NodePlanning
internal import YAML

extension StepRunner {
    /// Evicts the node's pods in short tries, and looks between them at what blocks, so that a wait always has a reason that can be read.
    /// A drain that is given up lets pods onto the node again: a run that failed leaves no node without use.
    func drain(_ request: DrainRequest, via: String, _ step: Step) async throws {
        let server = try host(via, for: step.activity)
        let deadline = ContinuousClock.now + .seconds(request.timeout)
        while true {
            let left = (deadline - .now).components.seconds
            let seconds = max(1, min(limits.drainTry.components.seconds, left))
            let result = try await run(Step.drainCommand(request, seconds: Int(seconds)), on: server)
            if result.succeeded { return }
            if let refused = Self.refusedPods(result.errorOutput) {
                throw try await givingUp(
                    request, via, "some pods would be lost by a drain", cause: refused,
                    remedy: "Delete them yourself or put them under a controller, then run again; or allow it with `policy.drain` (force, "
                        + "deleteEmptyDirData).")
            }
            let obstacles = try await obstacles(on: request.node, server)
            detail(server, step, obstacles.isEmpty ? result.complaint : "waits for " + obstacles.joined(separator: "; "))
            guard .now >= deadline else { continue }
            if request.force {
                recorder.emit(.note(node: request.node, text: "goes on without having moved \(obstacles.joined(separator: "; "))"))
                return
            }
            throw try await givingUp(
                request, via, "was not drained within \(request.timeout) s",
                cause: obstacles.isEmpty ? result.complaint : obstacles.joined(separator: "; "),
                remedy: "Give the blocking workload another replica elsewhere, or loosen its PodDisruptionBudget, then run again.")
        }
    }

    private func givingUp(
        _ request: DrainRequest, _ via: String, _ summary: String, cause: String, remedy: String
    ) async throws -> Diagnostic {
        let uncordon = Step.uncordon(node: request.node, via: via)
        for command in try uncordon.commands(inputs: StepInputs()) { try await askAPI(command, via: via, uncordon) }
        return Diagnostic(
            .error, summary, subject: "node \"\(request.node)\"", cause: recorder.scrub(cause), remedy: remedy)
    }

    /// kubectl refuses a whole drain for pods that nothing would make anew, or whose data would go: no waiting cures that.
    static func refusedPods(_ errors: String) -> String? {
        let lines = errors.split(whereSeparator: \.isNewline).map(String.init)
        let telling = lines.filter { $0.contains("cannot delete ") }.map { line in
            line.range(ofSubstring: "cannot delete ").map { String(line[$0.lowerBound...]) } ?? line
        }
        return telling.isEmpty ? nil : telling.uniqued.joined(separator: "; ")
    }

    private func obstacles(on node: String, _ server: any Host) async throws -> [String] {
        let result = try await server.run(DrainObstacles.command(node))
        guard result.succeeded, let found = try? DrainObstacles(output: result.output) else { return [] }
        return found.texts
    }
}

/// Why pods are still on a node that is being emptied: the PodDisruptionBudgets that allow no eviction now, and pods that take long to stop.
struct DrainObstacles {
    var texts: [String] = []

    private static let mark = "-- budgets"

    static func command(_ node: String) -> RemoteCommand {
        let kubectl = "\(NodeLayout.k3s) kubectl --request-timeout=10s"
        return RemoteCommand([
            "sh", "-c",
            """
            \(kubectl) get pods -A --field-selector "spec.nodeName=$1" -o json || exit 1
            echo '\(mark)'
            \(kubectl) get poddisruptionbudgets -A -o json
            """, "homelab", node,
        ])
    }

    init(output: String) throws(JSONError) {
        guard let split = output.range(ofSubstring: Self.mark) else { return }
        let pods = try JSONReader.value(String(output[..<split.lowerBound]))
        let budgets = try JSONReader.value(String(output[split.upperBound...]))
        for pod in pods["items"]?.array ?? [] where Self.isToMove(pod) {
            let namespace = pod[path: "metadata", "namespace"]?.string ?? ""
            let name = "pod \(namespace)/\(pod[path: "metadata", "name"]?.string ?? "")"
            if pod[path: "metadata", "deletionTimestamp"] != nil {
                texts.append("\(name), which is stopping")
            } else if let budget = (budgets["items"]?.array ?? []).first(where: { Self.blocks($0, pod) }) {
                let status = budget["status"]
                let healthy = status?["currentHealthy"]?.int ?? 0
                let desired = status?["desiredHealthy"]?.int ?? 0
                texts.append(
                    "\(name), which PodDisruptionBudget \(budget[path: "metadata", "name"]?.string ?? "") keeps: it needs \(desired) "
                        + "healthy and there are \(healthy)")
            } else {
                texts.append(name)
            }
        }
    }

    /// Neither a DaemonSet's, which would come back, nor a static pod, nor one that has ended.
    private static func isToMove(_ pod: Value) -> Bool {
        let owners = pod[path: "metadata", "ownerReferences"]?.array ?? []
        if owners.contains(where: { $0["kind"] == "DaemonSet" || $0["kind"] == "Node" }) { return false }
        if pod[path: "metadata", "annotations"]?["kubernetes.io/config.mirror"] != nil { return false }
        let phase = pod[path: "status", "phase"]?.string
        return phase != "Succeeded" && phase != "Failed"
    }

    private static func blocks(_ budget: Value, _ pod: Value) -> Bool {
        guard budget[path: "metadata", "namespace"] == pod[path: "metadata", "namespace"],
            (budget[path: "status", "disruptionsAllowed"]?.int ?? 0) == 0, let selector = budget[path: "spec", "selector"]
        else { return false }
        return selects(selector, pod[path: "metadata", "labels"])
    }

    /// A label selector (kubernetes.io/docs/concepts/overview/working-with-objects/labels).
    static func selects(_ selector: Value, _ labels: Value?) -> Bool {
        for member in selector["matchLabels"]?.object ?? .init() where labels?[member.key] != member.value { return false }
        for expression in selector["matchExpressions"]?.array ?? [] {
            guard let key = expression["key"]?.string else { continue }
            let value = labels?[key]
            let values = expression["values"]?.array ?? []
            switch expression["operator"]?.string {
            case "In": if value.map({ !values.contains($0) }) ?? true { return false }
            case "NotIn": if let value, values.contains(value) { return false }
            case "Exists": if value == nil { return false }
            case "DoesNotExist": if value != nil { return false }
            default: continue
            }
        }
        return true
    }
}
