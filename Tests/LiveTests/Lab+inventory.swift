import Foundation

extension Lab {
    /// A node's entry, with the machine's own host key pinned.
    func node(_ name: String, role: String, more: String = "") throws -> String {
        """
          - name: \(name)
            role: \(role)
            host: \(try lab("ip", name))
            hostKeys:
              - \(try lab("hostkey", name))
        \(more.isEmpty ? "" : more + "\n")
        """
    }

    /// The folder of a release that differs from the other ones in its version.
    static func release(_ version: String) throws -> String {
        version == k3sVersion
            ? k3s : try Shell.must([root + "/Tests/TestBed/k3s/build", "--version", version]).trimmingCharacters(in: .newlines)
    }

    /// Lines below `k3s:` by which the loss of a node is seen after 20 s, not 40.
    static let quickLoss = """
          config: {kubelet-arg: [node-status-update-frequency=4s]}
          serverConfig: {kube-controller-manager-arg: [node-monitor-grace-period=20s]}

        """

    /// Writes inventory/home.yaml for these nodes and makes the folder a git repository with one commit.
    /// - Parameters:
    ///   - k3s: further lines below `k3s:`.
    ///   - more: further lines of the cluster.
    func writeInventory(_ nodes: [String], version: String = Lab.k3sVersion, k3s: String = "", more: String = "") throws {
        let folder = try Self.release(version)
        let sum = try Shell.must(["sha256sum", folder + "/k3s"]).prefix(64)
        try write(
            """
            apiVersion: homelab.dev/v1alpha1
            kind: Cluster
            name: home
            k3s:
              version: \(version)
              source: \(folder)
              sha256:
                amd64: \(sum)
            \(k3s)\(more)defaults:
              user: debian
              identityFile: \(identity)
            nodes:
            \(nodes.joined())
            """, to: "inventory/home.yaml")
        if !FileManager.default.fileExists(atPath: repository + "/.git") { try git("init", "--quiet", "--initial-branch", "main") }
        try git("add", "--all")
        try git("commit", "--quiet", "--allow-empty", "--message", "inventory")
    }

    /// The machines' host keys where the git client looks for them.
    func trustHosts(_ machines: [String]) throws {
        let lines = try machines.map { "\(try lab("ip", $0)) \(try lab("hostkey", $0))\n" }
        try lines.joined().write(toFile: folder + "/known_hosts", atomically: true, encoding: .utf8)
    }

    /// The one line bootstrap prints, as a remote of the repository.
    func addRemote() throws {
        let url = try homelab("repository")
        guard url.succeeded else { throw Shell.Failure(command: ["homelab", "repository"], result: url) }
        try git("remote", "add", "cluster", url.output.trimmingCharacters(in: .whitespacesAndNewlines))
    }

    /// How many nodes the API server calls Ready.
    func readyNodes() throws -> Int {
        try kubectl("get", "nodes", "--no-headers").output.split(separator: "\n").filter { $0.contains(" Ready") }.count
    }
}
