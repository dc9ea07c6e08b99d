import Foundation
import Testing

/// A cluster on machines that OpenRC starts: one server with the homelab agent, one agent.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct OpenRCLive {
    static let lab = Lab.made("liverc") { lab in
        try lab.lab("up", "m1:init=openrc", "m2:init=openrc", limit: 900)
        try lab.on("m2", alpine)
        for machine in ["m1", "m2"] { try lab.on(machine, tree, limit: 60) }
        try write(lab)
        try lab.trustHosts(["m1", "m2"])
        let result = try lab.bootstrap()
        guard result.succeeded else { throw Shell.Failure(command: ["homelab", "bootstrap"], result: result) }
    }

    let lab: Lab

    init() throws { lab = try Self.lab.get() }

    private static func write(_ lab: Lab, version: String = Lab.k3sVersion, absent: Bool = false) throws {
        try lab.writeInventory(
            [try lab.node("m1", role: "server"), try lab.node("m2", role: "agent", more: absent ? "    state: absent" : "")],
            version: version)
    }

    /// Makes a machine more like Alpine: busybox' applets are found first, sh among them, and doas is there in sudo's place. What speaks with
    /// the machine's own init stays.
    private static let alpine = """
        busybox --install -s /usr/local/sbin && cd /usr/local/sbin && rm -f init halt poweroff reboot linuxrc start-stop-daemon su login &&
        rm /usr/bin/sudo && echo 'permit nopass debian' >/etc/doas.conf && usermod --shell /usr/local/sbin/ash debian
        """

    /// Remembers what is on the machine, without what changes by itself.
    private static let tree = """
        find / /var/lib -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /var/tmp -o -path /var/cache \
        -o -path /usr/lib/rc/cache -o -path '/var/log/dmesg*' -o -path '/root/tree*' \\) -prune -o -print | sort > "/root/tree.$(ls /root/tree.* 2>/dev/null | wc -l)"
        """

    private func expectClean(_ machine: String) throws {
        try lab.on(machine, Self.tree, limit: 60)
        let left = try lab.on(machine, "comm -13 /root/tree.0 /root/tree.1; comm -23 /root/tree.0 /root/tree.1").output
        #expect(left == "", "\(machine) is not as before:\n\(left)")
        let services = try lab.on(machine, "rc-update show; rc-status -a 2>/dev/null; ls /run/*.pid; readlink /proc/[0-9]*/exe").output
        #expect(!services.contains("k3s") && !services.contains("homelab"), "\(services)")
    }

    private func versions() throws -> [String: String] {
        let query = "k3s kubectl get nodes --no-headers -o custom-columns=N:.metadata.name,V:.status.nodeInfo.kubeletVersion"
        let rows = try lab.on("m1", query).output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        return Dictionary(uniqueKeysWithValues: rows.filter { $0.count == 2 }.map { ($0[0], $0[1]) })
    }

    @Test func t01_itsServicesRunAndComeBackAfterABoot() throws {
        let status = try lab.on("m1", "rc-update show default").output + lab.on("m2", "rc-update show default").output
        for service in [" k3s ", " homelab-agent ", " k3s-agent "] { #expect(status.contains(service), "\(service) is not in\n\(status)") }
        let second = try lab.bootstrap()
        #expect(second.output.contains("nothing to do"), "\(second.text)")
        let boots = { try ["m1", "m2"].map { try self.lab.on($0, "cat /proc/sys/kernel/random/boot_id").output } }
        let before = try boots()
        try lab.lab("reboot", "m1")
        try lab.lab("reboot", "m2")
        let now = try boots()
        #expect(now[0] != before[0] && now[1] != before[1])
        // Ready alone may be what was said before the boot.
        let reported = "k3s kubectl get nodes -o jsonpath='{range .items[*]}{.status.nodeInfo.bootID}{\"\\n\"}{end}'"
        try lab.wait("both nodes", limit: 180) {
            let reported = try lab.on("m1", reported).output
            return try now.allSatisfy(reported.contains) && lab.readyNodes() == 2
        }
        try lab.wait("the homelab agent", limit: 60) { try lab.on("m1", "homelab agent-health 127.0.0.1:9797").succeeded }
        let again = try lab.bootstrap()
        #expect(again.output.contains("nothing to do"), "\(again.text)")
        let doctor = try lab.homelab("doctor")
        #expect(doctor.succeeded && doctor.output.contains("active"), "\(doctor.text)")
    }

    @Test func t01b_itsLogsAreRotatedAndStillFollowed() throws {
        let log = "/var/log/k3s.log"
        let rotation = try lab.on(
            "m1",
            "head -c 21000000 /dev/zero | tr '\\0' x >>\(log); echo >>\(log); logrotate -s /run/rotation /etc/logrotate.conf && ls /var/log"
        )
        #expect(rotation.succeeded && rotation.output.contains("k3s.log.1.gz\n"), "\(rotation.text)")
        // Something for k3s to say; what it writes is at the beginning of the file, not where it was before.
        try lab.wait("a further line of k3s", limit: 120) { try lab.on("m1", "[ -s \(log) ]").succeeded }
        let size = try lab.on("m1", "wc -c <\(log)").output.trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(try #require(Int(size)) < 1_000_000)
        try lab.wait("the doctor's word that all is well", limit: 60) {
            let doctor = try lab.homelab("doctor")
            return doctor.succeeded && doctor.output.contains("active")
        }
    }

    @Test func t01c_itIsAdoptedAsItIs() throws {
        let files = FileManager.default
        try files.createDirectory(atPath: lab.folder + "/.ssh", withIntermediateDirectories: true)
        try files.copyItem(atPath: lab.folder + "/known_hosts", toPath: lab.folder + "/.ssh/known_hosts")
        try files.moveItem(atPath: lab.inventory, toPath: lab.folder + "/home.yaml")
        defer {
            try? files.removeItem(atPath: lab.inventory)
            try? files.moveItem(atPath: lab.folder + "/home.yaml", toPath: lab.inventory)
        }
        let adopted = try lab.homelab(
            "adopt", "--name", "home", "--user", "debian", "--identity-file", lab.identity, try lab.lab("ip", "m1"),
            try lab.lab("ip", "m2"))
        #expect(adopted.succeeded, "\(adopted.text)")
        let plan = try lab.homelab("plan", "--agent-binary", "amd64=" + Lab.binary, "--kubeconfig", lab.kubeconfig)
        #expect(plan.status == 0 && plan.output.contains("nothing to do"), "\(plan.text)")
    }

    @Test func t02_aPushUpgradesTheOnlyServerByItsOwnAgent() throws {
        try lab.addRemote()
        try Self.write(lab, version: "v1.20.3+k3s1")
        let folder = try Lab.release("v1.20.3+k3s1")
        // The agent takes k3s from where the inventory says, on its own machine.
        for file in ["k3s", "sha256sum-amd64.txt"] { try lab.put(folder + "/" + file, on: "m1", at: folder + "/" + file) }
        let pushed = try lab.push("Another k3s")
        let took = try lab.wait("both nodes upgraded", limit: 300, since: pushed) { try Set(versions().values) == ["v1.20.3+k3s1"] }
        print("two machines with OpenRC upgraded by a push in \(Int(took)) s")
        try lab.wait("two nodes", limit: 60) { try lab.readyNodes() == 2 }
        #expect(try lab.on("m1", "cat /var/log/homelab-node-change.log").output.contains("k3s"), "a process beside the agent did it")
        try lab.wait("nothing left to do", limit: 120) {
            try lab.run([Lab.binary, "plan", "--live", "--kubeconfig", lab.kubeconfig]).output.contains("nothing to do")
        }
    }

    @Test func t03_anAgentWhoseNewBinaryDoesNotStartGoesBack() throws {
        let refuse = #"#!/bin/sh\n"$1" --version | grep -qF v1.20.4+k3s1 && exit 1\nexec "$@"\n"#
        let made = try lab.on(
            "m2",
            "printf '\(refuse)' >/root/tree-refuse && chmod 755 /root/tree-refuse && mkdir -p /etc/conf.d && "
                + "echo 'supervise_daemon_args=/root/tree-refuse' >/etc/conf.d/k3s-agent")
        #expect(made.succeeded, "\(made.text)")
        try Self.write(lab, version: "v1.20.4+k3s1")
        let result = try lab.bootstrap(limit: 900)
        #expect(result.status == 1, "\(result.text)")
        #expect(result.text.contains("the upgrade failed, and the node runs k3s v1.20.3+k3s1 again"), "\(result.text)")
        #expect(result.text.contains("k3s ended"), "the cause is told:\n\(result.text)")
        #expect(try versions() == ["m1": "v1.20.4+k3s1", "m2": "v1.20.3+k3s1"])
        try lab.on("m2", "rm /etc/conf.d/k3s-agent /root/tree-refuse; rmdir --ignore-fail-on-non-empty /etc/conf.d")
    }

    @Test func t04_aVersionOfTheAgentThatDoesNotGetReadyMakesWay() throws {
        let running = "sha256sum <$(readlink -f /proc/$(cat /run/openrc/options/homelab-agent/child_pid)/exe)"
        let before = try lab.on("m1", running).output
        try lab.put("/bin/false", on: "m1", at: "/srv/homelab/0.1.2/homelab-amd64")
        let sum = String(try Shell.must(["sha256sum", "/bin/false"]).prefix(64))
        let text = try String(contentsOfFile: lab.inventory, encoding: .utf8)
        try lab.write(
            text.replacingOccurrences(of: "nodes:\n", with: "agent:\n  version: 0.1.2\n  source: /srv/homelab\nnodes:\n"),
            to: "inventory/home.yaml")
        try lab.write(
            "apiVersion: homelab.dev/v1alpha1\nkind: Lock\nk3s: {}\nhomelab:\n  0.1.2: {amd64: \(sum)}\n", to: "inventory/home.lock.yaml")
        _ = try lab.push("An agent that does not work")
        try lab.wait("the way back", limit: 240) {
            try lab.on("m1", "cat /var/lib/homelab/agent-switch").output.hasPrefix("returned \(sum)")
        }
        try lab.wait("the agent from before", limit: 60) { try lab.on("m1", running).output == before }
    }

    @Test func t05_whatLeavesLeavesCleanMachines() throws {
        try FileManager.default.removeItem(atPath: lab.repository + "/inventory/home.lock.yaml")
        try Self.write(lab, version: "v1.20.4+k3s1", absent: true)
        var result = try lab.bootstrap(limit: 600)
        // The agent that has just come back may be at work.
        try lab.wait("the end of the agent's work", limit: 180) {
            guard result.text.contains("another run is working on this node: the homelab agent") else { return true }
            result = try lab.bootstrap(limit: 600)
            return false
        }
        #expect(result.succeeded, "\(result.text)")
        try expectClean("m2")
        let reset = try lab.homelab("reset", "--confirm", "home")
        #expect(reset.succeeded, "\(reset.text)")
        try lab.on("m1", "rm -rf /srv/homelab /root/.cache")
        try expectClean("m1")
        try lab.tearDown()
    }
}
