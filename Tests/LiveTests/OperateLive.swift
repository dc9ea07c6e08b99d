import Foundation
import Testing

/// What an operator does with a cluster that runs: look, keep copies, put back, adopt, take down.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct OperateLive {
    static let lab = Lab.made("liveop") { lab in
        try lab.lab("up", "2")
        for machine in ["m1", "m2"] { try lab.on(machine, tree, limit: 60) }
        try lab.writeInventory([
            try lab.node("m1", role: "server"),
            try lab.node("m2", role: "agent", more: "    mac: 02:00:00:aa:bb:cc\n    labels: {disk: ssd}"),
        ])
        let inventory = try String(contentsOfFile: lab.inventory, encoding: .utf8)
            .replacingOccurrences(of: "k3s:\n", with: "k3s:\n  datastore: etcd\n")
        try lab.write(inventory, to: "inventory/home.yaml")
    }

    /// Remembers what is on the machine, without what changes by itself.
    private static let tree = """
        find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /var/tmp -o -path /var/log \
        -o -path /var/lib/systemd -o -path /var/cache -o -path /root/tree \\) -prune -o -print | sort \
        > "/root/tree.$(ls /root/tree.* 2>/dev/null | wc -l)"
        """

    let lab: Lab

    init() throws { lab = try Self.lab.get() }

    private func preflight(_ more: String...) throws -> Shell.Result {
        try lab.run([Lab.binary, "preflight", "--agent-binary", "amd64=" + Lab.binary] + more, limit: 120)
    }

    @Test func t01_beforeAnythingIsThereTheWaysAreTriedAndNothingIsLeftBehind() throws {
        let open = try preflight()
        #expect(open.succeeded, "\(open.text)")
        #expect(open.output.contains("Nothing is in the way"), "\(open.text)")
        try lab.on("m2", "iptables -A INPUT -p udp --dport 8472 -j DROP; iptables -A INPUT -p tcp --dport 10250 -j REJECT")
        try lab.on("m1", "ip link set eth0 mtu 1400")
        defer {
            _ = try? lab.on("m2", "iptables -F INPUT")
            _ = try? lab.on("m1", "ip link set eth0 mtu 1500")
        }
        let blocked = try preflight()
        #expect(blocked.status == 1)
        #expect(
            blocked.output.contains(#"node "m2": UDP 8472, which the pod network (vxlan) needs, gets no answer from m1"#), "\(blocked.text)"
        )
        #expect(blocked.output.contains(#"node "m2": TCP 10250, which the kubelet needs, is refused from m1"#), "\(blocked.text)")
        #expect(
            blocked.output.contains(#"node "m1": packets of 1500 bytes from m2 do not arrive, smaller ones do"#), "\(blocked.text)")
        let json = try preflight("-o", "json")
        #expect(json.output.contains(#""passed": false"#) && json.output.contains(#""subject": "node \"m2\"""#), "\(json.text)")
        for machine in ["m1", "m2"] {
            #expect(try lab.on(machine, "ls /tmp").output.contains("homelab") == false, "the helper's binary is gone again")
        }
        #expect(try lab.on("m2", "pgrep -c homelab || true").output == "0\n", "nothing listens any more")
    }

    @Test func t01b_whatCannotBeAdoptedOrFetchedYetSaysWhy() throws {
        try lab.trustHosts(["m1", "m2"])
        try FileManager.default.createDirectory(atPath: lab.folder + "/.ssh", withIntermediateDirectories: true)
        try? FileManager.default.copyItem(atPath: lab.folder + "/known_hosts", toPath: lab.folder + "/.ssh/known_hosts")
        let ip = try lab.lab("ip", "m1")
        let adopted = try lab.homelab("adopt", "--name", "other", "--user", "debian", "--identity-file", lab.identity, ip)
        #expect(adopted.status == 1)
        #expect(adopted.errors == "error: host \(ip): no k3s runs on it\n    name only machines of the cluster\n", "\(adopted.text)")
        let twice = try lab.homelab("adopt", "--name", "other", "--user", "debian", "--identity-file", lab.identity, ip, ip)
        #expect(twice.errors == "error: \(ip) is named twice\n    name each machine once\n", "\(twice.text)")
        #expect(!FileManager.default.fileExists(atPath: lab.repository + "/inventory/other.yaml"))
        let kubeconfig = try lab.homelab("kubeconfig")
        #expect(kubeconfig.status == 1 && kubeconfig.output.isEmpty, "\(kubeconfig.text)")
        #expect(kubeconfig.errors.contains(#"error: node "m1": it has no kubeconfig"#), "\(kubeconfig.text)")
        let doctor = try lab.homelab("doctor", "m1")
        #expect(doctor.status == 1, "\(doctor.text)")
        #expect(
            doctor.output.contains("error: node \"m1\": k3s is not running\n    `homelab bootstrap` installs or starts it\n"),
            "\(doctor.text)")
        #expect(try lab.homelab("snapshot", "list").output == "There is none.\n")
        let certs = try lab.homelab("certs", "m1")
        #expect(certs.errors.contains(#"warning: node "m1": there are no certificates of k3s on it"#), "\(certs.text)")
    }

    @Test func t02_aLockPinsWhatTheSourceHas() throws {
        try FileManager.default.removeItem(atPath: lab.inventory.replacingOccurrences(of: ".yaml", with: ".lock.yaml"), ifThere: true)
        let locked = try lab.homelab("lock")
        #expect(locked.succeeded && locked.output.contains("inventory/home.lock.yaml: written"), "\(locked.text)")
        let text = try String(contentsOfFile: lab.repository + "/inventory/home.lock.yaml", encoding: .utf8)
        #expect(text.contains(try Shell.must(["sha256sum", Lab.k3s + "/k3s"]).prefix(64)))
        #expect(try lab.homelab("lock").output.contains("unchanged"))
        #expect(try lab.homelab("validate").succeeded)
    }

    @Test func t03_aBootstrapInJSONTellsEverythingThatHappens() throws {
        let result = try lab.run(
            [
                Lab.binary, "bootstrap", "--yes", "-o", "json", "--agent-binary", "amd64=" + Lab.binary, "--kubeconfig", lab.kubeconfig,
            ])
        #expect(result.succeeded, "\(result.text)")
        let events = try result.output.split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any], "\($0)")
        }
        #expect(events.contains { $0["event"] as? String == "plan" })
        #expect(events.contains { $0["event"] as? String == "stepDone" && $0["node"] as? String == "m2" })
        #expect(events.last?["event"] as? String == "result" && events.last?["succeeded"] as? Bool == true)
        let logs = try #require(events.last?["logs"] as? String)
        let token = try lab.on("m1", "cat /var/lib/rancher/k3s/server/token").output.trimmingCharacters(in: .whitespacesAndNewlines)
        for file in try FileManager.default.contentsOfDirectory(atPath: logs) {
            let text = try String(contentsOfFile: "\(logs)/\(file)", encoding: .utf8)
            #expect(!text.contains(token), "\(file) holds the token")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: logs).sorted().contains("m2.log"))
    }

    @Test func t04_theKubeconfigIsPrintedAndMerged() throws {
        let printed = try lab.homelab("kubeconfig")
        #expect(
            printed.output.contains("https://\(try lab.lab("ip", "m1")):6443") && printed.output.contains("name: home"), "\(printed.text)")
        let file = lab.folder + "/merged"
        try "apiVersion: v1\nkind: Config\nclusters: [{name: other, cluster: {server: 'https://other'}}]\ncontexts: []\nusers: []\n"
            .write(toFile: file, atomically: true, encoding: .utf8)
        #expect(try lab.homelab("kubeconfig", "--merge", "--kubeconfig", file).succeeded)
        let merged = try String(contentsOfFile: file, encoding: .utf8)
        #expect(merged.contains("https://other") && merged.contains("name: home"))
        #expect(try Shell.must(["stat", "-c", "%a", file]) == "600\n")
        // Entries of this name that lead to another cluster are kept in a copy; a link stays one.
        let other = "kind: Config\nclusters: [{name: home, cluster: {server: 'https://other', certificate-authority-data: YQ==}}]\n"
        try other.write(toFile: lab.folder + "/real", atomically: true, encoding: .utf8)
        try FileManager.default.createSymbolicLink(atPath: lab.folder + "/link", withDestinationPath: "real")
        let replaced = try lab.homelab("kubeconfig", "--merge", "--kubeconfig", lab.folder + "/link")
        #expect(replaced.succeeded && replaced.output == "\(lab.folder)/link: context home\n", "\(replaced.text)")
        let told = "warning: the entries home that were there led to another cluster and are replaced; the file from before is "
        #expect(replaced.errors.contains(told + "\(lab.folder)/real.before-20"), "\(replaced.text)")
        let copy = replaced.errors.components(separatedBy: told).last?.split(separator: "\n").first.map(String.init) ?? ""
        #expect(try String(contentsOfFile: copy, encoding: .utf8) == other)
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: lab.folder + "/link") == "real")
        try "- a list\n".write(toFile: lab.folder + "/list", atomically: true, encoding: .utf8)
        let refused = try lab.homelab("kubeconfig", "--merge", "--kubeconfig", lab.folder + "/list")
        #expect(refused.status == 1 && refused.errors.contains("it is no kubeconfig that could be merged into"), "\(refused.text)")
        #expect(try String(contentsOfFile: lab.folder + "/list", encoding: .utf8) == "- a list\n")
    }

    @Test func t05_theClusterIsLookedOver() throws {
        let well = try preflight()
        #expect(well.succeeded, "\(well.text)")
        #expect(well.output.contains("there is no snapshot of etcd"), "\(well.text)")
        #expect(!well.output.contains("its etcd"), "\(well.text)")
        let alarm = """
            cd /var/lib/rancher/k3s/server/tls/etcd && curl -s --cacert server-ca.crt --cert client.crt --key client.key \
            https://127.0.0.1:2379/v3/maintenance/alarm -d '{"action":"ACTION","memberID":"0","alarm":"NOSPACE"}'
            """
        try lab.on("m1", alarm.replacingOccurrences(of: "ACTION", with: "ACTIVATE"))
        let full = try preflight("--skip-reach")
        try lab.on("m1", alarm.replacingOccurrences(of: "ACTION", with: "DEACTIVATE"))
        #expect(full.status == 1 && full.output.contains(#"node "m1": its etcd member is not healthy"#), "\(full.text)")
        #expect(full.output.contains("quota-backend-bytes"), "\(full.text)")
        let certificates = try lab.homelab("certs")
        #expect(
            certificates.succeeded && certificates.output.contains("m1") && certificates.output.contains("days"), "\(certificates.text)")
    }

    @Test func t06_theDoctorNamesTheCause() throws {
        let well = try lab.homelab("doctor")
        #expect(well.succeeded && well.output.contains("m2"), "\(well.text)")
        #expect(well.output.contains("Nothing is wrong with k3s there."), "\(well.text)")
        try lab.lab("cut", "m2", "cable")
        let away = try lab.homelab("doctor")
        try lab.lab("mend", "m2")
        #expect(away.status == 1, "\(away.text)")
        let reached = /error: node "m2": cannot be reached: debian@10\.77\.0\.12: (no route to it|no answer within [5-9] s)\n/
        #expect(away.output.contains(reached), "\(away.text)")
        #expect(
            away.output.contains("\n    check that the machine is on and connected, and that no firewall is in between\n"), "\(away.text)")
        try lab.on("m2", "systemctl stop k3s-agent")
        let stopped = try lab.homelab("doctor", "m2")
        #expect(stopped.status == 1, "\(stopped.text)")
        #expect(
            stopped.output.contains("error: node \"m2\": k3s is stopped\n    `homelab bootstrap` starts it\n"), "\(stopped.text)")
        try lab.on(
            "m2",
            "cp /etc/rancher/k3s/config.yaml /root/config.yaml; sed -i 's#^server: .*#server: https://10.77.0.99:6443#' /etc/rancher/k3s/config.yaml"
        )
        try lab.on("m2", "rm -f /var/lib/rancher/k3s/agent/etc/*.json; systemctl --no-block restart k3s-agent")
        var said = ""
        try lab.wait("the cause", limit: 60) {
            let result = try lab.homelab("doctor", "m2")
            said = result.text
            return result.status == 1 && said.contains("the machine cannot reach the server on port 6443")
        }
        #expect(said.contains("Check address and firewall: TCP 6443 of every server"), "\(said)")
        // What was changed by hand is put back by a further run, which gives the node a token of its own for it.
        // On a terminal it is a table that fits into the window.
        let command = "\(Lab.binary) bootstrap --yes --kubeconfig \(lab.kubeconfig) --agent-binary amd64=\(Lab.binary)"
        let again = try lab.run(["script", "-qec", "stty cols 60 rows 20; exec \(command)", "/dev/null"], environment: ["TERM": "xterm"])
        #expect(again.succeeded, "\(again.text)")
        #expect(again.output.contains("m2  wait for the k3s agent"), "\(again.text)")
        let rows = again.output.replacing(/\u{1B}\[[0-9;]*[A-Za-z]/, with: "").split(whereSeparator: \.isNewline)
            .filter { $0.hasPrefix("  ✓ ") || $0.contains(#/^  [⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] /#) }
        #expect(!rows.isEmpty && rows.allSatisfy { $0.count <= 59 && $0.hasSuffix(")") }, "\(rows)")
        let journal = try lab.run(
            [
                "sh", "-c",
                "echo 'Nov 25 level=fatal msg=\"token CA hash does not match the Cluster CA certificate hash\"' | \(Lab.binary) doctor --journal -",
            ])
        #expect(journal.status == 1 && journal.output.contains("the join token belongs to another cluster"), "\(journal.text)")
    }

    @Test func t06b_driftOfEveryKindIsToldAndRepaired() throws {
        try lab.on(
            "m2",
            """
            cp /usr/local/bin/k3s /root/k3s; echo x >>/root/k3s; mv /root/k3s /usr/local/bin/k3s; sysctl -qw net.ipv4.ip_forward=0
            echo '# mine' >>/etc/systemd/system/k3s-agent.service; echo 'debug: true' >>/etc/rancher/k3s/config.yaml
            rm /etc/modules-load.d/homelab-k3s.conf; echo vm.swappiness=1 >>/etc/sysctl.d/90-homelab-k3s.conf
            """)
        let plan = [Lab.binary, "plan", "--kubeconfig", lab.kubeconfig, "--agent-binary", "amd64=" + Lab.binary]
        let told = try lab.run(plan)
        #expect(told.status == 2, "\(told.text)")
        for words in [
            "m2  write /etc/modules-load.d/homelab-k3s.conf  (is missing)", "write /etc/sysctl.d/90-homelab-k3s.conf  (differs)",
            "set net.ipv4.ip_forward=1  (net.ipv4.ip_forward is 0)", "m2  install /usr/local/bin/k3s  (is another build (sha256 ",
            "m2  write /etc/rancher/k3s/config.yaml  (differs in debug)", "write /etc/systemd/system/k3s-agent.service  (differs)",
            "restart k3s-agent.service  (config.yaml differs in debug; k3s-agent.service differs; the binary is newer than the running process)",
            "unchanged\n  m1  is as the inventory says",
        ] { #expect(told.output.contains(words), "\(words) is not in\n\(told.output)") }
        let repaired = try lab.bootstrap()
        #expect(repaired.succeeded, "\(repaired.text)")
        let after = try lab.run(plan)
        #expect(after.status == 0, "\(after.text)")
        #expect(try lab.on("m2", "sysctl -n net.ipv4.ip_forward").output == "1\n")
        let sum = try Shell.must(["sha256sum", Lab.k3s + "/k3s"]).prefix(64)
        #expect(try lab.on("m2", "sha256sum /usr/local/bin/k3s").output.prefix(64) == sum)
    }

    @Test func t07_aSnapshotIsKeptHereAndPutBack() throws {
        try lab.wait("two ready nodes", limit: 90) { try lab.readyNodes() == 2 }
        try lab.change("create", "configmap", "before", "-n", "default")
        let saved = try lab.homelab("snapshot", "save", "--to", lab.folder + "/snapshots")
        #expect(saved.succeeded, "\(saved.text)")
        let files = try FileManager.default.contentsOfDirectory(atPath: lab.folder + "/snapshots").sorted()
        #expect(files.count == 2 && files[1] == files[0] + ".token", "\(files)")
        #expect(try Shell.must(["sh", "-c", "stat -c %a '\(lab.folder)/snapshots/'*"]) == "600\n600\n")
        let listed = try lab.homelab("snapshot", "list", "--from", lab.folder + "/snapshots")
        #expect(listed.output.contains("here") && listed.output.contains("m1"), "\(listed.text)")
        try lab.change("create", "configmap", "after", "-n", "default")
        let file = "\(lab.folder)/snapshots/\(files[0])"
        // What is no whole snapshot is seen before anything stops.
        let part = lab.folder + "/snapshots/part"
        try Shell.must(["sh", "-c", "head -c 100000 '\(file)' >\(part) && cp '\(file).token' \(part).token"])
        let damaged = try lab.homelab("snapshot", "restore", part, "--confirm", "home")
        #expect(damaged.status == 1, "\(damaged.text)")
        #expect(
            damaged.errors.contains(
                "error: \(part): this is no whole snapshot of etcd, and nothing was done with it: it breaks off: the sha256 at its end is missing\n"
                    + "    give another one: `homelab snapshot list` shows what there is"), "\(damaged.text)")
        #expect(try lab.on("m1", "systemctl is-active k3s homelab-agent").output == "active\nactive\n")
        try putBackWhatK3sCannotRead(token: file + ".token")
        let unconfirmed = try lab.homelab("snapshot", "restore", file)
        #expect(unconfirmed.status == 1 && unconfirmed.text.contains("--confirm home"), "\(unconfirmed.text)")
        let restored = try lab.homelab("snapshot", "restore", file, "--confirm", "home")
        #expect(restored.succeeded, "\(restored.text)")
        #expect(restored.output.contains("m1: begin anew from the snapshot: done in "), "\(restored.text)")
        #expect(restored.output.contains("\nRestored. Nodes that came after the snapshot are not known any more"), "\(restored.text)")
        #expect(try lab.kubectl("get", "configmap", "before", "-n", "default").succeeded)
        #expect(try lab.kubectl("get", "configmap", "after", "-n", "default").status != 0, "what came later is gone")
        try lab.wait("two ready nodes", limit: 120) { try lab.readyNodes() == 2 }
    }

    /// A file that is whole by its own sha256, and of which k3s can make nothing: the cluster is as it was.
    private func putBackWhatK3sCannotRead(token: String) throws {
        let forged = lab.folder + "/snapshots/forged"
        let script = """
            import hashlib, sys
            pages = bytearray(8192)
            for at in (16, 4112): pages[at:at + 4] = bytes.fromhex('edda0ced')
            open(sys.argv[1], 'wb').write(bytes(pages) + hashlib.sha256(pages).digest())
            """
        try Shell.must(["python3", "-c", script, forged])
        try FileManager.default.copyItem(atPath: token, toPath: forged + ".token")
        let refused = try lab.homelab("snapshot", "restore", forged, "--confirm", "home")
        try FileManager.default.removeItem(atPath: forged)
        try FileManager.default.removeItem(atPath: forged + ".token")
        #expect(refused.status == 1 && refused.errors.contains(#"error: node "m1": the restore stopped here: "#), "\(refused.text)")
        #expect(
            refused.errors.contains(
                "\n    All servers are stopped and have their data from before: `homelab recover` starts k3s again as it was, "
                    + "`homelab bootstrap` the agents."), "\(refused.text)")
        let recovered = try lab.homelab("recover", "--yes")
        #expect(recovered.succeeded, "\(recovered.text)")
        let again = try lab.bootstrap()
        #expect(again.succeeded, "\(again.text)")
        #expect(try lab.kubectl("get", "configmap", "before", "-n", "default").succeeded, "its data are back")
        let left = try lab.on("m1", "ls /var/lib/rancher/k3s/server/db /etc/rancher/k3s | grep -e etcd-old -e homelab-restore -e before")
            .output
        #expect(left == "")
    }

    @Test func t08_anAdoptedClusterNeedsNoChange() throws {
        try FileManager.default.moveItem(atPath: lab.inventory, toPath: lab.folder + "/home.yaml")
        try FileManager.default.moveItem(
            atPath: lab.repository + "/inventory/home.lock.yaml", toPath: lab.folder + "/home.lock.yaml")
        try lab.trustHosts(["m1", "m2"])
        try FileManager.default.createDirectory(atPath: lab.folder + "/.ssh", withIntermediateDirectories: true)
        try? FileManager.default.copyItem(atPath: lab.folder + "/known_hosts", toPath: lab.folder + "/.ssh/known_hosts")
        let adopted = try lab.homelab(
            "adopt", "--name", "home", "--user", "debian", "--identity-file", lab.identity, try lab.lab("ip", "m1"), try lab.lab("ip", "m2")
        )
        #expect(adopted.succeeded, "\(adopted.text)")
        let plan = try lab.homelab("plan", "--agent-binary", "amd64=" + Lab.binary, "--kubeconfig", lab.kubeconfig)
        #expect(plan.status == 0, "\(plan.text)")
        let again = try lab.homelab("adopt", "--name", "home", try lab.lab("ip", "m1"))
        #expect(again.status == 1 && again.text.contains("is there already"), "\(again.text)")
        for name in ["home.yaml", "home.lock.yaml"] {
            try FileManager.default.removeItem(atPath: lab.repository + "/inventory/" + name, ifThere: true)
            try FileManager.default.moveItem(atPath: lab.folder + "/" + name, toPath: lab.repository + "/inventory/" + name)
        }
    }

    @Test func t09_aSleepingMachineIsSentItsPacket() throws {
        let script =
            "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 9)); s.settimeout(60); "
            + "print('ready', flush=True); print(s.recv(200).hex())"
        let listener = Process()
        listener.executableURL = URL(fileURLWithPath: Lab.root + "/Tests/TestBed/machines/lab")
        listener.arguments = ["exec", "python3", "-c", script]
        listener.environment = ProcessInfo.processInfo.environment.merging([
            "HOMELAB_LAB_PREFIX": lab.prefix, "HOMELAB_LAB": lab.folder + "/lab",
        ]) { $1 }
        let heard = Pipe()
        listener.standardOutput = heard
        try listener.run()
        #expect(String(decoding: heard.fileHandleForReading.availableData, as: UTF8.self).hasPrefix("ready"))
        let woken = try lab.homelab("wake", "m2")
        #expect(woken.succeeded && woken.output.contains("02:00:00:aa:bb:cc"), "\(woken.text)")
        let packet = String(decoding: heard.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        #expect(packet.contains("ffffffffffff" + String(repeating: "020000aabbcc", count: 16)), "\(packet)")
        let without = try lab.homelab("wake", "m1")
        #expect(without.status == 1 && without.text.contains("the inventory has no mac for it"), "\(without.text)")
    }

    @Test func t10_aResetLeavesCleanTrees() throws {
        let wrong = try lab.homelab("reset", "--confirm", "hom")
        #expect(wrong.status == 1 && wrong.text.contains("is not the name home"), "\(wrong.text)")
        // A machine that has become another cluster's is none of this one's.
        let authority = "/var/lib/rancher/k3s/agent/server-ca.crt"
        try lab.on("m2", "cp \(authority) /root/ca && echo another >>\(authority)")
        let first = try lab.homelab("reset", "--confirm", "home")
        try lab.on("m2", "mv /root/ca \(authority)")
        #expect(first.succeeded, "\(first.text)")
        #expect(
            first.errors.contains(#"warning: node "m2": is left alone: its k3s is of another cluster than that of m1"#), "\(first.text)")
        #expect(first.output.contains("m1: stop the homelab agent: done in "), "\(first.text)")
        #expect(first.output.contains("m1: take k3s and homelab off it: done in ") && !first.output.contains("m2: take"), "\(first.text)")
        #expect(first.output.hasSuffix("\nNothing of cluster home is left on its machines; left alone: m2.\n"), "\(first.text)")
        #expect(try lab.on("m2", "systemctl is-active k3s-agent").output == "active\n")
        // Its server is gone, and its own configuration tells where it belongs. A disk of its own keeps nothing.
        let disk = "/var/lib/rancher/k3s/storage"
        try lab.on("m2", "mkdir -p \(disk) && mount -t tmpfs disk \(disk) && mkdir \(disk)/pvc-1 && echo x >\(disk)/pvc-1/x")
        let reset = try lab.homelab("reset", "--confirm", "home")
        #expect(reset.succeeded, "\(reset.text)")
        #expect(reset.output.contains("m2: take k3s and homelab off it: done in "), "\(reset.text)")
        #expect(reset.output.hasSuffix("\nNothing of cluster home is left on its machines.\n"), "\(reset.text)")
        let kept = try lab.on(
            "m2", "mountpoint -q \(disk) && ls -A \(disk) && umount \(disk) && cd /var/lib && rmdir -p rancher/k3s/storage")
        #expect(kept.succeeded && kept.output == "", "\(kept.text)")
        for machine in ["m1", "m2"] {
            try lab.on(machine, Self.tree, limit: 60)
            let left = try lab.on(machine, "rm -f /root/config.yaml; comm -13 /root/tree.0 /root/tree.1 | grep -v '^/root/'").output
            #expect(left == "", "\(machine) has more than before:\n\(left)")
        }
    }

    @Test func t11_tearDown() throws { try lab.tearDown() }
}

extension FileManager {
    fileprivate func removeItem(atPath path: String, ifThere: Bool) throws {
        if fileExists(atPath: path) || !ifThere { try removeItem(atPath: path) }
    }
}
