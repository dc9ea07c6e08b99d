import Foundation
import Testing

/// What a cluster of three servers goes through over the years: a new token, new certificates, the way back to a snapshot.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct RotationLive {
    static let lab = Lab.made("liverot") { lab in
        try lab.lab("up", "4", limit: 900)
        let servers = try ["m1", "m2", "m3"].map { try lab.node($0, role: "server") }
        try lab.writeInventory(servers + [try lab.node("m4", role: "agent")], k3s: snapshotFolder)
        try lab.trustHosts(["m1", "m2", "m3", "m4"])
        let result = try lab.bootstrap(limit: 900)
        guard result.succeeded else { throw Shell.Failure(command: ["homelab", "bootstrap"], result: result) }
    }

    /// Not where k3s keeps them by itself.
    private static let snapshotFolder = "  serverConfig: {etcd-snapshot-dir: /srv/snapshots}\n"

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
        let listed = try lab.homelab("snapshot", "list", "--from", lab.folder + "/snapshots")
        #expect(listed.succeeded && listed.output.contains(" /srv/snapshots/homelab-m1-"), "\(listed.text)")
        let kept = try lab.on("m1", "stat -c %a /srv/snapshots; ls -d /var/lib/rancher/k3s/server/db/snapshots 2>/dev/null").output
        #expect(kept == "700\n", "\(kept)")
        let looked = try lab.run([Lab.binary, "preflight", "--skip-reach", "--agent-binary", "amd64=" + Lab.binary], limit: 180)
        #expect(looked.text.contains("m1") && !looked.text.contains("there is no snapshot of etcd"), "\(looked.text)")
    }

    @Test func t01b_aRotationWaitsForNobodyElseToLoseTheMajority() throws {
        let (token, before) = (try token("m1"), try ["m1", "m2", "m3", "m4"].map { try state($0) })
        // Another run that works on one of the machines, with a sign of life a moment ago.
        let lock = #"printf 'r9\nthe homelab agent on m1\n2026-11-27T03:00:00Z\n' >/run/homelab.lock"#
        for command in [["token", "rotate", "--yes"], ["certs", "rotate", "m3", "--yes"]] {
            try lab.on("m3", lock)
            let refused = try lab.run([Lab.binary] + command)
            #expect(refused.status == 1, "\(command): \(refused.text)")
            #expect(
                refused.errors.contains(
                    "error: node \"m3\": another run is working on this node: the homelab agent on m1, since 2026-11-27T03:00:00Z\n"
                ), "\(command): \(refused.text)")
        }
        try lab.on("m3", "rm /run/homelab.lock")
        #expect(try lab.on("m1", "ls /run/homelab.lock").status != 0, "what a refused run had taken is free")
        // A server that is down: its Node says that it is Ready for a while yet.
        try lab.on("m3", "systemctl stop k3s")
        let refused = try lab.homelab("certs", "rotate", "m1", "--yes")
        #expect(
            refused.status == 1
                && refused.errors.contains(
                    "error: node \"m1\": is not restarted: etcd has 3 members, 2 of them healthy, and would lose its majority\n"
                        + "    bring m3 back first, then run again\n"),
            "\(refused.text)")
        let rotation = try lab.homelab("token", "rotate", "--yes")
        #expect(rotation.status == 1 && rotation.errors.contains("bring m3 back first"), "\(rotation.text)")
        try lab.on("m3", "systemctl start k3s")
        try expectFourReady()
        #expect(try self.token("m1") == token, "nothing was rotated")
        for (machine, before) in zip(["m1", "m2", "m4"], before.enumerated().filter { $0.offset != 2 }.map(\.element)) {
            #expect(try state(machine) == before, "\(machine) was not restarted")
        }
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
            #expect(result.output.contains("\(server): wait for node \(server) and its etcd member: done"), "\(result.text)")
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

    /// In every stage, each time a further one; the next restore begins anew.
    @Test func t04b_aRestoreIsStoppedAndCutOff() throws {
        func restore() throws -> Shell.Running { try lab.start("snapshot", "restore", try snapshot(), "--confirm", "home") }
        try lab.change("create", "configmap", "after", "-n", "default")
        let stopped = try restore()
        try lab.wait(stopped, "m1: begin anew from the snapshot\n")
        stopped.interrupt()
        let told = stopped.end(limit: 60)
        #expect(told.status == 130, "\(told.text)")
        let standing =
            "until the restore has come to its end k3s may be stopped on the servers: run the same command again, which begins anew, or "
            + "`homelab recover`, which starts k3s with the data that are there\n"
        for words in [
            "m1: begin anew from the snapshot: skipped: stopped", standing, "Stopped. Running the same command again goes on from here.",
        ] { #expect(told.text.contains(words), "\(words) is not in\n\(told.text)") }
        for (machine, stage) in [("m1", "begin anew from the snapshot"), ("m2", "forget its data and join")] {
            let cut = try restore()
            // What the run before it began on m1 has come to its end then.
            try lab.wait(cut, "\(machine): \(stage)\n")
            try lab.lab("cut", machine, "drop")
            let result = cut.end(limit: 90)
            try lab.lab("mend", machine)
            #expect(result.status == 1 && result.output.contains(standing), "\(result.text)")
            #expect(result.output.contains("\(machine): \(stage): failed after "), "\(result.text)")
        }
        let late = try restore()
        try lab.wait(late, "m3: wait until its member votes\n")
        late.interrupt()
        let lateTold = late.end(limit: 60)
        #expect(lateTold.status == 130, "\(lateTold.text)")
    }

    private func snapshot() throws -> String {
        let folder = lab.folder + "/snapshots"
        let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).first { !$0.hasSuffix(".token") })
        return "\(folder)/\(name)"
    }

    @Test func t05_aSnapshotFromBeforeIsRestoredOverThreeServers() throws {
        let result = try lab.homelab("snapshot", "restore", try snapshot(), "--confirm", "home", limit: 900)
        #expect(result.succeeded, "\(result.text)")
        for words in ["m1: begin anew from the snapshot", "m2: forget its data and join", "m2: wait until its member votes"] {
            #expect(result.output.contains(words + ": done"), "\(result.text)")
        }
        #expect(try lab.kubectl("get", "configmap", "before", "-n", "default").succeeded)
        #expect(try lab.kubectl("get", "configmap", "after", "-n", "default").status != 0, "what came later is gone")
        try expectFourReady()
        #expect(try lab.bootstrap().output.contains("nothing to do"))
    }

    private static let servers = ["m1", "m2", "m3"]

    private func entry(_ machine: String) throws -> [String] {
        try lab.on(machine, "grep -e ^server: -e ^cluster-init: /etc/rancher/k3s/config.yaml").output.split(separator: "\n").map(
            String.init)
    }

    private func joins(_ machine: String) throws -> String { "server: https://\(try lab.lab("ip", machine)):6443" }

    /// Saves a snapshot, goes back to it, and looks whether all are one cluster again that needs no change.
    private func goBack(to kept: String, first: String) throws -> Shell.Result {
        // k3s itself does not begin anew on a server that once joined another one.
        let refused = try lab.on(first, "k3s server --cluster-reset 2>&1")
        let words = "cannot perform cluster-reset while server URL is set - remove server from configuration before resetting"
        #expect(!refused.succeeded && refused.output.contains(words), "\(refused.text)")
        try lab.change("create", "configmap", kept, "-n", "default")
        let folder = lab.folder + "/" + kept
        let saved = try lab.homelab("snapshot", "save", "--to", folder)
        #expect(saved.succeeded, "\(saved.text)")
        try lab.change("create", "configmap", "after-" + kept, "-n", "default")
        let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).first { !$0.hasSuffix(".token") })
        let result = try lab.homelab("snapshot", "restore", "\(folder)/\(name)", "--confirm", "home", limit: 900)
        #expect(result.succeeded && result.output.contains("\(first): begin anew from the snapshot: done"), "\(result.text)")
        for machine in Self.servers {
            let found = try lab.on(machine, "k3s kubectl get configmap -n default -o name").output
            #expect(found.contains("configmap/\(kept)\n") && !found.contains("configmap/after-\(kept)\n"), "\(machine): \(found)")
            #expect(try lab.on(machine, "k3s kubectl get nodes --no-headers").output.split(separator: "\n").count == 4, "\(machine)")
        }
        try expectFourReady()
        let again = try lab.bootstrap()
        #expect(again.output.contains("nothing to do"), "\(again.text)")
        return result
    }

    @Test func t06_theFirstServerOfTheInventoryMayHaveJoinedAnotherOne() throws {
        let nodes = try ["m2", "m3", "m1"].map { try lab.node($0, role: "server") } + [try lab.node("m4", role: "agent")]
        try lab.writeInventory(nodes, k3s: Self.snapshotFolder)
        let turned = try lab.bootstrap(limit: 600)
        #expect(turned.succeeded, "\(turned.text)")
        #expect(try entry("m1") == ["cluster-init: true"] && entry("m2") == [joins("m1")] && entry("m3") == [joins("m1")])
        let result = try goBack(to: "turned", first: "m2")
        // The one that had founded the cluster did not found a second one.
        for machine in ["m1", "m3"] {
            #expect(try entry(machine) == [joins("m2")])
            #expect(result.output.contains("\(machine): its config.yaml says that it joins m2"), "\(result.text)")
        }
        #expect(try entry("m2") == [joins("m1")], "its own stays as it was")
    }

    @Test func t07_theFirstServerMayHaveAFreshDisk() throws {
        try lab.lab("reinstall", "m1")
        try lab.trustHosts(["m1", "m2", "m3", "m4"])
        let nodes = try Self.servers.map { try lab.node($0, role: "server") } + [try lab.node("m4", role: "agent")]
        try lab.writeInventory(nodes, k3s: Self.snapshotFolder)
        try lab.wait("m1 not Ready", limit: 120) { try lab.on("m2", "k3s kubectl get nodes").output.contains(/m1 +NotReady/) }
        let replaced = try lab.bootstrap(limit: 900)
        #expect(replaced.succeeded, "\(replaced.text)")
        #expect(try entry("m1") == [joins("m2")])
        try expectFourReady()
        _ = try goBack(to: "replaced", first: "m1")
        #expect(try entry("m1") == [joins("m2")] && entry("m2") == [joins("m1")] && entry("m3") == [joins("m1")])
    }

    @Test func t08_tearDown() throws { try lab.tearDown() }
}
