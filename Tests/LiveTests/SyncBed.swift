import Foundation
import HTTPNetworking
import KubernetesClient
import KubernetesModel
import Reconciliation
import Synchronization
import Testing
import YAML

/// A real API server without machines (Tests/TestBed/k3s/control-plane), a repository, and agents as processes of their own, each with a
/// proxy of its own between it and the server. Made once; it ends with the test run.
final class SyncBed: Sendable {
    static let shared: Result<SyncBed, any Error> = Result { try SyncBed() }

    let folder: String
    let port: Int
    let client: KubernetesClient
    /// Straight to the API server.
    var kubeconfig: String { folder + "/plane/admin.kubeconfig" }
    private let agents = Mutex<[Int: pid_t]>([:])

    /// - Parameters:
    ///   - name: tells beds of one run apart.
    ///   - offset: of its ports, in fifteens.
    init(_ name: String = "sync", offset: Int = 0) throws {
        let prefix = ProcessInfo.processInfo.environment["HOMELAB_LAB_PREFIX"] ?? "live"
        folder = NSTemporaryDirectory() + "homelab-\(name)-\(prefix)"
        // A row of ports for each prefix, below those that the kernel hands out.
        port = 20_000 + (prefix.utf8.reduce(0) { ($0 * 31 + Int($1)) % 400 }) * 30 + offset * 15
        try? FileManager.default.removeItem(atPath: folder)
        try FileManager.default.createDirectory(atPath: folder + "/plane", withIntermediateDirectories: true)
        let pid = try Shell.start(
            [
                Lab.root + "/Tests/TestBed/k3s/control-plane", folder + "/plane", "--k3s", Lab.k3s + "/k3s", "--parent",
                String(getpid()), "--port", String(port),
            ], log: folder + "/plane.log")
        let deadline = Date().addingTimeInterval(120)
        while !FileManager.default.fileExists(atPath: folder + "/plane/ready") {
            var status: Int32 = 0
            guard Date() < deadline, waitpid(pid, &status, WNOHANG) == 0 else {
                let log = (try? String(contentsOfFile: folder + "/plane.log", encoding: .utf8)) ?? ""
                throw Lab.Timeout(what: "control plane: \(log.suffix(1000))", seconds: 120)
            }
            usleep(100_000)
        }
        let connection = try Kubeconfig.load([folder + "/plane/admin.kubeconfig"]).connection()
        client = KubernetesClient(connection, transport: try AsyncHTTPTransport(tls: connection.tls))
        try Shell.must(["git", "init", "--quiet", "--bare", "--initial-branch=main", folder + "/home.git"])
        try Shell.must(["git", "init", "--quiet", "--initial-branch=main", folder + "/work"])
    }

    // MARK: The repository

    /// Makes these files the whole repository and pushes them; gives the commit.
    @discardableResult
    func push(_ files: [String: String]) throws -> String {
        let work = folder + "/work"
        for name in try FileManager.default.contentsOfDirectory(atPath: work) where name != ".git" {
            try FileManager.default.removeItem(atPath: work + "/" + name)
        }
        for (path, text) in files {
            let file = work + "/" + path
            try FileManager.default.createDirectory(
                atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            try text.write(toFile: file, atomically: true, encoding: .utf8)
        }
        let git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "gc.auto=0", "-C", work]
        try Shell.must(git + ["add", "--all"])
        try Shell.must(git + ["commit", "--quiet", "--allow-empty", "--message", "Change"])
        try Shell.must(git + ["push", "--quiet", folder + "/home.git", "main"])
        return try Shell.must(git + ["rev-parse", "HEAD"]).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    // MARK: Agents

    /// Starts an agent unless it runs; gives its process id.
    /// - Parameter more: further lines of its configuration.
    @discardableResult
    func startAgent(_ index: Int = 0, more: String = "") throws -> pid_t {
        if !hasEnded(index), let pid = agents.withLock({ $0[index] }) {
            try letAllGo()
            return pid
        }
        let place = folder + "/agent-\(index)"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        try """
        cluster: sync
        node: agent-\(index)
        kubeconfig: \(folder)/plane/proxy-\(index).kubeconfig
        repository: {url: \(folder)/home.git, branch: main}
        inventory: inventory/sync.yaml
        path: clusters/sync
        stateDirectory: \(place)/state
        identityFile: \(place)/id_ed25519
        knownHostsFile: \(place)/known_hosts
        listen: 127.0.0.1:\(port + 8 + index)
        webhookListen: 127.0.0.1:\(port + 10 + index)
        webhookSecretFile: \(place)/webhook-secret
        pollInterval: 10s
        \(more)
        """.write(toFile: place + "/agent.yaml", atomically: true, encoding: .utf8)
        let pid = try Shell.start([Lab.binary, "agent", "--config", place + "/agent.yaml"], log: place + "/log")
        agents.withLock { $0[index] = pid }
        try control("guard/\(pid)")
        return pid
    }

    /// The units of one test go with the first commit of the next, however much they have. Before there are any there is no such object.
    private func letAllGo() throws {
        try kubectl("annotate", "kustomization", "-n", "homelab-system", "sync", "--overwrite", "homelab.dev/prune-budget=10000")
    }

    /// Whether an agent's process has ended; then another can be started in its place.
    func hasEnded(_ index: Int = 0) -> Bool {
        agents.withLock { agents in
            guard let pid = agents[index] else { return true }
            var status: Int32 = 0
            guard waitpid(pid, &status, WNOHANG) == pid else { return false }
            agents[index] = nil
            return true
        }
    }

    func stopAgent(_ index: Int = 0, signal: Int32 = SIGTERM) async throws {
        guard let pid = agents.withLock({ $0[index] }) else { return }
        kill(pid, signal)
        try await eventually("end of agent \(index)") { hasEnded(index) }
    }

    /// A killed agent's lease would be waited for; its end is not what is tested.
    func freeLease() async throws {
        _ = try await client.delete(Self.lease, namespace: "homelab-system", name: "homelab-agent", options: DeleteOptions())
    }

    static let lease = GroupVersionKind(group: "coordination.k8s.io", version: "v1", kind: "Lease")

    // MARK: Faults

    struct Counts: Decodable {
        var requests: Int
        var writes: Int
        /// Of units' objects.
        var applies: Int
        var busy: Int
        /// Statuses that were written.
        var statuses: Int
        /// The fields of these that the server dropped or refused.
        var lost: [String]
        /// Whether, until now, somebody was still to be killed.
        var armed: Bool
    }

    /// A request to the control plane's own port, as its help describes it.
    func control(_ path: String) throws {
        try Shell.must(["curl", "-sf", "--max-time", "100", "http://127.0.0.1:\(port + 4)/\(path)"])
    }

    func counts(_ index: Int = 0, _ rule: String = "") throws -> Counts {
        let text = try Shell.must(["curl", "-sf", "http://127.0.0.1:\(port + 4)/proxy/\(index)\(rule)"])
        return try JSONDecoder().decode(Counts.self, from: Data(text.utf8))
    }

    // MARK: Looking

    /// What an agent says on its own port of whether it is ready.
    func readiness(_ index: Int = 0) throws -> String { try Shell.must(["curl", "-s", "http://127.0.0.1:\(port + 8 + index)/readyz"]) }

    @discardableResult
    func kubectl(_ arguments: String...) throws -> Shell.Result { try kubectl(arguments) }

    @discardableResult
    func kubectl(_ arguments: [String]) throws -> Shell.Result {
        try Shell.run([Lab.k3s + "/k3s", "kubectl", "--kubeconfig", kubeconfig] + arguments, limit: 60)
    }

    /// kubectl with a manifest as its input.
    func apply(_ text: String, _ arguments: String...) throws {
        let file = folder + "/manifest.yaml"
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        let result = try kubectl(["apply", "-f", file] + arguments)
        guard result.succeeded else { throw Shell.Failure(command: ["kubectl", "apply"], result: result) }
    }

    func configMap(_ name: String, _ namespace: String = "default") async throws -> Manifest? {
        try await client.get(GroupVersionKind(group: "", version: "v1", kind: "ConfigMap"), namespace: namespace, name: name)
    }

    func title(_ name: String, _ namespace: String = "default") async throws -> String? {
        try await configMap(name, namespace)?.value[path: "data", "title"]?.string
    }

    func report() async throws -> StatusReport? {
        try await configMap("homelab-status-sync", "homelab-system").flatMap { StatusReport(of: $0) }
    }

    func unit(_ name: String) async throws -> (status: KustomizationStatus, ready: FluxCondition?)? {
        guard let object = try await client.get(FluxKinds.kustomization, namespace: "default", name: name) else { return nil }
        let status = KustomizationStatus(of: object)
        return (status, status.conditions["Ready"])
    }

    func repository(_ name: String) async throws -> FluxConditions {
        let object = try await client.get(FluxKinds.gitRepository, namespace: "default", name: name)
        return FluxConditions(object?.value[path: "status", "conditions"])
    }

    func awaitReady(at commit: String, limit: Double = 30) async throws {
        try await eventually("Ready at \(commit.prefix(8))", limit: limit) {
            guard let report = try await report() else { return false }
            return report.phase == .ready && report.appliedRevision == commit
        }
    }

    func awaitUnit(_ name: String, _ ready: String = "True", at commit: String, limit: Double = 30) async throws {
        try await eventually("\(name) Ready=\(ready) at \(commit.prefix(8))", limit: limit) {
            guard let unit = try await unit(name) else { return false }
            return unit.ready?.status == ready && unit.status.lastAttemptedRevision.hasSuffix(commit)
                && (ready != "True" || unit.status.lastAppliedRevision.hasSuffix(commit))
        }
    }

    /// Looks again and again until the condition holds; what the agent shows goes into the message when it does not. `limit` is in seconds
    /// of an idle host.
    func eventually(_ what: String, limit: Double = 30, _ condition: () async throws -> Bool) async throws {
        let deadline = Date().addingTimeInterval(limit * Lab.patience)
        while Date() < deadline {
            if (try? await condition()) == true { return }
            try await Task.sleep(for: .milliseconds(40))
        }
        let report = try? await report()
        throw Lab.Timeout(
            what: "\(what); the agent says \(report.map { "\($0.phase) \($0.message) \($0.errors)" } ?? "nothing")",
            seconds: limit * Lab.patience)
    }
}

/// Manifests of the sync tests.
enum SyncFiles {
    static func config(_ name: String, _ title: String, labels: String = "", namespace: String = "default") -> String {
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \(name), namespace: \(namespace), labels: {\(labels)}}\n"
            + "data: {title: \"\(title)\"}\n"
    }

    static func unit(_ name: String, path: String, more: String = "") -> String {
        """
        apiVersion: kustomize.toolkit.fluxcd.io/v1
        kind: Kustomization
        metadata: {name: \(name), namespace: default}
        spec:
          interval: 10m
          path: ./\(path)
          prune: true
          sourceRef: {kind: GitRepository, name: sync, namespace: homelab-system}
        \(more.split(separator: "\n").map { "  " + $0 }.joined(separator: "\n"))

        """
    }
}
