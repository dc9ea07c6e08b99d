import Foundation
import Testing

/// One fresh bootstrap that is stopped and cut off in every phase, then an upgrade and removals likewise: each further run goes on from
/// there, and in the end all is as if nothing had happened.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct InterruptionLive {
    static let lab = Lab.made("livecut") { lab in
        try lab.lab("up", "4")
        try write(lab)
        try lab.trustHosts(["m1", "m2", "m3", "m4"])
    }

    let lab: Lab

    init() throws { lab = try Self.lab.get() }

    private static func write(
        _ lab: Lab, label: String = "ssd", version: String = Lab.k3sVersion, absent: Set<String> = []
    ) throws {
        let nodes = try ["m1", "m2", "m3", "m4"].map { name in
            let labels = name == "m4" ? "    labels: {disk: \(label)}" : ""
            return try lab.node(
                name, role: name == "m4" ? "agent" : "server", more: absent.contains(name) ? "    state: absent" : labels)
        }
        try lab.writeInventory(nodes, version: version)
    }

    @Test func t00_preparingTheMachine() throws {
        let letGo = try lab.hold("sysctl", "", on: "m2")
        try lab.stopBootstrap(in: "prepare hosts", at: "m2: set sysctls")
        try lab.cutBootstrap("m2", in: "prepare hosts", at: "m2: set sysctls")
        try letGo()
    }

    @Test func t01_stoppedInTheUploadItGoesOnFromThePart() throws {
        try lab.lab("cut", "m1", "slow", "80000")
        let run = try lab.startBootstrap()
        try lab.wait(run, "m1: install /usr/local/bin/k3s\n")
        try lab.wait("a part of k3s", limit: 60) { try part() > 4_000_000 }
        run.interrupt()
        let result = run.end(limit: 60)
        #expect(result.status == 130 && result.text.contains("m1: install /usr/local/bin/k3s: skipped: stopped"), "\(result.text)")
        #expect(try part() > 4_000_000)
        try lab.lab("mend", "m1")
    }

    private func part() throws -> Int {
        let printed = try lab.on("m1", "cat /tmp/homelab-upload-k3s-*.homelab-upload 2>/dev/null | wc -c").output
        return Int(printed.trimmingCharacters(in: .newlines)) ?? 0
    }

    @Test func t02_cutOffInTheUpload() throws {
        try lab.lab("cut", "m1", "slow", "80000")
        try lab.cutBootstrap("m1", in: "k3s binary", at: "m1: install /usr/local/bin/k3s")
    }

    @Test func t03_theFirstServer() throws {
        try lab.stopBootstrap(in: "first server", at: "m1: wait for the k3s server")
        #expect(try lab.on("m1", "ls /tmp").output.contains("homelab-upload") == false, "what was brought is gone once it is in its place")
        // It does not get ready by itself between the runs.
        let unit = "/etc/systemd/system/k3s.service.d"
        try lab.on(
            "m1",
            """
            systemctl stop k3s; mkdir -p \(unit) && printf '[Service]\\nExecStartPre=/bin/sleep 300\\n' >\(unit)/slow.conf
            systemctl daemon-reload
            """)
        try lab.cutBootstrap("m1", in: "first server", at: "m1: wait for the k3s server")
        try lab.on("m1", "rm -r \(unit); systemctl daemon-reload; systemctl stop k3s")
    }

    @Test func t04_aFurtherServer() throws {
        // The first one has got well by itself, or is on its way still. Stopped, it has to start once more: the same run waits until it is
        // well, and goes on to the next.
        try lab.on("m1", "systemctl stop k3s")
        // The second does not get in by itself between the runs.
        try lab.on("m2", "ip route add blackhole 10.77.0.11")
        let run = try lab.startBootstrap()
        try lab.wait(run, "m2: wait for the k3s server\n")
        let before = run.output.components(separatedBy: "further servers: ")[0]
        #expect(before.contains("] first server: ") && before.contains("m1: wait for node m1 and its etcd member"), "\(before)")
        run.interrupt()
        #expect(run.end(limit: 60).status == 130)
        try lab.cutBootstrap("m2", in: "further servers", at: "m2: wait for the k3s server")
        try lab.on("m2", "ip route del blackhole 10.77.0.11")
        try lab.stopBootstrap(in: "further servers", at: "m3: wait for the k3s server")
    }

    @Test func t05_anAgent() throws {
        // It does not get in by itself meanwhile.
        let servers = "10.77.0.11 10.77.0.12 10.77.0.13"
        try lab.on("m4", "for server in \(servers); do ip route add blackhole $server; done")
        try lab.stopBootstrap(in: "agents", at: "m4: wait for the k3s agent")
        try lab.cutBootstrap("m4", in: "agents", at: "m4: wait for the k3s agent")
        try lab.on("m4", "for server in \(servers); do ip route del blackhole $server; done")
    }

    @Test func t06_theHomelabAgent() throws {
        try lab.stopBootstrap(in: "homelab agent", at: "m1: wait for the homelab agent")
        // It may be ready by now: one that takes its time is waited for.
        let unit = "/etc/systemd/system/homelab-agent.service.d"
        try lab.on(
            "m1",
            """
            systemctl stop homelab-agent; mkdir -p \(unit) && printf '[Service]\\nExecStartPre=/bin/sleep 300\\n' >\(unit)/slow.conf
            systemctl daemon-reload
            """)
        try lab.cutBootstrap("m1", in: "homelab agent", at: "m1: wait for the homelab agent")
        try lab.on("m1", "rm -r \(unit); systemctl daemon-reload; systemctl stop homelab-agent")
    }

    @Test func t07_aFurtherRunFinishesAndTheNextFindsNothingToDo() throws {
        let result = try lab.bootstrap()
        #expect(result.succeeded, "\(result.text)")
        #expect(try lab.readyNodes() == 4)
        #expect(try lab.kubectl("get", "node", "m4", "-o", "jsonpath={.metadata.labels.disk}").output == "ssd")
        let again = try lab.bootstrap()
        #expect(again.succeeded && again.output.contains("nothing to do"), "\(again.text)")
        #expect(try lab.kubectl("get", "secrets", "-n", "kube-system", "-o", "name").output.contains("bootstrap-token-") == false)
        for machine in ["m1", "m2", "m3", "m4"] {
            let temporary = "find /usr/local/bin /etc/rancher /etc/homelab -type f \\( -name '*.??????' -o -name '*.homelab-*' \\)"
            #expect(
                try lab.on(machine, "ls -d /run/homelab.lock /tmp/*homelab* 2>/dev/null; \(temporary)").output == "", "left on \(machine)")
        }
    }

    @Test func t08_aCutThatIsMendedCostsNothing() throws {
        try Self.write(lab, label: "nvme")
        try lab.on("m4", "echo 'debug: true' >>/etc/rancher/k3s/config.yaml")
        try lab.stopBootstrap(in: "configuration", at: "m4: wait for the k3s agent")
        try lab.on("m4", "echo 'debug: true' >>/etc/rancher/k3s/config.yaml")
        let run = try lab.startBootstrap()
        try lab.wait(run, "m4: wait for the k3s agent\n")
        try lab.lab("cut", "m4", "drop")
        try lab.wait(run, toNotice: "m4")
        try lab.lab("mend", "m4")
        let result = run.end()
        #expect(result.succeeded, "\(result.text)")
        #expect(try lab.kubectl("get", "node", "m4", "-o", "jsonpath={.metadata.labels.disk}").output == "nvme")
    }

    @Test func t09_ofTwoRunsAtOnceTheSecondSaysWhoIsAtWork() throws {
        try lab.on("m2", "echo 'debug: true' >>/etc/rancher/k3s/config.yaml")
        let first = try lab.startBootstrap()
        try lab.wait(first, "m2: wait for the k3s server\n")
        let second = try lab.bootstrap(limit: 60)
        #expect(second.status == 1, "\(second.text)")
        #expect(second.text.contains(#"node "m2": another run is working on this node"#), "\(second.text)")
        #expect(second.text.contains(", homelab bootstrap, since 20"), "it says who:\n\(second.text)")
        #expect(second.text.contains("Wait until it has ended."), "\(second.text)")
        let result = first.end()
        #expect(result.succeeded, "\(result.text)")
        #expect(try lab.bootstrap().output.contains("nothing to do"))
    }

    /// No machine is of both, so their locks do not meet: the cluster's Lease keeps the runs apart.
    @Test func t09b_twoRunsOnDifferentMachinesAreKeptApartToo() throws {
        for machine in ["m2", "m4"] { try lab.on(machine, "echo 'debug: true' >>/etc/rancher/k3s/config.yaml") }
        let first = try lab.startBootstrap("--only", "m4")
        try lab.wait(first, "m4: wait for the k3s agent\n")
        try lab.lab("cut", "m4", "drop")
        let second = try lab.bootstrap("--only", "m2", limit: 80)
        try lab.lab("mend", "m4")
        #expect(second.status == 1, "\(second.text)")
        #expect(second.text.contains("another run is changing the machines of this cluster"), "\(second.text)")
        #expect(second.text.contains(", homelab bootstrap, since 20"), "it says who:\n\(second.text)")
        #expect(
            try lab.on("m2", "cat /etc/rancher/k3s/config.yaml; ls /run/homelab.lock").output.hasSuffix("debug: true\n"), "left as it was")
        let result = first.end()
        #expect(result.succeeded, "\(result.text)")
        let after = try lab.bootstrap("--only", "m2")
        #expect(after.succeeded && !after.text.contains("waits whether"), "the Lease was given back:\n\(after.text)")
        #expect(try lab.bootstrap().output.contains("nothing to do"))
    }

    // MARK: An upgrade

    private static let next = "v1.20.3+k3s1"

    @Test func t10_theNewBinaryAndTheSnapshotBeforeAnUpgrade() throws {
        try Self.write(lab, version: Self.next)
        try lab.lab("cut", "m1", "slow", "40000")
        try lab.stopBootstrap(in: "k3s binary", at: "m1: bring /usr/local/bin/k3s")
        // What filled the slow line kept the servers from each other: one that is not well would be upgraded before the others.
        try settle()
        try lab.cutBootstrap("m1", in: "k3s binary", at: "m1: bring /usr/local/bin/k3s")
        try settle()
        // The snapshot's way to the operator takes long.
        let upload = try lab.startBootstrap()
        try lab.wait(upload, "] snapshot: ")
        upload.interrupt()
        #expect(upload.end(limit: 60).status == 130)
        try lab.lab("cut", "m1", "slow", "4000")
        try lab.stopBootstrap(in: "snapshot", at: "m1: save a snapshot of etcd")
        try lab.cutBootstrap("m1", in: "snapshot", at: "m1: save a snapshot of etcd")
        try settle()
        #expect(try lab.on("m1", "k3s kubectl get nodes --no-headers").output.contains("SchedulingDisabled") == false)
    }

    @Test func t11_aDrain() throws {
        try guardPod(on: "m1")
        let blocked = try lab.startBootstrap()
        try lab.wait(blocked, ", which PodDisruptionBudget still keeps: it needs 1 ")
        blocked.interrupt()
        let stopped = blocked.end(limit: 60)
        #expect(stopped.status == 130 && stopped.text.contains("m1: drain m1: skipped: stopped"), "\(stopped.text)")
        try lab.cutBootstrap("m1", in: "upgrade servers", at: "m1: drain m1")
        try letPodGo()
    }

    @Test func t12_theRestartOfAServer() throws {
        try lab.stopBootstrap(in: "upgrade servers", at: "m1: wait for the k3s server")
        try settle()
        try lab.cutBootstrap("m2", in: "upgrade servers", at: "m2: wait for the k3s server")
        try settle()
    }

    @Test func t13_theWayBackOfAnAgent() throws {
        let folder = "/etc/systemd/system/k3s-agent.service.d"
        let check = "ExecStartPre=/bin/sh -c \"! /usr/local/bin/k3s --version | grep -qF \(Self.next)\"\\nRestartSec=1\\n"
        try lab.on(
            "m4",
            "mkdir -p \(folder) && printf '[Unit]\\nStartLimitIntervalSec=0\\n[Service]\\n\(check)' >\(folder)/refuse.conf && systemctl daemon-reload"
        )
        for isCut in [false, true] {
            let run = try lab.startBootstrap()
            try lab.wait(run, "m4: goes back to k3s \(Lab.k3sVersion)\n")
            if isCut {
                try lab.lab("cut", "m4", "drop")
                try lab.wait(run, toNotice: "m4")
            }
            run.interrupt()
            let result = run.end(limit: 60)
            #expect(result.status == 130, "\(result.text)")
            #expect(result.text.contains("Stopped. Running the same command again goes on from here."), "\(result.text)")
            if isCut { try lab.lab("mend", "m4") }
        }
        // The same run that is not stopped ends with the old version in service.
        let back = try lab.bootstrap()
        #expect(back.status == 1 && back.text.contains("the upgrade failed, and the node runs k3s \(Lab.k3sVersion) again"), "\(back.text)")
        #expect(try lab.on("m4", "/usr/local/bin/k3s --version").output.contains(Lab.k3sVersion))
        try expectInService(["m1", "m2", "m3", "m4"])
        try lab.on("m4", "rm -r \(folder) && systemctl daemon-reload")
    }

    @Test func t14_afterAllThatTheUpgradeIsWhole() throws {
        let result = try lab.bootstrap()
        #expect(result.succeeded, "\(result.text)")
        let query = "-o=custom-columns=V:.status.nodeInfo.kubeletVersion"
        #expect(try Set(lab.kubectl("get", "nodes", "--no-headers", query).output.split(separator: "\n")) == [Substring(Self.next)])
        try expectInService(["m1", "m2", "m3", "m4"])
        try expectNothingToDo()
    }

    // MARK: Removals

    @Test func t15_theRemovalOfAnAgent() throws {
        try guardPod(on: "m4")
        try Self.write(lab, version: Self.next, absent: ["m4"])
        try lab.stopBootstrap(in: "remove nodes", at: "m4: drain m4")
        // What was begun goes first from now on.
        try lab.cutBootstrap("m1", in: Self.begun, at: "m4: drain m4")
        try letPodGo()
        let letGo = try holdUninstallation(of: "m4")
        let uninstalling = try lab.startBootstrap()
        try lab.wait(uninstalling, "m4: uninstall k3s and homelab\n")
        try lab.wait("an uninstallation under way", limit: 60) { try lab.on("m4", "pgrep -xf 'sleep 300'").succeeded }
        uninstalling.interrupt()
        let left = uninstalling.end(limit: 60)
        #expect(left.status == 130 && left.text.contains("m4: uninstall k3s and homelab: skipped: stopped"), "\(left.text)")
        // It goes on without the run, and the next one keeps away from the machine until it has ended.
        let waiting = try lab.startBootstrap()
        try lab.wait(waiting, "m4: waits for what was begun there before: process ")
        waiting.interrupt()
        let stopped = waiting.end(limit: 60)
        #expect(stopped.status == 130 && !stopped.output.contains("m4: uninstall k3s and homelab\n"), "\(stopped.text)")
        try letGo()
        try lab.wait("m4 to hold nothing", limit: 60) { try lab.on("m4", "ls -d /usr/local/bin/k3s* 2>/dev/null").output.isEmpty }
        // A Node that does not go yet, and may still be Ready.
        try lab.change("patch", "node", "m4", "--type=merge", "-p", #"{"metadata":{"finalizers":["example.org/hold"]}}"#)
        try lab.stopBootstrap(in: Self.begun, at: "m1: delete node m4")
        try lab.cutBootstrap("m1", in: Self.begun, at: "m1: delete node m4")
        try settle()
        let finishing = try lab.startBootstrap()
        try lab.wait(finishing, "m1: delete node m4\n")
        try lab.change("patch", "node", "m4", "--type=merge", "-p", #"{"metadata":{"finalizers":null}}"#)
        let result = finishing.end(limit: 120)
        #expect(result.succeeded, "\(result.text)")
        try expectGone("m4")
        try expectInService(["m1", "m2", "m3"])
        try expectNothingToDo()
    }

    @Test func t16_theRemovalOfAServer() throws {
        try Self.write(lab, version: Self.next, absent: ["m3", "m4"])
        let release = try lab.hold("mktemp", "authorized_keys", on: "m2")
        let step = "m2: take a key from debian"
        try lab.stopBootstrap(in: "keys of removed nodes", at: step)
        try lab.cutBootstrap("m2", in: "keys of removed nodes", at: step)
        try settle()
        try release()
        try lab.cutBootstrap("m1", in: "remove nodes", at: "m3: take m3 out of etcd")
        let letGo = try holdUninstallation(of: "m3")
        try lab.cutBootstrap("m3", in: Self.begun, at: "m3: uninstall k3s and homelab")
        try letGo()
        let result = try lab.bootstrap()
        #expect(result.succeeded, "\(result.text)")
        try expectGone("m3")
        for machine in ["m1", "m2"] {
            let keys = try lab.on(machine, "ls /home/debian/.ssh; cat /home/debian/.ssh/authorized_keys").output
            #expect(!keys.contains("/m3") && !keys.contains("authorized_keys."), "\(keys)")
        }
        try expectInService(["m1", "m2"])
        try expectNothingToDo()
    }

    @Test func t17_tearDown() throws { try lab.tearDown() }

    private static let begun = "take out what is gone"

    /// A pod that runs on one node and that no drain may take away.
    private func guardPod(on machine: String) throws {
        try Apps.immovable(on: machine).write(toFile: lab.folder + "/guarded.yaml", atomically: true, encoding: .utf8)
        try lab.change("apply", "-f", lab.folder + "/guarded.yaml")
        try lab.wait("a running pod", limit: 120) {
            try lab.kubectl("get", "deployment", "still", "-o", "jsonpath={.status.readyReplicas}").output == "1"
        }
    }

    private func letPodGo() throws {
        try settle()
        try lab.change("delete", "--ignore-not-found", "-f", lab.folder + "/guarded.yaml")
    }

    /// A server that was cut off from the others ends and starts anew. So may one that was not: etcd elects a leader when the line is mended,
    /// and controllers that cannot renew their Lease within 10 s meanwhile end k3s (`leaderelection lost`, seen 12 s after the mending).
    private func settle() throws {
        var processes: [String] = []
        var since = Date()
        try lab.wait("three servers that stay in service", limit: 300) {
            let now = try ["m1", "m2", "m3"].map { machine in
                let node = "k3s kubectl get node \(machine) --no-headers | grep -q ' Ready'"
                let well = "systemctl is-active k3s && k3s kubectl get --raw /readyz && \(node) && systemctl show k3s -p MainPID"
                let result = try lab.on(machine, well)
                return result.succeeded ? result.output : ""
            }
            if now.contains("") || now != processes { (processes, since) = (now, Date()) }
            return !now.contains("") && Date().timeIntervalSince(since) > 40
        }
    }

    /// What only the uninstallation asks for takes its time.
    /// - Returns: what lets it go on.
    private func holdUninstallation(of machine: String) throws -> () throws -> Void {
        try lab.hold("systemctl", "disable -q", on: machine)
    }

    private func expectInService(_ machines: [String]) throws {
        try lab.wait("\(machines.count) Ready nodes", limit: 90) { try lab.readyNodes() == machines.count }
        let query = "-o=custom-columns=N:.metadata.name,C:.metadata.annotations.homelab\\.dev/cordoned,U:.spec.unschedulable"
        let rows = try lab.kubectl("get", "nodes", "--no-headers", query).output.split(separator: "\n")
            .map { $0.split(separator: " ").joined(separator: " ") }
        #expect(rows.sorted() == machines.map { $0 + " <none> <none>" })
        for machine in machines {
            let left = try lab.on(machine, "ls -d /run/homelab.lock /tmp/*homelab* 2>/dev/null").output
            #expect(left == "", "left on \(machine)")
        }
    }

    private func expectGone(_ machine: String) throws {
        #expect(try lab.kubectl("get", "node", machine).status != 0)
        #expect(try lab.kubectl("get", "secret", "-n", "kube-system", machine + ".node-password.k3s").status != 0)
        let left = try lab.on(
            machine,
            "ls -d /usr/local/bin/k3s* /etc/rancher /var/lib/rancher /etc/homelab /var/lib/homelab /tmp/*homelab* /run/homelab.lock "
                + "2>/dev/null; grep homelab /home/debian/.ssh/authorized_keys; ip -o link | grep -E 'cni0|flannel'"
        ).output
        #expect(left == "", "left on \(machine)")
    }

    private func expectNothingToDo() throws {
        let plan = try lab.homelab("plan", "--kubeconfig", lab.kubeconfig, "--agent-binary", "amd64=" + Lab.binary)
        #expect(plan.status == 0 && plan.output.contains("nothing to do"), "\(plan.text)")
    }
}
