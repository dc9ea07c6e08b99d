import Foundation
import Testing

/// Nodes that leave, in every state a machine can be in, and machines that come back with a fresh disk.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct RemovalLive {
    private static let servers = ["m1", "m2", "m3"]
    private static let agents = ["m4", "m5"]

    static let lab = Lab.made("livegone") { lab in
        try lab.lab("up", "5", limit: 900)
        // An operator's disks below k3s' folder, and another in its place.
        try lab.on("m4", disks.map { "mkdir -p \($0) && mount -t tmpfs disk \($0)" }.joined(separator: " && "))
        try lab.on("m3", "mkdir -p /var/lib/ssd && echo mine >/var/lib/ssd/photo")
        for machine in servers + agents { try files(lab, machine).write(toFile: before(lab, machine), atomically: true, encoding: .utf8) }
        try lab.on("m3", "mkdir -p /var/lib/rancher && ln -s /var/lib/ssd /var/lib/rancher/k3s")
        try write(lab)
        try lab.trustHosts(servers + agents)
        let result = try lab.bootstrap(limit: 900)
        guard result.succeeded else { throw Shell.Failure(command: ["homelab", "bootstrap"], result: result) }
        try result.text.write(toFile: lab.folder + "/made", atomically: true, encoding: .utf8)
    }

    private static let disks = ["/var/lib/rancher/k3s/storage", "/var/lib/rancher/k3s/agent/images", "/var/lib/kubelet/pods"]

    let lab: Lab

    init() throws { lab = try Self.lab.get() }

    /// The inventory with these nodes to be absent; those in `without` are not named at all.
    private static func write(_ lab: Lab, absent: Set<String> = [], without: Set<String> = []) throws {
        let nodes = (servers + agents).filter { !without.contains($0) }.map { name in (name, servers.contains(name) ? "server" : "agent") }
        try lab.writeInventory(
            nodes.map { name, role in try lab.node(name, role: role, more: absent.contains(name) ? "    state: absent" : "") },
            k3s: Lab.quickLoss)
    }

    private static func before(_ lab: Lab, _ machine: String) -> String { lab.folder + "/before-" + machine }

    /// Every file and folder of a machine but those that the system itself keeps changing.
    private static func files(_ lab: Lab, _ machine: String) throws -> String {
        let busy = [
            "/var/log/journal", "/var/lib/systemd", "/var/lib/private", "/tmp", "/var/tmp", "/var/lib/apt", "/var/lib/dbus", "/var/cache",
        ]
        let prune = busy.map { "-path \($0)" }.joined(separator: " -o ")
        return try lab.on(machine, "find / /var/lib -xdev \\( \(prune) \\) -prune -o -print | sort -u").output
    }

    private func expectClean(_ machine: String) throws {
        let before = Set(try String(contentsOfFile: Self.before(lab, machine), encoding: .utf8).split(separator: "\n").map(String.init))
        let after = Set(try Self.files(lab, machine).split(separator: "\n").map(String.init))
        #expect(after.subtracting(before).sorted() == [], "left behind on \(machine)")
        #expect(before.subtracting(after).sorted() == [], "missing on \(machine)")
        let rest = try lab.on(
            machine,
            "ip -o link | grep -E 'cni0|flannel' ; iptables-save | grep -E 'KUBE-|CNI-' ; grep -E '/run/k3s|/var/lib/kubelet/.*/' /proc/mounts; "
                + "ls /tmp | grep homelab; readlink /proc/[0-9]*/exe | grep -E '/var/lib/(rancher|ssd)'; ip route | grep 10.42"
        ).output
        #expect(rest == "", "left in the kernel of \(machine)")
        let keys = try lab.on(machine, "cat /home/debian/.ssh/authorized_keys").output
        #expect(!keys.contains("homelab-agent@"), "\(keys)")
    }

    private func nodes(through server: String = "m1") throws -> [String] {
        try lab.on(server, "k3s kubectl get nodes -o name").output.split(separator: "\n").map { String($0.dropFirst("node/".count)) }
            .sorted()
    }

    /// What bootstrap said of three servers and two agents.
    @Test func t00_threeServersAndTwoAgentsAreMadeOneAfterTheOther() throws {
        let said = try String(contentsOfFile: lab.folder + "/made", encoding: .utf8)
        var rest = said[...]
        for words in [
            "] first server: m1\n", "m1: wait for node m1 and its etcd member: done in ", "] further servers: m2, m3\n",
            "m2: wait for node m2 and its etcd member: done in ", "m3: write the join token\n",
            "m3: wait for node m3 and its etcd member: done in ", "] agents: m4, m5\n", "kubeconfig: \(lab.kubeconfig)\n",
            "The first server holds the repository. Push to it, and what is pushed runs:\n",
            "  git remote add cluster ssh://debian@\(try lab.lab("ip", "m1"))/var/lib/homelab/repository.git\n",
            "  git push cluster main\n",
        ] {
            let found = rest.range(of: words)
            #expect(found != nil, "\(words) is not, or not in its place, in\n\(said)")
            if let found { rest = rest[found.upperBound...] }
        }
        #expect(said.components(separatedBy: "m1: revoke the join token: done in ").count == 3, "one for each agent:\n\(said)")
    }

    @Test func t01_aRemovalThatWouldLoseTheMajorityIsRefused() throws {
        try lab.lab("off", "m3", "hard")
        try lab.wait("m3 not Ready", limit: 120) { try lab.readyNodes() == 4 }
        try Self.write(lab, absent: ["m2"])
        let result = try lab.homelab("plan", "--kubeconfig", lab.kubeconfig)
        #expect(
            result.text.contains(
                "is not taken out: etcd has 3 members, 2 of them healthy, and would lose its majority without it"), "\(result.text)")
        #expect(result.text.contains("bring m3 back first"))
        #expect(!result.text.contains("uninstall"))
        try lab.lab("on", "m3")
        try lab.wait("five Ready nodes", limit: 180) { try lab.readyNodes() == 5 }
    }

    @Test func t02_anAgentLeavesACleanMachine() throws {
        // A volume of the local-path provisioner's, on the disk that is mounted for them.
        try lab.on("m4", "mkdir -p /var/lib/rancher/k3s/storage/pvc-1 && echo x >'/var/lib/rancher/k3s/storage/pvc-1/a file'")
        try Self.write(lab, absent: ["m4"])
        let result = try lab.bootstrap(limit: 600)
        #expect(result.succeeded, "\(result.text)")
        for words in ["remove nodes", "drain m4", "uninstall k3s and homelab", "delete node m4 and its password"] {
            #expect(result.output.contains(words), "\(words) is not in\n\(result.output)")
        }
        #expect(try nodes() == ["m1", "m2", "m3", "m5"])
        try expectClean("m4")
        for disk in Self.disks {
            #expect(try lab.on("m4", "mountpoint -q \(disk) && find \(disk) -mindepth 1").output == "", "\(disk)")
        }
        let again = try lab.bootstrap()
        #expect(again.output.contains("nothing to do") && again.output.contains("is not part of the cluster"), "\(again.text)")
    }

    @Test func t03_oneOfThreeServersLeavesACleanMachine() throws {
        try Self.write(lab, absent: ["m3", "m4"])
        // No member goes without a way back.
        let folder = "/var/lib/rancher/k3s/server/db/snapshots"
        for machine in ["m1", "m2"] { try lab.on(machine, "mkdir -p \(folder) && mount -t tmpfs -o size=64k tmpfs \(folder)") }
        let full = try lab.bootstrap(limit: 600)
        #expect(full.status == 1 && full.text.contains("cannot save a snapshot of etcd"), "\(full.text)")
        #expect(full.text.contains("Free space on the node"), "\(full.text)")
        #expect(try nodes() == ["m1", "m2", "m3", "m5"])
        for machine in ["m1", "m2"] { #expect(try lab.on(machine, "umount \(folder)").succeeded) }
        let result = try lab.bootstrap(limit: 600)
        #expect(result.succeeded, "\(result.text)")
        #expect(result.output.contains("take the member of m3 out of etcd"), "\(result.output)")
        #expect(try nodes() == ["m1", "m2", "m5"])
        // Its k3s had run where a link in its place led.
        try expectClean("m3")
        #expect(try lab.on("m3", "cat /var/lib/ssd/photo").output == "mine\n")
        for machine in ["m1", "m2", "m5"] {
            #expect(try !lab.on(machine, "cat /home/debian/.ssh/authorized_keys").output.contains("/m3"), "\(machine) lets m3 in")
        }
        // The machine can be used again at once.
        try Self.write(lab, absent: ["m4"])
        let back = try lab.bootstrap(limit: 600)
        #expect(back.succeeded, "\(back.text)")
        #expect(try nodes() == ["m1", "m2", "m3", "m5"])
    }

    @Test func t04_aDeadServerIsTakenOut() throws {
        try Self.write(lab, absent: ["m3", "m4"])
        // Alive, and nobody gets in any more.
        try lab.on("m3", "iptables -I INPUT -p tcp --dport 22 -m conntrack --ctstate NEW -j DROP")
        let early = try lab.homelab("plan", "--kubeconfig", lab.kubeconfig)
        #expect(early.text.contains("it is Ready, but the machine cannot be reached"), "\(early.text)")
        try lab.lab("off", "m3", "hard")
        try lab.wait("m3 not Ready", limit: 120) { try lab.readyNodes() == 3 }
        let result = try lab.bootstrap(limit: 600)
        #expect(result.succeeded, "\(result.text)")
        #expect(result.text.contains("cannot be reached: it is taken out of the cluster, and what is on its disk stays"), "\(result.text)")
        #expect(result.text.contains("wipe it before it is used again"))
        #expect(try nodes() == ["m1", "m2", "m5"])
    }

    @Test func t05_aDeadAgentIsTakenOut() throws {
        try lab.lab("off", "m5", "hard")
        try lab.wait("m5 not Ready", limit: 120) { try lab.readyNodes() == 2 }
        try Self.write(lab, absent: ["m3", "m4", "m5"])
        let result = try lab.bootstrap(limit: 600)
        #expect(result.succeeded, "\(result.text)")
        for node in ["m3", "m4"] {
            #expect(result.text.contains("  \(node)  is not part of the cluster, as the inventory says\n"), "\(result.text)")
        }
        #expect(
            result.text.contains("  m5  cannot be reached: it is taken out of the cluster, and what is on its disk stays"), "\(result.text)"
        )
        #expect(result.text.contains("wipe it before it is used again"), "\(result.text)")
        #expect(result.text.contains("m1: delete node m5: done in "), "\(result.text)")
        #expect(try nodes() == ["m1", "m2"])
    }

    @Test func t06_machinesWithAFreshDiskComeBack() throws {
        for machine in ["m3", "m5"] {
            try lab.lab("reinstall", machine)
            try lab.lab("on", machine)
        }
        try Self.write(lab, absent: ["m4"])
        let joined = try lab.bootstrap(limit: 600)
        #expect(joined.succeeded, "\(joined.text)")
        #expect(try nodes() == ["m1", "m2", "m3", "m5"])
        for machine in ["m3", "m5"] { try lab.lab("reinstall", machine) }
        try Self.write(lab, absent: ["m4"])
        try lab.wait("m3 and m5 not Ready", limit: 120) { try lab.readyNodes() == 2 }
        let result = try lab.bootstrap(limit: 900)
        #expect(result.succeeded, "\(result.text)")
        #expect(result.output.contains("machines set up anew, one at a time"), "\(result.output)")
        #expect(result.output.contains("was set up anew: the cluster would reject its password"))
        #expect(try nodes() == ["m1", "m2", "m3", "m5"])
        try lab.wait("four Ready nodes", limit: 60) { try lab.readyNodes() == 4 }
    }

    @Test func t07_tearDown() throws { try lab.tearDown() }
}
