package import Diagnostics
package import NodeInventory
internal import NodePlanning
internal import YAML

/// What `homelab doctor` found out about one node.
package struct Examination: Sendable {
    package let node: String
    /// The unit k3s runs as there, and its state in systemd's words.
    package let unit: String
    package let state: String
    package let restarts: Int
    /// Cause and remedy, as far as the journal tells; nil when there is nothing to say against it.
    package fileprivate(set) var finding: Diagnostic?
    /// The newest thing k3s said.
    package fileprivate(set) var lastWords: String?

    package var isWell: Bool { state == "active" && finding == nil }
}

extension Machines {
    /// Reads the journals of k3s on these nodes, each since its unit's latest start, asks a server what it knows of them, and names cause and
    /// remedy. What cannot be reached or read is told beside.
    package func examine(_ nodes: [NodeSpec]) async throws -> (examinations: [Examination], unreached: Diagnostics) {
        let others = spec.servers.filter { server in server.state != .absent && !nodes.contains { $0.name == server.name } }
        return try await with(nodes + others, needsAll: false) { hosts, unreached in
            let named = Set(nodes.map { "node \"\($0.name)\"" })
            return try await examine(nodes, hosts, Diagnostics(unreached.all.filter { named.contains($0.subject ?? "") }))
        }
    }

    /// The same over connections that are there.
    func examine(
        _ nodes: [NodeSpec], _ hosts: [String: any Host], _ unreached: Diagnostics
    ) async throws -> (examinations: [Examination], unreached: Diagnostics) {
        let known = await registeredNodes(hosts)
        let (examinations, problems) = try await look(at: nodes, hosts, unreached) { node, host in
            var found = try await Self.examine(node, host, known)
            found.finding = found.finding.map { recorder.scrubbed($0) }
            found.lastWords = found.lastWords.map(recorder.scrub)
            return found
        }
        return (examinations, problems)
    }

    /// What the first server whose API answers knows of the cluster's nodes, by name; nil when none answers.
    private func registeredNodes(_ hosts: [String: any Host]) async -> [String: RegisteredNode]? {
        let command = RemoteCommand([NodeLayout.k3s, "kubectl", "--request-timeout=5s", "get", "nodes", "-o", "json"])
        for server in spec.servers {
            guard let answer = try? await hosts[server.name]?.run(command.asLook), answer.succeeded,
                let items = (try? JSONReader.value(answer.output))?["items"]?.array
            else { continue }
            let nodes = items.compactMap { item in item[path: "metadata", "name"]?.string.map { ($0, RegisteredNode(item)) } }
            return Dictionary(nodes) { first, _ in first }
        }
        return nil
    }

    private static func examine(
        _ node: NodeSpec, _ host: any Host, _ known: [String: RegisteredNode]?
    ) async throws -> Examination {
        var watch = UnitWatch(unit: node.role.unit, cursor: nil)
        let look = watch.read(try await host.run(watch.command.asLook).output)
        var finding: Diagnostic?
        if look.active == "inactive" {
            finding = stopped(node, watch)
        } else if look.active != "active" {
            finding = watch.diagnosis?.diagnostic(node: node.name, watch.words) ?? unexplained(look.active, node, watch)
        } else if node.role == .server {
            let ready = try await host.run(ClusterObserver.readyz.asLook)
            if !ready.succeeded {
                finding =
                    watch.diagnosis?.diagnostic(node: node.name, watch.words)
                    ?? Diagnostic(
                        .error, "k3s runs, but its API is not ready", subject: "node \"\(node.name)\"", cause: ready.complaint,
                        remedy: "wait a minute; if it stays so: \(watch.words.log(node.role.unit)) on it (`homelab ssh \(node.name)`)")
            }
        }
        if look.active == "active", finding == nil, let known {
            let addresses = try await host.run(RemoteCommand(["ip", "-o", "addr"], asRoot: false).asLook).output
            finding = RegisteredNode.finding(known[node.name], node, Set(RegisteredNode.addresses(in: addresses)), watch)
        }
        return Examination(
            node: node.name, unit: node.role.unit, state: look.active, restarts: look.restarts, finding: finding, lastWords: watch.lastWords
        )
    }

    /// A k3s that fails is started anew over and over; one that stands still was stopped, or never started.
    private static func stopped(_ node: NodeSpec, _ watch: UnitWatch) -> Diagnostic {
        let hasRun = watch.lastWords != nil
        return Diagnostic(
            .error, hasRun ? "k3s is stopped" : "k3s is not running", subject: "node \"\(node.name)\"",
            remedy: hasRun ? "`homelab bootstrap` starts it" : "`homelab bootstrap` installs or starts it")
    }

    private static func unexplained(_ state: String, _ node: NodeSpec, _ watch: UnitWatch) -> Diagnostic {
        Diagnostic(
            .error, "k3s is \(state), for a reason that is not known here", subject: "node \"\(node.name)\"", cause: watch.lastWords,
            remedy: "\(watch.words.log(node.role.unit)) on it (`homelab ssh \(node.name)`) shows all it said")
    }
}
