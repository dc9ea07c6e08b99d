internal import NodeInventory
internal import NodePlanning

/// Whether etcd can spare a server for a moment, by what is seen now.
struct MajorityCheck: Sendable {
    /// By node name. A member that is not among them is judged by its Node alone.
    let hosts: [String: any Host]

    /// Why the server has to stay up, and what to do about it; nil when it may go. Each member is asked itself, too: its Node stays Ready
    /// for forty seconds after its end.
    func reasonToKeep(_ server: String, in cluster: ClusterFacts) async throws -> (text: String, remedy: String)? {
        let asked = cluster.nodes.filter(\.isHealthyMember).compactMap { node in hosts[node.name].map { (node.name, $0) } }
        let answers = await parallel(asked, limit: 16) { name, host in (name, await Self.answers(host)) }
        try Task.checkCancellation()
        let away = Set(answers.filter { !$0.1 }.map(\.0))
        return cluster.reasonToKeep(server) { $0.isHealthyMember && !away.contains($0.name) }
    }

    /// A connection that broke says nothing of the k3s behind it: it is made again first.
    private static func answers(_ host: any Host) async -> Bool {
        let question = ClusterObserver.readyz.asLook
        do {
            return try await host.run(question).succeeded
        } catch let error as HostError where error.kind == .connectionLost {
            guard (try? await host.reconnect(within: .seconds(5), waiting: { _ in })) != nil else { return false }
            return (try? await host.run(question))?.succeeded ?? false
        } catch {
            return false
        }
    }
}
