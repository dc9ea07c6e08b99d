import Foundation
import Testing

/// What a cluster of three servers goes through over the years: a new token, new certificates, the way back to a snapshot.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct RotationLive {
    static let lab: Result<Lab, any Error> = Result {
        let lab = try Lab("liverot")
        try lab.lab("up", "4", limit: 900)
        let servers = try ["m1", "m2", "m3"].map { try lab.node($0, role: "server") }
        try lab.writeInventory(servers + [try lab.node("m4", role: "agent")])
        try lab.trustHosts(["m1", "m2", "m3", "m4"])
        let result = try lab.bootstrap(limit: 900)
        guard result.succeeded else { throw Shell.Failure(command: ["homelab", "bootstrap"], result: result) }
        return lab
    }

    let lab: Lab

    init() throws { lab = try Self.lab.get() }

    private func token(_ machine: String) throws -> String {
        try lab.on(machine, "cat /var/lib/rancher/k3s/server/token").output.trimmingCharacters(in: .newlines)
    }

    /// What an agent's start and a server's certificate look like, to be compared.
    private func state(_ machine: String) throws -> String {
        try lab.on(
            machine,
            "systemctl show k3s k3s-agent -p InvocationID --value; "
                + "sha256sum /var/lib/rancher/k3s/server/tls/serving-kube-apiserver.crt /var/lib/rancher/k3s/agent/client-kubelet.crt 2>/dev/null"
        ).output
    }

    private func expectFourReady() throws {
        try lab.wait("four Ready nodes", limit: 120) { try lab.readyNodes() == 4 }
    }

    @Test func t01_aSnapshotOfThreeServersIsKept() throws {
        try lab.change("create", "configmap", "before", "-n", "default")
        let saved = try lab.homelab("snapshot", "save", "--to", lab.folder + "/snapshots")
        #expect(saved.succeeded, "\(saved.text)")
    }

    @Test func t02_theTokenIsRotatedServerByServer() throws {
        let (old, agent) = (try token("m1"), try state("m4"))
        let result = try lab.homelab("token", "rotate", "--yes")
        #expect(result.succeeded, "\(result.text)")
        #expect(result.output.contains("The token is rotated. Snapshots from before need the old one"), "\(result.text)")
        let new = try token("m1")
        #expect(new != old && new.hasPrefix("K10"))
        for server in ["m1", "m2", "m3"] {
            #expect(result.output.contains("\(server): restart with the new token: done"), "\(result.text)")
            #expect(try token(server) == new)
            let file = "/etc/rancher/k3s/homelab-token"
            #expect(try lab.on(server, "cat \(file); stat -c %a \(file)").output == "\(new)\n600\n")
        }
        #expect(try state("m4") == agent, "agents keep running")
        #expect(!result.text.contains(new) && !result.text.contains(old))
        let kept = try lab.run(["sh", "-c", "stat -c %a $HOME/.local/state/homelab/tokens/*; cat $HOME/.local/state/homelab/tokens/*"])
            .output
        #expect(kept == "600\n\(old)\n")
        try expectFourReady()
        let plan = try lab.homelab("plan", "--agent-binary", "amd64=" + Lab.binary, "--kubeconfig", lab.kubeconfig)
        #expect(plan.status == 0, "\(plan.text)")
    }

    @Test func t03_anInterruptedRotationIsFinished() throws {
        // As if the run had ended between k3s' own rotation and the other servers.
        #expect(try lab.on("m1", "k3s token rotate").output.contains("Token rotated, restart k3s nodes with new token"))
        let result = try lab.homelab("token", "rotate", "--yes")
        #expect(result.succeeded && result.output.contains("An earlier rotation had been interrupted: it is finished"), "\(result.text)")
        let new = try token("m1")
        for server in ["m2", "m3"] { #expect(try token(server) == new) }
        try expectFourReady()
    }

    @Test func t04_certificatesAreRenewedNodeByNode() throws {
        let before = try ["m1", "m2", "m3", "m4"].map { try state($0) }
        let result = try lab.homelab("certs", "rotate", "--yes")
        #expect(result.succeeded && result.output.contains("The certificates are renewed"), "\(result.text)")
        for (machine, before) in zip(["m1", "m2", "m3", "m4"], before) {
            #expect(result.output.contains("\(machine): renew its certificates: done"), "\(result.text)")
            #expect(try state(machine) != before, "\(machine)")
        }
        try expectFourReady()
        #expect(try lab.homelab("certs").succeeded)
        #expect(try lab.kubectl("get", "secrets", "-n", "kube-system", "-o", "name").output.contains("bootstrap-token-") == false)
        #expect(try lab.homelab("kubeconfig", "--merge", "--kubeconfig", lab.kubeconfig).succeeded)
        #expect(try lab.bootstrap().output.contains("nothing to do"))
    }

    @Test func t05_aSnapshotFromBeforeIsRestoredOverThreeServers() throws {
        try lab.change("create", "configmap", "after", "-n", "default")
        let folder = lab.folder + "/snapshots"
        let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).first { !$0.hasSuffix(".token") })
        let result = try lab.homelab("snapshot", "restore", "\(folder)/\(name)", "--confirm", "home", limit: 900)
        #expect(result.succeeded, "\(result.text)")
        for words in ["m1: begin anew from the snapshot", "m2: forget its data and join", "m2: wait until its member votes"] {
            #expect(result.output.contains(words + ": done"), "\(result.text)")
        }
        #expect(try lab.kubectl("get", "configmap", "before", "-n", "default").succeeded)
        #expect(try lab.kubectl("get", "configmap", "after", "-n", "default").status != 0, "what came later is gone")
        try expectFourReady()
        #expect(try lab.bootstrap().output.contains("nothing to do"))
    }

    @Test func t06_tearDown() throws { try lab.tearDown() }
}
