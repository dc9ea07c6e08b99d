package import Diagnostics
package import NodeInventory
internal import YAML

/// What must be true of the machines before anything is changed on them: all findings of all nodes at once, errors and warnings.
/// Nodes that could not be looked at are passed over; why is known to whoever tried.
package struct Preflight {
    let spec: ClusterSpec
    let context: PlanningContext
    let seen: [(node: NodeSpec, facts: NodeFacts)]
    let addresses: NodeAddresses
    /// No server there was or is to be holds a cluster already, and all of them were seen.
    let isFounding: Bool
    private var found = Diagnostics()

    package static func check(
        _ spec: ClusterSpec, observed: [String: NodeObservation], context: PlanningContext
    ) -> Diagnostics {
        let seen = spec.nodes.filter { $0.state == .present && !spec.paused }.compactMap { node in
            observed[node.name]?.facts.map { (node, $0) }
        }
        let isFounding = spec.nodes.allSatisfy { node in
            node.role != .server || observed[node.name]?.facts?.holdsCluster == false
        }
        var preflight = Preflight(spec: spec, context: context, seen: seen, isFounding: isFounding)
        for (node, facts) in seen {
            preflight.system(node, facts)
            preflight.kernel(node, facts)
            preflight.space(node, facts)
            preflight.network(node, facts)
            preflight.firewall(node, facts)
            preflight.ports(node, facts)
            preflight.leftovers(node, facts)
            preflight.registries(node, facts)
        }
        preflight.clocks()
        preflight.identities()
        preflight.authorities()
        return preflight.found
    }

    private init(spec: ClusterSpec, context: PlanningContext, seen: [(node: NodeSpec, facts: NodeFacts)], isFounding: Bool) {
        self.spec = spec
        self.context = context
        self.seen = seen
        self.isFounding = isFounding
        addresses = NodeAddresses(spec, facts: Dictionary(seen.map { ($0.node.name, $0.facts) }) { first, _ in first })
    }

    /// Of a machine that is to join, before anything is done on it.
    private mutating func registries(_ node: NodeSpec, _ facts: NodeFacts) {
        guard facts.installedRole == nil, let file = K3sConfiguration.registries(spec), context.leavesToBootstrap(file, facts) else {
            return
        }
        error(node, "registries.yaml \(PlanningContext.onlyBootstrapHas)", PlanningContext.bootstrapRemedy)
    }

    mutating func error(_ node: NodeSpec, _ summary: String, cause: String? = nil, _ remedy: String) {
        found.append(Diagnostic(.error, summary, subject: "node \"\(node.name)\"", cause: cause, remedy: remedy))
    }

    mutating func warning(_ node: NodeSpec, _ summary: String, _ remedy: String) {
        found.append(Diagnostic(.warning, summary, subject: "node \"\(node.name)\"", remedy: remedy))
    }

    // MARK: Operating system

    /// Distributions on which this has been thought through; others are let in with a warning.
    private static let known: Set<String> = [
        "debian", "ubuntu", "raspbian", "fedora", "rhel", "centos", "rocky", "almalinux", "opensuse", "opensuse-leap",
        "opensuse-tumbleweed",
        "sles", "suse", "alpine",
    ]

    /// The first release with glibc 2.34, which the homelab binary needs.
    private static let oldest = [
        "debian": 12.0, "raspbian": 12.0, "ubuntu": 22.04, "fedora": 35.0, "rhel": 9.0, "rocky": 9.0, "almalinux": 9.0,
    ]

    private mutating func system(_ node: NodeSpec, _ facts: NodeFacts) {
        let system = facts.system
        if !facts.access.isRoot { error(node, "its facts were not gathered as root", "let \(node.user) use sudo, or log in as root") }
        if system.architecture == nil {
            error(node, "k3s has no binary for \(system.machine)", "use a machine with x86-64, arm64 or 32-bit arm (armv7)")
        }
        if system.initSystem != "systemd", !system.usesOpenRC {
            error(
                node, "it is not started by systemd but by \(system.initSystem.isEmpty ? "something unknown" : system.initSystem)",
                "homelab runs k3s under systemd or OpenRC: use a distribution with one of them")
        }
        if node.role == .server, system.libc == "musl" {
            error(
                node, "its C library is musl, and the homelab agent of a server needs glibc",
                "make it an agent of the cluster: k3s itself runs on it; or use a distribution with glibc")
        }
        let name = system.name.isEmpty ? system.id : system.name
        if !Self.known.contains(system.id), Self.known.isDisjoint(with: system.like) {
            warning(node, "\(name.isEmpty ? "its operating system" : name) has not been tried", "go on if you know that k3s runs on it")
        }
        if node.role == .server, let oldest = Self.oldest[system.id], let version = Double(system.version), version < oldest {
            let wanted = system.id == "ubuntu" ? "22.04" : String(Int(oldest))
            error(node, "\(name) is too old for the homelab agent", "upgrade it to \(system.id) \(wanted) or later, or make it an agent")
        }
        if node.role == .server, facts.commands["ssh-keygen"] == nil {
            error(node, "there is no ssh-keygen", "install the OpenSSH client (`\(system.install(.sshClient))`)")
        }
        if node.role == .server, system.bits == 32, system.architecture == .arm64 {
            error(
                node, "its kernel has 64 bits and its programs 32, and the homelab agent of a server is built for the kernel's",
                "install the distribution for 64 bits (arm64), or make it an agent of the cluster")
        }
        if system.usesOpenRC, facts.commands["logrotate"] == nil {
            warning(
                node, "there is no logrotate, and OpenRC's log files of k3s grow for ever",
                "install it (`\(system.install(.logRotation))`); homelab has written what it is to do")
        }
        selinux(node, facts)
        for directory in facts.access.readOnly where directory != NodeLayout.imageUploads || context.missingImages(facts) != nil {
            error(node, "\(directory) is on a read-only file system", "mount it writable; systems with a read-only root are not supported")
        }
        for directory in facts.access.noExec where ["/usr/local/bin", "/var/lib/rancher"].contains(directory) {
            error(
                node, "no program can be run in \(directory): its file system is mounted noexec",
                "take noexec out of its line in /etc/fstab, then `mount -o remount,exec $(df --output=target \(directory) | tail -n 1)`")
        }
    }

    /// docs.k3s.io/advanced, "SELinux Support".
    private mutating func selinux(_ node: NodeSpec, _ facts: NodeFacts) {
        let role = node.role == .server ? spec.k3s.serverConfig : spec.k3s.agentConfig
        let isAsked = (node.config["selinux"] ?? role["selinux"] ?? spec.k3s.config["selinux"])?.bool == true
        if facts.kernel.selinux == "absent" {
            if isAsked {
                warning(node, "`selinux: true` is set, and the kernel has no SELinux", "take it out of this node's config")
            }
            return
        }
        if !facts.kernel.hasK3sPolicy, facts.installedRole == nil, isAsked || facts.kernel.selinux == "enforcing" {
            let install = "`\(facts.system.install(.k3sPolicy))` (github.com/k3s-io/k3s-selinux/releases, or Rancher's repository)"
            if isAsked {
                error(node, "`selinux: true` is set, and the policy for k3s is not installed", "\(install) before k3s starts")
            } else {
                warning(
                    node, "SELinux is enforcing, and the policy for k3s is not installed",
                    "\(install) before k3s starts, or containers will be refused their files")
            }
        }
        if facts.kernel.selinux == "enforcing", facts.kernel.hasK3sPolicy, !isAsked {
            warning(
                node, "SELinux is enforcing, and k3s is not told to label its containers",
                "write `selinux: true` under k3s.config in the inventory, or containers run unconfined")
        }
    }

    private mutating func kernel(_ node: NodeSpec, _ facts: NodeFacts) {
        let controllers = facts.kernel.cgroupControllers
        if !controllers.contains("memory") {
            let lines = [facts.kernel.commandLine?.text, facts.kernel.bootedWith].compactMap(\.self)
            if facts.kernel.commandLine != nil, lines.contains(where: { !HostPreparation.missingWords($0).isEmpty }) {
                // The plan adds the words and reboots, or reboots only.
            } else if facts.kernel.commandLine != nil {
                error(
                    node, "the memory cgroup is off although the command line asks for it",
                    "update the firmware and kernel (`apt-get full-upgrade`), reboot, and look at /sys/fs/cgroup/cgroup.controllers")
            } else {
                error(node, "the kernel has no memory cgroup", "boot it with cgroup_enable=memory, or use a kernel with CONFIG_MEMCG")
            }
        }
        // What k3s refuses to start without (its pkg/cgroups); with version 1 it goes on.
        for name in ["cpu", "cpuset"] where facts.kernel.cgroupVersion == 2 && !controllers.contains(name) {
            error(
                node, "the kernel has no \(name) cgroup",
                name == "cpu"
                    ? "use a kernel with CONFIG_CGROUP_SCHED; a process with real-time priority also takes it away until a reboot"
                    : "boot it with cgroup_enable=cpuset, or use a kernel with CONFIG_CPUSETS")
        }
        if !controllers.isEmpty, !controllers.contains("pids") {
            error(node, "the kernel has no pids cgroup", "use a kernel with CONFIG_CGROUP_PIDS: k3s does not start without it")
        }
        for module in HostPreparation.modules where !facts.kernel.features.contains(module) && !facts.kernel.loadable.contains(module) {
            error(node, "the kernel has no \(module)", "install the kernel's full set of modules (`\(facts.system.install(.modules))`)")
        }
        let backend = spec.k3s.serverConfig["flannel-backend"]?.string ?? "vxlan"
        let module = ["vxlan": "vxlan", "wireguard-native": "wireguard"][backend]
        if let module, !facts.kernel.features.contains(module), !facts.kernel.loadable.contains(module) {
            warning(
                node, "the kernel has no \(module), which flannel's backend \(backend) needs",
                "install the kernel's full set of modules (`\(facts.system.install(.modules))`), or choose another flannel-backend")
        }
    }

    // MARK: Resources

    private static let mebibyte: Int64 = 1 << 20

    private mutating func space(_ node: NodeSpec, _ facts: NodeFacts) {
        let isNew = facts.k3s.binary?.version != spec.k3s.version.description
        // k3s' archives have about 650 MiB, and 200 when compressed.
        let images: Int64 = context.missingImages(facts).map { $0.archive.ending == ".tar" ? 800 : 300 } ?? 0
        let needs: [(path: String, error: Int64, warning: Int64)] = [
            ("/var/lib/rancher", (isNew ? 1024 : 100) + images, 4096), ("/usr/local/bin", isNew ? 250 : 20, 0),
            ("/tmp", isNew ? 150 : 20, 0), (NodeLayout.imageUploads, images, 0),
            ("/etc", 5, 0), ("/var/lib/kubelet", 100, 1024), (Self.logs, 20, 512),
        ]
        for need in needs where !isSamePlace(need.path, facts) {
            guard let free = facts.resources.free[need.path] else { continue }
            let text = "only \(Self.size(free)) are free at \(need.path)"
            if free < need.error * Self.mebibyte {
                error(node, text, "free at least \(Self.size(need.error * Self.mebibyte)) (`df -h \(need.path)`)")
            } else if free < need.warning * Self.mebibyte {
                warning(node, text, "\(need.path == Self.logs ? "the logs of pods" : "images and volumes") will need more")
            }
        }
        inodes(node, facts)
        let (cpus, memory) = node.role == .server ? (2, Int64(1900)) : (1, Int64(480))
        if facts.resources.cpus < cpus { warning(node, "it has one processor core", "k3s asks for two on a server") }
        if facts.resources.memory < memory * Self.mebibyte {
            warning(
                node, "it has \(Self.size(facts.resources.memory)) of memory",
                "k3s asks for \(node.role == .server ? "2 GiB on a server" : "512 MiB on an agent")")
        }
    }

    /// Where the kubelet keeps what the containers write to their output.
    private static let logs = "/var/log"

    /// These folders are on file systems of their own only where somebody made it so; else one that asks for more is on theirs.
    private func isSamePlace(_ path: String, _ facts: NodeFacts) -> Bool {
        let resources = facts.resources
        let greater = [
            "/var/lib/kubelet": ["/var/lib/rancher"], NodeLayout.imageUploads: ["/var/lib/rancher"],
            Self.logs: ["/var/lib/rancher", "/var/lib/kubelet"],
        ]
        return greater[path, default: []].contains { other in
            resources.free[path] == resources.free[other] && resources.inodes[path] == resources.inodes[other]
        }
    }

    /// A disk may have room and still no place for one more file: images are many small ones.
    private mutating func inodes(_ node: NodeSpec, _ facts: NodeFacts) {
        let needs: [(path: String, error: Int64, warning: Int64)] = [
            ("/var/lib/rancher", 2000, 50_000), ("/usr/local/bin", 20, 0), ("/tmp", 20, 0), ("/etc", 50, 0),
            ("/var/lib/kubelet", 500, 10_000), (Self.logs, 100, 1000),
        ]
        for need in needs where !isSamePlace(need.path, facts) {
            guard let free = facts.resources.inodes[need.path] else { continue }
            let text = "only \(free) more files can be made at \(need.path)"
            if free < need.error {
                error(
                    node, text,
                    "remove files until there are \(need.error) free (`df -i \(need.path)`), or make the file system anew with more inodes")
            } else if free < need.warning {
                let use = need.path == Self.logs ? "every container has files of its own there" : "images are many small files"
                warning(node, text, "\(use) (`df -i \(need.path)`)")
            }
        }
    }

    static func size(_ bytes: Int64) -> String {
        let mebibytes = bytes / mebibyte
        return mebibytes >= 10240 ? "\(mebibytes / 1024) GiB" : "\(mebibytes) MiB"
    }

    // MARK: Network

    private mutating func network(_ node: NodeSpec, _ facts: NodeFacts) {
        let network = facts.network
        if network.defaultInterface == nil {
            error(node, "it has no default route", "k3s does not start without one; add one, even to a dummy interface")
        }
        for wanted in node.nodeIPs where !network.addresses.contains(where: { $0.cidr.address == wanted }) {
            let own = network.ownAddresses.map { "\($0.cidr.address)" }
            error(
                node, "nodeIP \(wanted) is not one of its addresses", cause: own.joined(separator: ", "), "correct nodeIP in the inventory")
        }
        interfaces(node, facts)
        let ranges = spec.network.pods + spec.network.services
        var told: Set<CIDR> = []
        // Where k3s is installed, running or not, routes into the ranges are its own: flannel's host-gw makes one to each other node.
        let isMember = facts.installedRole != nil
        for route in network.routes where !isMember && !NetworkFacts.isOfContainers(route.interface) {
            guard let range = ranges.first(where: { $0.overlaps(route.destination) }), told.insert(route.destination).inserted else {
                continue
            }
            error(
                node, "its route \(route.destination) (\(route.interface)) overlaps the cluster's range \(range)",
                "choose other ranges under network: in the inventory")
        }
        let address = node.nodeIP ?? facts.primaryAddress
        if let address, network.addresses.contains(where: { $0.cidr.address == address && $0.dynamic }), facts.installedRole == nil {
            warning(node, "its address \(address) comes from DHCP", "reserve it on the router: a node whose address changes is lost")
        }
    }

    /// Of several interfaces k3s takes the default route's for the node's address, and flannel takes it whatever that address is.
    private mutating func interfaces(_ node: NodeSpec, _ facts: NodeFacts) {
        let network = facts.network
        guard let primary = network.defaultInterface, let address = node.nodeIP ?? IPAddress(node.host),
            let own = network.addresses.first(where: { $0.cidr.address == address })?.interface, own != primary
        else { return }
        if node.nodeIP == nil {
            warning(
                node, "the others would know it by its address on \(primary), the default route's, and not by \(address) (\(own))",
                "write nodeIP: \(address) in its entry")
        }
        let role = node.role == .server ? spec.k3s.serverConfig : spec.k3s.agentConfig
        let isChosen = ["flannel-iface", "flannel-external-ip", "flannel-conf"].contains { key in
            [node.config, role, spec.k3s.config].contains { $0[key] != nil }
        }
        if !isChosen, spec.k3s.serverConfig["flannel-backend"]?.string != "none" {
            warning(
                node, "the pod network would go over \(primary), the default route's interface, and not over \(own)",
                "write `flannel-iface: \(own)` under config: in its entry")
        }
    }

    private mutating func ports(_ node: NodeSpec, _ facts: NodeFacts) {
        let state = facts.units[(facts.installedRole ?? node.role).unit]?.active ?? "absent"
        if ["active", "activating", "reloading", "deactivating"].contains(state) { return }
        var needed = [6444: "k3s", 10250: "the kubelet"]
        if node.role == .server {
            needed[6443] = "the API"
            if spec.datastore == .etcd { needed.merge([2379: "etcd", 2380: "etcd"]) { first, _ in first } }
        }
        for listener in facts.network.listeners {
            guard let use = needed.removeValue(forKey: listener.port) else { continue }
            let holder = listener.program.isEmpty ? "another program" : listener.program
            error(
                node, "port \(listener.port), which \(use) needs, is held by \(holder)", "stop it (`ss -ltnp 'sport = :\(listener.port)'`)")
        }
        // One flag may hold several, with commas between them.
        let settings = ["disable", "disable+"].compactMap { spec.k3s.serverConfig[$0] }
        let disabled = settings.flatMap { $0.array ?? [$0] }.compactMap(\.scalarText).flatMap { $0.split(separator: ",").map(String.init) }
        if disabled.contains("traefik") || disabled.contains("servicelb") { return }
        for listener in facts.network.listeners where [80, 443].contains(listener.port) {
            warning(
                node, "port \(listener.port) is held by \(listener.program.isEmpty ? "another program" : listener.program)",
                "k3s' ingress cannot be reached there; stop it, or disable traefik or servicelb")
        }
    }

    private mutating func leftovers(_ node: NodeSpec, _ facts: NodeFacts) {
        for leftover in facts.leftovers {
            switch leftover {
            case "docker": warning(node, "Docker is installed", "k3s brings its own containerd; Docker's firewall rules may get in its way")
            case "/var/lib/rancher/k3s/server":
                error(node, "it holds the data of a k3s server that is gone", "keep it by installing k3s again, or remove \(leftover)")
            case "/var/lib/rancher/k3s/agent":
                warning(node, "it holds the data of a k3s that is gone", "remove \(leftover) if it was of another cluster")
            case "/usr/bin/k3s":
                error(node, "the distribution's own k3s is installed", "remove that package: homelab puts k3s into /usr/local/bin")
            default:
                error(node, "another Kubernetes is or was installed (\(leftover))", "uninstall it and remove \(leftover)")
            }
        }
        if facts.installedRole == nil, facts.network.interfaces.contains("cni0") {
            warning(node, "the interface cni0 of another cluster is there", "reboot the machine, or `ip link delete cni0`")
        }
    }

    // MARK: Comparing nodes

    private static let allowedSkew = 30.0

    private mutating func clocks() {
        var told: Set<String> = []
        let times = seen.map(\.facts.clock.now).filter { $0 > 0 }.sorted()
        if times.count > 1 {
            let median = (times[(times.count - 1) / 2] + times[times.count / 2]) / 2
            // Of two clocks nobody can say which is wrong: the later one is more likely right, a clock without battery is behind.
            let reference = times.count == 2 ? times[1] : median
            for (node, facts) in seen where facts.clock.now > 0 && abs(facts.clock.now - reference) > Self.allowedSkew {
                told.insert(node.name)
                error(
                    node, "its clock is \(Self.distance(facts.clock.now - reference)) the other nodes'",
                    "set it and keep it in time (`\(facts.system.install(.timeService))`): certificates made with a wrong clock are not accepted"
                )
            }
        }
        if let first = seen.first(where: { $0.node.role == .server }), isFounding, !told.contains(first.node.name) {
            foundersClock(first.node, first.facts)
        }
        for (node, facts) in seen where facts.clock.synchronized == false && facts.installedRole == nil {
            warning(node, "its clock is not synchronised", "keep it in time (`\(facts.system.install(.timeService))`)")
        }
    }

    /// The first server makes the cluster's certificates, so there is no other node to compare its clock with that could be right.
    private mutating func foundersClock(_ node: NodeSpec, _ facts: NodeFacts) {
        guard let offset = facts.clock.offset, abs(offset) > Self.allowedSkew else { return }
        let shown = [facts.clock.printed, facts.clock.printed - offset].map { UTCText.seconds(Int64($0)) }
        error(
            node, "its clock is \(Self.distance(offset)) that of the machine you are on",
            cause: "\(shown[0]) there\(facts.clock.synchronized == true ? ", which it calls synchronised" : ""), \(shown[1]) here",
            "set the one that is wrong (there: `\(facts.system.install(.timeService))`): k3s would date the cluster's certificates by it")
    }

    private static func distance(_ offset: Double) -> String {
        let seconds = Int(offset.rounded())
        return "\(Swift.abs(seconds)) s \(seconds < 0 ? "behind" : "ahead of")"
    }
}
