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

    /// Renews them on these nodes, servers first, one at a time: k3s stops, renews, starts, and has to be ready before the next.
    package func rotateCertificates(of nodes: [NodeSpec]) async throws {
        try await with(nodes) { hosts, _ in
            for node in nodes.filter({ $0.role == .server }) + nodes.filter({ $0.role == .agent }) {
                guard let host = hosts[node.name] else { continue }
                let title = "renew its certificates"
                recorder.emit(.stepStarted(node: node.name, step: title))
                let start = ContinuousClock.now
                // Whatever the renewal says, k3s is started again: a node that stays down is worse than an old certificate.
                let service = node.role.unit.hasSuffix(".service") ? String(node.role.unit.dropLast(".service".count)) : node.role.unit
                let script = """
                    if [ -d /run/systemd/system ]; then systemctl stop \(node.role.unit); else rc-service \(service) stop; fi || exit
                    \(NodeLayout.k3s) certificate rotate 2>&1; status=$?
                    if [ -d /run/systemd/system ]; then systemctl --no-block start \(node.role.unit); else rc-service \(service) start; fi
                    exit $status
                    """
                let result = try await host.run(RemoteCommand(["sh", "-c", script]))
                recorder.log(node.name, result.output)
                try await awaitRunning(node, host)
                guard result.succeeded else {
                    throw Diagnostic(
                        .error, "k3s did not renew its certificates", subject: "node \"\(node.name)\"", cause: result.complaint,
                        remedy: "k3s runs again as before; put right what it says, then run again")
                }
                recorder.emit(.stepDone(node: node.name, step: title, elapsed: ContinuousClock.now - start))
            }
        }
    }

    /// Until the unit is active and a server's API is ready.
    func awaitRunning(_ node: NodeSpec, _ host: any Host) async throws {
        var watch = UnitWatch(unit: node.role.unit, cursor: nil)
        let deadline = ContinuousClock.now + .seconds(300)
        while true {
            let state = watch.read(try await host.run(watch.command).output).active
            if state == "active" {
                if node.role == .agent { return }
                if try await host.run(Self.readyz).succeeded { return }
            }
            if .now >= deadline {
                throw Diagnostic(
                    .error, "k3s is not ready 5 min after its restart", subject: "node \"\(node.name)\"",
                    remedy: "`homelab doctor \(node.name)` says why; the nodes after it were left alone")
            }
            try await Task.sleep(for: .seconds(1))
        }
    }
}
