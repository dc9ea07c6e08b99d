package import Diagnostics
package import NodeInventory
internal import NodePlanning

/// What `homelab doctor` found out about one node.
package struct Examination: Sendable {
    package let node: String
    /// The unit k3s runs as there, and its state in systemd's words.
    package let unit: String
    package let state: String
    package let restarts: Int
    /// Cause and remedy, as far as the journal tells; nil when there is nothing to say against it.
    package let finding: Diagnostic?
    /// The newest thing k3s said.
    package let lastWords: String?

    package var isWell: Bool { state == "active" && finding == nil }
}

extension Machines {
    /// Reads the journals of k3s on these nodes, each since its unit's latest start, and names cause and remedy.
    package func examine(_ nodes: [NodeSpec]) async throws -> (examinations: [Examination], unreached: Diagnostics) {
        try await with(nodes, needsAll: false) { hosts, unreached in
            let reached = nodes.filter { hosts[$0.name] != nil }
            let examinations = await parallel(reached, limit: 20) { node -> Examination? in
                guard let host = hosts[node.name] else { return nil }
                return try? await Self.examine(node, host)
            }
            try Task.checkCancellation()
            return (examinations.compactMap { $0 }, unreached)
        }
    }

    private static func examine(_ node: NodeSpec, _ host: any Host) async throws -> Examination {
        var watch = UnitWatch(unit: node.role.unit, cursor: nil)
        let look = watch.read(try await host.run(watch.command).output)
        var finding: Diagnostic?
        if look.active != "active" {
            finding = watch.diagnosis?.diagnostic(node: node.name, watch.words) ?? unexplained(look.active, node, watch)
        } else if node.role == .server {
            let ready = try await host.run(
                RemoteCommand([NodeLayout.k3s, "kubectl", "get", "--raw", "/readyz", "--request-timeout=5s"]))
            if !ready.succeeded {
                finding =
                    watch.diagnosis?.diagnostic(node: node.name, watch.words)
                    ?? Diagnostic(
                        .error, "k3s runs, but its API is not ready", subject: "node \"\(node.name)\"", cause: ready.complaint,
                        remedy: "wait a minute; if it stays so: \(watch.words.log(node.role.unit)) on it (`homelab ssh \(node.name)`)")
            }
        }
        return Examination(
            node: node.name, unit: node.role.unit, state: look.active, restarts: look.restarts, finding: finding, lastWords: watch.lastWords
        )
    }

    private static func unexplained(_ state: String, _ node: NodeSpec, _ watch: UnitWatch) -> Diagnostic {
        if state == "inactive", watch.lastWords == nil {
            return Diagnostic(
                .error, "k3s is not running", subject: "node \"\(node.name)\"",
                remedy: "`homelab bootstrap` installs or starts it")
        }
        return Diagnostic(
            .error, "k3s is \(state), for a reason that is not known here", subject: "node \"\(node.name)\"", cause: watch.lastWords,
            remedy: "\(watch.words.log(node.role.unit)) on it (`homelab ssh \(node.name)`) shows all it said")
    }
}
