import Diagnostics
import Foundation
import NodeInventory
import Testing

@testable import NodePlanning

/// One thing wrong with a machine at a time; the case `unfit-machines` has many at once.
@Suite struct PreflightTests {
    /// What is said of machines whose facts are these changes of those of a fresh Debian.
    private func findings(
        _ changes: [String: [String: String]], roles: [String: NodeRole] = ["s1": .server], k3s: String = "", entry: String = "",
        clockOffsets: [String: Double] = [:], images: ImageArchive? = nil
    ) throws -> [String] {
        let fresh = try #require(PlanningCase.named("fresh-three-servers").text("facts/s1.txt"))
        var observed: [String: NodeObservation] = [:]
        var nodes = ""
        for (index, name) in roles.keys.sorted().enumerated() {
            var text = fresh.replacingOccurrences(of: "hostname=s1", with: "hostname=\(name)")
                .replacingOccurrences(of: "000000005eed0002", with: "0000000000000\(index)ab")
                .replacingOccurrences(of: "10.0.0.1/24", with: "10.0.0.\(index + 1)/24")
            for (old, new) in changes[name] ?? [:] {
                #expect(text.contains(old), "\(old)")
                text = text.replacingOccurrences(of: old, with: new)
            }
            var facts = try NodeFacts.parse(text)
            facts.clock.offset = clockOffsets[name]
            observed[name] = .facts(facts)
            let role = try #require(roles[name])
            nodes += "  - {name: \(name), role: \(role.rawValue), host: 10.0.0.\(index + 1)\(index == 0 ? entry : "")}\n"
        }
        let spec = try ClusterSpec.load(
            "home.yaml",
            files: [
                "home.yaml":
                    "apiVersion: homelab.dev/v1alpha1\nkind: Cluster\nname: home\nk3s:\n  version: v1.33.4+k3s1\n\(k3s)nodes:\n\(nodes)"
            ])
        var context = PlanningCase.context
        context.images[.amd64] = images
        let found = Preflight.check(spec, observed: observed, context: context).sorted.map(\.description)
        #expect(found.allSatisfy { $0.contains("\n    ") }, "each has its remedy: \(found)")
        return found
    }

    @Test func aFreshMachineIsFit() throws {
        #expect(try findings([:]).isEmpty)
        #expect(try findings([:], roles: ["s1": .server, "a1": .agent]).isEmpty)
    }

    /// A change of the facts, and what is said of it.
    @Test(arguments: [
        ("uid=0", "uid=1000", #"error: node "s1": its facts were not gathered as root"#),
        ("machine=x86_64", "machine=riscv64", #"error: node "s1": k3s has no binary for riscv64"#),
        ("init=systemd", "init=runit", #"error: node "s1": it is not started by systemd but by runit"#),
        ("init=systemd", "init=", "but by something unknown"),
        ("init=systemd", "init=openrc\nlibc=musl\ncommand=logrotate /usr/sbin/logrotate", #"error: node "s1": its C library is musl"#),
        ("os.id=debian", "os.id=slackware", #"warning: node "s1": Debian GNU/Linux 12 (bookworm) has not been tried"#),
        ("os.version=12", "os.version=11", "is too old for the homelab agent"),
        ("machine=x86_64", "machine=aarch64\nbits=32", "its kernel has 64 bits and its programs 32"),
        ("cgroup=2 cpuset cpu ", "cgroup=2 cpu ", #"error: node "s1": the kernel has no cpuset cgroup"#),
        ("cgroup=2 cpuset cpu ", "cgroup=2 cpuset ", #"error: node "s1": the kernel has no cpu cgroup"#),
        (" memory hugetlb", " hugetlb", #"error: node "s1": the kernel has no memory cgroup"#),
        (" pids rdma", " rdma", #"error: node "s1": the kernel has no pids cgroup"#),
        ("uid=0", "uid=0\ninodes=/var/lib/rancher 700", #"error: node "s1": only 700 more files can be made at /var/lib/rancher"#),
        ("uid=0", "uid=0\ninodes=/var/lib/rancher 30000", #"warning: node "s1": only 30000 more files"#),
        ("free=/var/lib/kubelet 40000000", "free=/var/lib/kubelet 90000", #"error: node "s1": only 87 MiB are free at /var/lib/kubelet"#),
        (
            "free=/var/lib/kubelet 40000000", "free=/var/lib/kubelet 900000",
            #"warning: node "s1": only 878 MiB are free at /var/lib/kubelet"#
        ),
        ("uid=0", "uid=0\ninodes=/var/lib/kubelet 300", #"error: node "s1": only 300 more files can be made at /var/lib/kubelet"#),
        ("uid=0", "uid=0\nfree=/var/log 15000", #"error: node "s1": only 14 MiB are free at /var/log"#),
        ("uid=0", "uid=0\nfree=/var/log 400000", "only 390 MiB are free at /var/log\n    the logs of pods will need more"),
        ("uid=0", "uid=0\ninodes=/var/log 40", #"error: node "s1": only 40 more files can be made at /var/log"#),
        ("uid=0", "uid=0\nread-only=/var/log", "/var/log is on a read-only file system"),
        ("default-route=eth0\n", "", #"error: node "s1": it has no default route"#),
        ("uid=0", "uid=0\ninodes=/tmp 3", "only 3 more files can be made at /tmp"),
        ("uid=0", "uid=0\nno-exec=/var/lib/rancher", "no program can be run in /var/lib/rancher: its file system is mounted noexec"),
        ("uid=0", "uid=0\nread-only=/etc", "/etc is on a read-only file system"),
        ("1/24 static", "1/24 dynamic", #"warning: node "s1": its address 10.0.0.1 comes from DHCP"#),
        ("time.synchronized=yes", "time.synchronized=no", #"warning: node "s1": its clock is not synchronised"#),
        ("listen=22 sshd", "listen=80 nginx", #"warning: node "s1": port 80 is held by nginx"#),
        ("listen=22 sshd", "listen=10250 ", "port 10250, which the kubelet needs, is held by another program"),
        ("uid=0", "uid=0\nleftover=/var/lib/rancher/k3s/server", "it holds the data of a k3s server that is gone"),
        ("uid=0", "uid=0\nleftover=/var/lib/rancher/k3s/agent", "it holds the data of a k3s that is gone"),
        ("uid=0", "uid=0\nleftover=/var/lib/k0s", "another Kubernetes is or was installed (/var/lib/k0s)"),
        ("uid=0", "uid=0\nleftover=/var/snap/microk8s", "another Kubernetes is or was installed (/var/snap/microk8s)"),
        ("uid=0", "uid=0\nselinux=enforcing", "SELinux is enforcing, and the policy for k3s is not installed"),
        ("uid=0", "uid=0\nselinux=enforcing k3s-policy", "SELinux is enforcing, and k3s is not told to label its containers"),
    ]) func eachFault(_ old: String, _ new: String, _ words: String) throws {
        let found = try findings(["s1": [old: new]])
        #expect(found.count == 1 && found[0].contains(words), "\(found)")
    }

    @Test func anArchiveOfImagesNeedsRoomWhereItArrivesAndWhereItStays() throws {
        let archive = ImageArchive(sha256: String(repeating: "f", count: 64), ending: ".tar.zst")
        let tight = ["uid=0": "uid=0\nfree=/var/lib/rancher 1300000\nfree=/var/tmp 200000\nread-only=/var/tmp"]
        let words = ["1269 MiB are free at /var/lib/rancher", "195 MiB are free at /var/tmp", "/var/tmp is on a read-only file system"]
        let found = try findings(["s1": tight], images: archive)
        #expect(found.count == 3 && found.allSatisfy { $0.hasPrefix("error: ") }, "\(found)")
        for words in words + ["free at least 1324 MiB", "free at least 300 MiB"] {
            #expect(found.contains { $0.contains(words) }, "\(words) is not in \(found)")
        }
        let without = try findings(["s1": tight])
        #expect(without.count == 1 && without[0].hasPrefix("warning: "), "\(without)")
        let there = ["uid=0": "uid=0\nk3s.images=" + NodeLayout.images(sha256: archive.sha256, ending: archive.ending)]
        #expect(try findings(["s1": there], images: archive).isEmpty)
    }

    /// A small /var with a disk for k3s in it, or one file system for all of them.
    @Test func roomOnOneFileSystemIsAskedForOnce() throws {
        let small = "free=/var/lib/kubelet 900000\nfree=/var/log 900000\ninodes=/var/lib/kubelet 9000\ninodes=/var/log 9000"
        let found = try findings(["s1": ["free=/var/lib/kubelet 40000000": small]])
        #expect(found.count == 2 && found.allSatisfy { $0.contains("at /var/lib/kubelet") }, "\(found)")
        let one = small + "\nfree=/var/lib/rancher 900000\ninodes=/var/lib/rancher 9000"
        let all = try findings(["s1": ["free=/var/lib/rancher 40000000\n": "", "free=/var/lib/kubelet 40000000": one]])
        #expect(all.count == 2 && all.allSatisfy { $0.contains("at /var/lib/rancher") }, "\(all)")
    }

    @Test func aCommandLineThatAsksInVainIsToldAndOneThatDoesNotIsThePlansWork() throws {
        let asking = "uid=0\ncommand-line=/boot/firmware/cmdline.txt root=x cgroup_memory=1 cgroup_enable=memory"
        let found = try findings(["s1": [" memory hugetlb": " hugetlb", "uid=0": asking]])
        #expect(found.count == 1 && found[0].contains("the memory cgroup is off although the command line asks for it"), "\(found)")
        let silent = "uid=0\ncommand-line=/boot/firmware/cmdline.txt root=x"
        #expect(try findings(["s1": [" memory hugetlb": " hugetlb", "uid=0": silent]]).isEmpty)
        // A run that was stopped after it wrote the line and before the reboot.
        let unread = asking + "\nbooted-with=coherent_pool=1M root=x"
        #expect(try findings(["s1": [" memory hugetlb": " hugetlb", "uid=0": unread]]).isEmpty)
        let inVain = asking + "\nbooted-with=coherent_pool=1M root=x cgroup_memory=1 cgroup_enable=memory"
        #expect(try findings(["s1": [" memory hugetlb": " hugetlb", "uid=0": inVain]]).count == 1)
    }

    @Test func whatOnlyServersNeedIsNoMatterOnAgents() throws {
        let roles: [String: NodeRole] = ["s1": .server, "a1": .agent]
        let alpine = "init=openrc\nlibc=musl\ncommand=logrotate /usr/sbin/logrotate"
        for (old, new) in [("init=systemd", alpine), ("os.version=12", "os.version=11"), ("cpus=4", "cpus=1")] {
            #expect(try findings(["a1": [old: new]], roles: roles).isEmpty, "\(new)")
        }
    }

    @Test func selinuxThatIsAskedForNeedsItsPolicyAndItsKernel() throws {
        let asked = "  config: {selinux: true}\n"
        let absent = try findings([:], k3s: asked)
        #expect(absent.count == 1 && absent[0].contains("the kernel has no SELinux"), "\(absent)")
        let bare = try findings(
            ["s1": ["uid=0": "uid=0\nselinux=permissive", "os.id=debian": "os.id=fedora", "os.version=12": "os.version=41"]], k3s: asked)
        #expect(bare.count == 1 && bare[0].hasPrefix("error: ") && bare[0].contains("dnf install k3s-selinux"), "\(bare)")
        #expect(try findings(["s1": ["uid=0": "uid=0\nselinux=enforcing k3s-policy"]], k3s: asked).isEmpty)
    }

    @Test func aPortOfTheIngressMattersOnlyWithTheIngress() throws {
        let nginx = ["s1": ["listen=22 sshd": "listen=443 nginx"]]
        #expect(try findings(nginx, k3s: "  serverConfig: {disable: [servicelb]}\n").isEmpty)
        let etcd = ["s1": ["listen=22 sshd": "listen=2380 other"]]
        #expect(try findings(etcd).isEmpty, "SQLite needs no port of etcd")
        #expect(try findings(etcd, k3s: "  datastore: etcd\n").contains { $0.contains("port 2380, which etcd needs, is held by other") })
    }

    /// k3s takes a list as text with commas, too, and from the configuration of all nodes.
    @Test(arguments: [
        "serverConfig: {disable: traefik}", "serverConfig: {disable: 'metrics-server,servicelb'}", "serverConfig: {disable+: traefik}",
    ])
    func aDisabledIngressIsUnderstood(_ line: String) throws {
        #expect(try findings(["s1": ["listen=22 sshd": "listen=443 nginx"]], k3s: "  \(line)\n").isEmpty)
    }

    @Test func aDefaultRouteOfEitherFamilyIsEnough() throws {
        let six = ["default-route=eth0": "default-route6=eth0", "address=eth0 10.0.0.1/24": "address=eth0 fd00::1/64"]
        #expect(try findings(["s1": six]).isEmpty)
    }

    @Test func aRouteOfIPv6MayOverlapToo() throws {
        let found = try findings(
            ["s1": ["uid=0": "uid=0\nroute=fd42::/64 eth1"]],
            k3s: "network: {pods: [10.42.0.0/16, 'fd42::/56'], services: [10.43.0.0/16, 'fd43::/112']}\n")
        #expect(found.count == 1 && found[0].contains("its route fd42::/64 (eth1) overlaps the cluster's range fd42::/56"), "\(found)")
    }

    @Test func theBackendDecidesAboutTheModule() throws {
        let without = ["s1": ["module=wireguard loadable": "module=wireguard missing"]]
        #expect(try findings(without).isEmpty)
        let found = try findings(without, k3s: "  serverConfig: {flannel-backend: wireguard-native}\n")
        #expect(found.count == 1 && found[0].contains("the kernel has no wireguard"), "\(found)")
    }

    /// k3s and flannel take the default route's interface unless they are told.
    @Test func aSecondInterfaceIsToldToBoth() throws {
        let two = ["s1": ["address=eth0 10.0.0.1/24 static": "address=eth0 192.168.9.1/24 static\naddress=eth1 10.0.0.1/24 static"]]
        let unnamed = try findings(two)
        #expect(unnamed.count == 2, "\(unnamed)")
        #expect(
            unnamed.contains { $0.contains("the others would know it by its address on eth0") && $0.contains("write nodeIP: 10.0.0.1") })
        #expect(unnamed.contains { $0.contains("the pod network would go over eth0") && $0.contains("`flannel-iface: eth1`") })
        let named = try findings(two, entry: ", nodeIP: 10.0.0.1")
        #expect(named.count == 1 && named[0].contains("flannel-iface"), "\(named)")
        #expect(try findings(two, entry: ", nodeIP: 10.0.0.1, config: {flannel-iface: eth1}").isEmpty)
        #expect(try findings(two, k3s: "  serverConfig: {flannel-backend: none}\n", entry: ", nodeIP: 10.0.0.1").isEmpty)
    }

    /// Nobody knows which of the two clocks is right, so both are told.
    @Test func theClockOfTheServerThatFoundsTheClusterIsComparedWithTheOperators() throws {
        let behind = try findings([:], clockOffsets: ["s1": -400])
        #expect(behind.count == 1, "\(behind)")
        #expect(
            behind.first?.hasPrefix(
                """
                error: node "s1": its clock is 400 s behind that of the machine you are on: \
                2026-11-24 06:00:00 UTC there, which it calls synchronised, 2026-11-24 06:06:40 UTC here
                    set the one that is wrong
                """) == true, "\(behind)")
        let ahead = try findings(["s1": ["time.synchronized=yes": "time.synchronized="]], clockOffsets: ["s1": 31])
        #expect(ahead.count == 1 && ahead[0].contains("its clock is 31 s ahead of that of the machine you are on"), "\(ahead)")
        #expect(ahead.first?.contains("2026-11-24 06:00:00 UTC there, 2026-11-24 05:59:29 UTC here") == true, "\(ahead)")
        #expect(try findings([:], clockOffsets: ["s1": 29]).isEmpty)
        #expect(try findings([:], roles: pair, clockOffsets: ["a1": 400]).isEmpty, "an agent makes no certificates")
    }

    @Test func aClusterThatIsThereIsNotFoundedAgain() throws {
        let running = try findings(["s1": Self.member("k3s.service", "aa", server: true)], clockOffsets: ["s1": 400])
        #expect(!running.contains { $0.contains("its clock") }, "\(running)")
    }

    @Test func aClockThatDiffersFromTheOtherNodesIsToldOnce() throws {
        let late = ["s1": ["time=1795500000.25": "time=1795499600.25"]]
        let found = try findings(late, roles: ["s1": .server, "a1": .agent, "a2": .agent], clockOffsets: ["s1": -400])
        #expect(found.count == 1 && found[0].contains("its clock is 400 s behind the other nodes'"), "\(found)")
    }

    // MARK: Several machines

    private let pair: [String: NodeRole] = ["a1": .agent, "s1": .server]

    @Test func namesThatTwoHaveOrThatAreAnothers() throws {
        let same = try findings(
            ["a1": ["hostname=a1": "hostname=raspberrypi"], "s1": ["hostname=s1": "hostname=raspberrypi.home"]], roles: pair)
        #expect(same.count == 2 && same[1].contains("it has the same host name as a1: raspberrypi"), "\(same)")
        let one = try findings(["a1": ["hostname=a1": "hostname=s1"]], roles: pair)
        #expect(one.count == 1 && one[0].contains(#"node "a1": it has the same host name as s1"#), "\(one)")
        let mixedUp = try findings(["a1": ["hostname=a1": "hostname=s1"], "s1": ["hostname=s1": "hostname=a1"]], roles: pair)
        #expect(mixedUp.count == 2 && mixedUp.allSatisfy { $0.contains("which is another machine's name in the inventory") }, "\(mixedUp)")
    }

    private static func member(_ unit: String, _ authority: String, server: Bool) -> [String: String] {
        [
            "unit=\(unit) absent": "unit=\(unit) active enabled 1795400000 loaded",
            "uid=0": "uid=0\nk3s.authority=\(authority)" + (server ? "\nk3s.datastore=etcd" : ""),
        ]
    }

    @Test func aMachineOfAnotherClusterIsNotTakenForOneOfThis() throws {
        let three: [String: NodeRole] = ["s1": .server, "s2": .server, "s3": .server, "a1": .agent]
        let of = Self.member
        let own = try findings(
            [
                "s1": of("k3s.service", "aa", true), "s2": of("k3s.service", "aa", true), "s3": of("k3s.service", "aa", true),
                "a1": of("k3s-agent.service", "aa", false),
            ], roles: three)
        #expect(!own.contains { $0.contains("another cluster") }, "\(own)")
        let strange = try findings(
            [
                "s1": of("k3s.service", "aa", true), "s2": of("k3s.service", "bb", true), "s3": of("k3s.service", "aa", true),
                "a1": of("k3s-agent.service", "cc", false),
            ], roles: three)
        let told = strange.filter { $0.contains("its k3s is of another cluster than that of s1") }
        #expect(told.count == 2, "\(strange)")
        #expect(told.contains { $0.hasPrefix(#"error: node "s2""#) && $0.contains("k3s-uninstall.sh") }, "\(told)")
        #expect(told.contains { $0.hasPrefix(#"warning: node "a1""#) }, "\(told)")
    }

    /// A machine whose k3s is down keeps flannel's routes: a run that is to bring it back must not be refused for them.
    @Test(arguments: ["active", "activating", "failed", "inactive", "absent"])
    func routesAreInTheWayOnlyWhereNoK3sIsInstalled(_ state: String) throws {
        let scene = PlanningCase.named("unfit-machines")
        var observed = try scene.observed()
        var facts = try #require(observed["a2"]?.facts)
        facts.units[NodeRole.agent.unit] = UnitFact(active: state, enabled: true)
        observed["a2"] = .facts(facts)
        let found = Preflight.check(try scene.spec(), observed: observed, context: PlanningCase.context).sorted.map(\.description)
        #expect(found.contains { $0.contains("its route 10.42.7.0/24 (wg0) overlaps") } == (state == "absent"), "\(found)")
    }
}
