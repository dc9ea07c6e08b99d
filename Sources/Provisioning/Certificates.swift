package import Diagnostics
package import NodeInventory
package import NodePlanning

/// The certificates k3s keeps on one node.
package struct NodeCertificates: Sendable {
    package let node: String
    package let certificates: [ServerReview.Certificate]

    /// When the first of them ends, in seconds since 1970; nil when there are none.
    package var firstEnd: Int? { certificates.map(\.notAfter).min() }
}

extension Machines {
    /// What k3s' certificates on these nodes say, read as they lie there.
    package func certificates(of nodes: [NodeSpec]) async throws -> (certificates: [NodeCertificates], unreached: Diagnostics) {
        try await with(nodes, needsAll: false) { hosts, unreached in
            let found = await parallel(nodes.filter { hosts[$0.name] != nil }, limit: 20) { node -> NodeCertificates? in
                guard let result = try? await hosts[node.name]?.run(RemoteCommand(["sh", "-c", CertificateReader.script])) else {
                    return nil
                }
                return NodeCertificates(node: node.name, certificates: CertificateReader.certificates(in: result.output))
            }
            try Task.checkCancellation()
            return (found.compactMap { $0 }, unreached)
        }
    }
}
