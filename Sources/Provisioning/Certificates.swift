package import Diagnostics
package import NodeInventory
package import NodePlanning

/// The certificates k3s keeps on one node.
package struct NodeCertificates: Sendable {
    package let node: String
    package let certificates: [ServerReview.Certificate]

    package init(node: String, certificates: [ServerReview.Certificate]) {
        self.node = node
        self.certificates = certificates
    }

    /// What there is to say of them, `now` in seconds since 1970; nil when all of them last.
    package func finding(at now: Int) -> Diagnostic? {
        guard certificates.isEmpty else { return certificates.finding(on: node, at: now) }
        return Diagnostic(
            .warning, "there are no certificates of k3s on it", subject: "node \"\(node)\"",
            remedy: "k3s makes them at its first start: `homelab doctor \(node)` says whether it runs")
    }
}

extension Machines {
    /// What k3s' certificates on these nodes say, read as they lie there.
    package func certificates(of nodes: [NodeSpec]) async throws -> (certificates: [NodeCertificates], unreached: Diagnostics) {
        try await look(at: nodes) { node, host in
            let result = try await host.run(RemoteCommand(["sh", "-c", CertificateReader.script]).asLook)
            return NodeCertificates(node: node.name, certificates: CertificateReader.certificates(in: result.output))
        }
    }
}
