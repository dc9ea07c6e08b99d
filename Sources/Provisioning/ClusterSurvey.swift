internal import Cryptography
internal import Diagnostics
internal import Glibc
internal import KubernetesModel
internal import NodeInventory
package import NodePlanning
internal import YAML

/// Asks every server that runs about itself, and one of them about the cluster, for `ClusterReview`.
struct ClusterSurvey: Sendable {
    let spec: ClusterSpec
    let recorder: RunRecorder

    /// - Parameter strangers: etcd's members that no Node stands for.
    func findings(_ nodes: NodeObservations, strangers: [EtcdMember]) async throws -> Diagnostics {
        let running = spec.servers.filter { server in
            nodes.observed[server.name]?.facts?.units[NodeRole.server.unit]?.active == "active" && nodes.hosts[server.name] != nil
        }
        if running.isEmpty { return Diagnostics() }
        let answers = await parallel(running, limit: 20) { server in await look(at: server, nodes.hosts[server.name]) }
        try Task.checkCancellation()
        var reviews: [String: ServerReview] = [:]
        for (server, review) in zip(running, answers) { reviews[server.name] = review }
        var objects: Value?
        var budgets: Value?
        var flux: Value?
        var untold: Diagnostic?
        if let whole = running.first(where: { reviews[$0.name]?.readiness == "ok" }), let host = nodes.hosts[whole.name] {
            do {
                objects = try await Self.list("nodes", on: host)
                budgets = try? await Self.list("poddisruptionbudgets -A", on: host)
                flux = try? await Self.list("deployments -A -l \(FluxControllers.label)", on: host)
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                untold = recorder.scrubbed(Self.unlisted(error, by: whole.name))
            }
        }
        var findings = ClusterReview.findings(
            spec, nodes: objects, budgets: budgets, servers: reviews, strangers: strangers, observed: nodes.observed, now: Int(time(nil)))
        if let untold { findings.append(untold) }
        for finding in FluxControllers.findings((flux?["items"]?.array ?? []).map { Manifest($0) }) { findings.append(finding) }
        return findings
    }

    private static func list(_ what: String, on host: any Host) async throws -> Value {
        let result = try await host.run(
            RemoteCommand(["sh", "-c", "exec \(NodeLayout.k3s) kubectl --request-timeout=10s get \(what) -o json"]).asLook)
        guard result.succeeded else { throw Diagnostic(.error, result.complaint) }
        do throws(JSONError) { return try JSONReader.value(result.standardOutput) } catch {
            throw Diagnostic(.error, "its answer cannot be read", cause: error.description)
        }
    }

    private static func unlisted(_ error: any Error, by server: String) -> Diagnostic {
        let problem = FactGatherer.diagnostic(error, node: server)
        return Diagnostic(
            .error, "its API is ready and does not list the nodes: they were not compared with the inventory",
            subject: "node \"\(server)\"", cause: problem.summary + (problem.cause.map { ": " + $0 } ?? ""),
            remedy: "run again; if it stays so, `homelab doctor \(server)` says more")
    }

    private func look(at server: NodeSpec, _ host: (any Host)?) async -> ServerReview {
        var review = ServerReview()
        guard let host else { return review }
        do {
            let result = try await host.run(
                RemoteCommand(["sh", "-c", Self.script, "homelab", spec.snapshotDirectory(of: server)]).asLook)
            review = ServerReview(printed: result.output)
        } catch {
            review.readiness = FactGatherer.diagnostic(error, node: server.name).summary
        }
        return review
    }

    /// The folder of snapshots. One round trip: readiness through the server's own API, the newest snapshot, and every certificate k3s renews.
    private static let script = """
        echo '-- readyz'
        timeout 15 \(NodeLayout.k3s) kubectl --request-timeout=10s get --raw '/readyz?verbose' 2>&1 | tail -n 60
        echo '-- etcd'
        if [ -d \(NodeLayout.dataDirectory)/server/db/etcd ]; then
          ask() { timeout 10 \(NodeLayout.k3s) kubectl --kubeconfig /dev/null --request-timeout=5s -s http://127.0.0.1:2381 get --raw "$1" 2>&1; }
          ask /metrics | grep -E '^(etcd_mvcc_db_total_size_in_bytes|etcd_server_quota_backend_bytes) '
          # kubectl keeps the answer of a member that is not healthy to itself.
          case $(ask /health) in
          *'unable to handle the request'*) curl -s -m 5 http://127.0.0.1:2381/health 2>/dev/null | grep . || echo '{"health":"false"}' ;;
          esac
          echo
        fi
        echo '-- snapshots'
        for f in "$1"/*; do [ -f "$f" ] && stat -c %Y "$f"; done
        echo '-- certificates'
        \(CertificateReader.script)
        """
}

/// Reads the certificates k3s keeps on a node, with its own eyes: no openssl is needed there.
package enum CertificateReader {
    /// Prints `== PATH` and the file, for every certificate that k3s issues and renews (docs.k3s.io/cli/certificate).
    package static let script = """
        for f in \(NodeLayout.dataDirectory)/server/tls/*.crt \(NodeLayout.dataDirectory)/server/tls/etcd/*.crt \
        \(NodeLayout.dataDirectory)/agent/*.crt; do
          [ -f "$f" ] || continue
          echo "== $f"
          cat "$f"
        done
        """

    package static func certificates(in output: some StringProtocol) -> [ServerReview.Certificate] {
        var found: [ServerReview.Certificate] = []
        var path = ""
        var text = ""
        func take() {
            guard !path.isEmpty, let validity = CertificateValidity(pem: text) else { return }
            found.append(ServerReview.Certificate(path: path, notAfter: validity.notAfter))
        }
        for line in output.split(separator: "\n") {
            if line.hasPrefix("== ") {
                take()
                (path, text) = (String(line.dropFirst(3)), "")
            } else {
                text += line + "\n"
            }
        }
        take()
        return found
    }
}

extension ServerReview {
    /// Reads what the survey's script printed.
    init(printed text: String) {
        self.init()
        var section = ""
        var readiness: [String] = []
        var certificates: [String] = []
        var snapshots: [Int] = []
        for line in text.split(separator: "\n").map(String.init) {
            if ["-- readyz", "-- etcd", "-- snapshots", "-- certificates"].contains(line) {
                section = line
                continue
            }
            switch section {
            case "-- readyz": readiness.append(line)
            case "-- etcd": takeEtcd(line)
            case "-- snapshots": if let time = Int(line) { snapshots.append(time) }
            default: certificates.append(line)
            }
        }
        newestSnapshot = snapshots.max()
        self.certificates = CertificateReader.certificates(in: certificates.joined(separator: "\n"))
        let failed = readiness.filter { $0.hasPrefix("[-]") }
        if !failed.isEmpty {
            self.readiness = failed.joined(separator: "; ")
        } else if readiness.last.map({ $0 == "ok" || $0.contains("check passed") }) ?? false {
            self.readiness = "ok"
        } else {
            self.readiness = readiness.last ?? "it gives no answer"
        }
    }

    /// `{"health":"false","reason":"ALARM NOSPACE"}`, or a number of etcd's metrics.
    private mutating func takeEtcd(_ line: String) {
        let words = line.split(separator: " ").map(String.init)
        if words.count == 2, let number = Double(words[1]) {
            if words[0] == "etcd_mvcc_db_total_size_in_bytes" { etcdSize = Int64(number) }
            if words[0] == "etcd_server_quota_backend_bytes" { etcdQuota = Int64(number) }
        } else if let answer = (try? JSONReader.value(Array(line.utf8)))?.object, answer["health"]?.scalarText == "false" {
            etcdComplaint = answer["reason"]?.string ?? "an alarm, or no leader"
        }
    }
}
