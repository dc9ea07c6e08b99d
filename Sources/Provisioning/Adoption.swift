package import Diagnostics
internal import NodeInventory
internal import NodePlanning
internal import YAML

/// Looks at the machines of an existing k3s cluster for `homelab adopt`.
package struct Adoption: Sendable {
    private let machines: Machines

    /// - Parameter machines: an inventory made up of the hosts that were named, roles yet unknown.
    package init(_ machines: Machines) { self.machines = machines }

    package struct Result: Sendable {
        /// What the cluster is called.
        package let name: String
        /// The inventory.
        package let text: String
        /// What was left out of it.
        package let findings: Diagnostics
        /// Homelab made the cluster; one that was made by hand is paused in the inventory.
        package let isOfHomelab: Bool
    }

    /// - Parameter name: nil: what homelab's agents call it, else `home`.
    package func inventory(name: String?) async throws -> Result {
        try await machines.with(machines.spec.nodes) { hosts, _ in
            var found: [AdoptedMachine] = []
            var nodes = Value.null
            // Why a server's API did not answer, by host.
            var silent: [String: String] = [:]
            let script = FactsScript.text(for: machines.spec)
            for node in machines.spec.nodes {
                guard let host = hosts[node.name] else { continue }
                let facts = try await FactGatherer.facts(of: host, script: script)
                var machine = AdoptedMachine(
                    host: node.host, port: node.port, user: node.writtenUser ?? facts.access.user, identityFiles: node.login.identityFiles,
                    facts: facts)
                (machine.jumps, machine.areJumpsGiven) = (machines.jumps(to: node), !node.jumps.isEmpty)
                let reading = try await Self.reading(of: host)
                (machine.given, machine.record) = (reading.settings, reading.record)
                (machine.hasRegistries, machine.proxies) = (reading.hasRegistries, reading.proxies)
                found.append(machine)
                guard facts.installedRole == .server, nodes == .null else { continue }
                let answer = try await Self.nodes(through: host, program: reading.settings.program)
                if answer.succeeded { nodes = try JSONReader.value(answer.standardOutput) } else { silent[node.host] = answer.complaint }
            }
            try Self.requireServer(found, silent: silent, hasNodes: nodes != .null)
            var cluster = AdoptedCluster(name: name, machines: found, nodes: nodes)
            let text = try cluster.inventory()
            return Result(name: cluster.name, text: text, findings: cluster.findings, isOfHomelab: cluster.isOfHomelab)
        }
    }

    /// What the server's API says of the cluster's nodes, asked with the k3s that runs there, wherever it was installed.
    static func nodes(through host: any Host, program: String?) async throws -> CommandResult {
        try await host.run(
            RemoteCommand([program ?? NodeLayout.k3s, "kubectl", "--request-timeout=10s", "get", "nodes", "-o", "json"]).asLook)
    }

    /// - Throws: `Diagnostics` with what each machine is instead of a server of a cluster that answers.
    static func requireServer(_ machines: [AdoptedMachine], silent: [String: String], hasNodes: Bool) throws(Diagnostics) {
        var problems = Diagnostics()
        for (index, machine) in machines.enumerated() {
            let id = machine.facts.system.machineID
            guard !id.isEmpty, let first = machines[..<index].first(where: { $0.facts.system.machineID == id }) else { continue }
            problems.append(
                Diagnostic(
                    .error, "it is the same machine as \(first.host), or a copy of it", subject: "host \(machine.host)",
                    cause: "both have the machine-id \(id)", remedy: "name each machine once; a copy needs a machine-id of its own"))
        }
        if !hasNodes {
            for machine in machines {
                let subject = "host \(machine.host)"
                switch machine.facts.installedRole {
                case nil:
                    problems.append(
                        Diagnostic(.error, "no k3s runs on it", subject: subject, remedy: "name only machines of the cluster"))
                case .server:
                    problems.append(
                        Diagnostic(
                            .error, "its API does not answer", subject: subject, cause: silent[machine.host],
                            remedy: "wait until k3s is ready on it; \(machine.facts.system.words.log("k3s")) there "
                                + "shows what it says"))
                case .agent:
                    let server = machine.settings["server"]?.string
                    problems.append(
                        Diagnostic(
                            .error, "it is an agent" + (server.map { " of \($0)" } ?? ""), subject: subject,
                            remedy: "name at least one server of the cluster too"))
                }
            }
        }
        try problems.throwIfErrors()
    }
}
