internal import Diagnostics
internal import NodeInventory
internal import NodePlanning

extension Machines {
    /// The cluster's kubeconfig as a server holds it, named after the cluster and pointed at its endpoint, else at that very server.
    /// - Throws: `Diagnostics` with every server's reason when none of them has it.
    package func kubeconfig() async throws -> Kubeconfig {
        var problems = Diagnostics()
        for server in spec.servers {
            do {
                return try await with([server]) { hosts, _ in
                    guard let host = hosts[server.name], let bytes = try await host.read(NodeLayout.kubeconfig) else {
                        throw Diagnostic(
                            .error, "it has no kubeconfig", subject: "node \"\(server.name)\"",
                            remedy: "k3s writes one when it starts: run `homelab bootstrap`, or see `homelab doctor \(server.name)`")
                    }
                    return try Kubeconfig(bytes: bytes, file: "\(server.name):\(NodeLayout.kubeconfig)")
                        .renamed(to: spec.name, server: spec.apiURL(through: server))
                }
            } catch let error as CancellationError {
                throw error
            } catch let found as Diagnostics {
                problems.append(contentsOf: found)
            } catch {
                problems.append(error, subject: "node \"\(server.name)\"")
            }
        }
        throw problems
    }
}
