package import Diagnostics
package import NodeInventory

extension NodeFacts {
    /// Reads what `facts.sh` printed. Text before its first line (a login banner) is passed over; a missing end or a line that is
    /// not of its making is an error.
    package static func parse(_ output: String) throws(Diagnostic) -> NodeFacts {
        var facts = NodeFacts()
        var started = false
        var config: [String] = []
        // A file edited on Windows ends its lines with what is one character to Swift.
        for line in output.split(omittingEmptySubsequences: false, whereSeparator: { $0 == "\n" || $0 == "\r\n" }) {
            if !started {
                started = line == "homelab-facts 1"
                continue
            }
            if line == "end" {
                if !config.isEmpty { facts.k3s.config = config.joined(separator: "\n") + "\n" }
                return facts
            }
            guard let equals = line.firstIndex(of: "=") else { throw unreadable("it printed \"\(line)\"") }
            let key = String(line[..<equals])
            let value = String(line[line.index(after: equals)...])
            if key == "k3s.config" {
                config.append(value)
            } else if !facts.take(key, value) {
                throw unreadable("it printed \"\(line)\"")
            }
        }
        throw unreadable(started ? "its output ends in the middle" : "it printed nothing of what it should")
    }

    private static func unreadable(_ cause: String) -> Diagnostic {
        Diagnostic(
            .error, "the look at the node failed", cause: cause,
            remedy: "run again; if it stays so, run `homelab ssh NODE` and see what the login shell prints or kills")
    }

    /// One line; false when it is not understood.
    private mutating func take(_ key: String, _ value: String) -> Bool {
        let words = value.split(separator: " ").map(String.init)
        switch key {
        case "file": return takeFile(words)
        case "unit": return takeUnit(words)
        case "command": if words.count == 2 { commands[words[0]] = words[1] }
        case "leftover": leftovers.append(value)
        case "cpus": resources.cpus = Int(value) ?? 0
        case "memory.kib": resources.memory = (Int64(value) ?? 0) * 1024
        case "swap.kib": resources.swap = (Int64(value) ?? 0) * 1024
        case "free": if words.count == 2, let blocks = Int64(words[1]) { resources.free[words[0]] = blocks * 1024 }
        case "inodes": if words.count == 2, let count = Int64(words[1]) { resources.inodes[words[0]] = count }
        case "time":
            clock.now = Double(value) ?? 0
            clock.printed = clock.now
            clock.ended = clock.now
        case "time.end": clock.ended = Double(value) ?? clock.printed
        case "time.synchronized": clock.synchronized = value == "yes" ? true : value == "no" ? false : nil
        default:
            return takeSystem(key, value, words) || takeKernel(key, value, words) || takeNetwork(key, value, words)
                || takeAccess(key, value, words) || takeHomelab(key, value)
        }
        return true
    }

    private mutating func takeFile(_ words: [String]) -> Bool {
        guard words.count >= 2 else { return false }
        let path = words[0]
        switch (words[1], words.count) {
        case ("absent", 2): files[path] = .absent
        case ("other", 2): files[path] = .other
        case ("link", _): files[path] = .link(target: words.dropFirst(2).joined(separator: " "))
        case ("directory", 4): files[path] = .directory(mode: Self.mode(words[2]), owner: words[3])
        case ("file", 6):
            files[path] = .file(
                sha256: words[2] == "-" ? nil : words[2], mode: Self.mode(words[3]), owner: words[4], modified: Double(words[5]) ?? 0)
        default: return false
        }
        return true
    }

    private static func mode(_ text: String) -> String { text.count == 3 ? "0" + text : text }

    private mutating func takeUnit(_ words: [String]) -> Bool {
        guard words.count == 2 || words.count == 5 else { return false }
        guard words.count == 5 else {
            units[words[0]] = UnitFact(active: words[1], enabled: false)
            return true
        }
        units[words[0]] = UnitFact(
            active: words[1], enabled: words[2] == "enabled", started: Double(words[3]), needsReload: words[4] == "reload")
        return true
    }

    private mutating func takeSystem(_ key: String, _ value: String, _ words: [String]) -> Bool {
        switch key {
        case "os.id": system.id = value
        case "os.like": system.like = words
        case "os.version": system.version = value
        case "os.name": system.name = value
        case "machine": system.machine = value
        case "kernel": system.kernel = value
        case "hostname": system.hostname = value
        case "machine-id": system.machineID = value
        case "boot-id": system.bootID = value
        case "init": system.initSystem = value
        case "model": system.model = value
        case "libc": system.libc = value
        case "bits": system.bits = Int(value)
        default: return false
        }
        return true
    }

    private mutating func takeKernel(_ key: String, _ value: String, _ words: [String]) -> Bool {
        switch key {
        case "cgroup":
            kernel.cgroupVersion = words.first.flatMap { Int($0) } ?? 0
            kernel.cgroupControllers = Set(words.dropFirst())
        case "module":
            guard words.count == 2 else { return false }
            if words[1] == "present" { kernel.features.insert(words[0]) }
            if words[1] == "loadable" { kernel.loadable.insert(words[0]) }
        case "sysctl":
            guard let name = words.first else { return false }
            kernel.sysctls[name] = words.dropFirst().joined(separator: " ")
        case "command-line":
            guard let path = words.first else { return false }
            kernel.commandLine = KernelFacts.CommandLine(path: path, text: String(value.dropFirst(path.count + 1)))
        case "booted-with": kernel.bootedWith = value
        case "selinux":
            kernel.selinux = words.first ?? ""
            kernel.hasK3sPolicy = words.contains("k3s-policy")
        default: return false
        }
        return true
    }

    /// `10.0.0.0/24`, or a single address.
    private static func range(_ text: String) -> CIDR? { CIDR(text) ?? IPAddress(text).map { CIDR($0, prefix: $0.bytes.count * 8) } }

    private mutating func takeNetwork(_ key: String, _ value: String, _ words: [String]) -> Bool {
        switch key {
        case "address":
            // `ip` writes the own end of a line from point to point without a prefix.
            guard words.count == 3, let cidr = Self.range(words[1]) else { return false }
            network.addresses.append(.init(interface: words[0], cidr: cidr, dynamic: words[2] == "dynamic"))
        case "default-route": network.defaultInterface4 = value
        case "default-route6": network.defaultInterface6 = value
        case "route":
            // `ip` writes a single host without a prefix, and words such as `blackhole` or `unreachable` for routes to nowhere.
            guard let text = words.first else { return false }
            if let range = Self.range(text) { network.routes.append(.init(destination: range, interface: words.count > 1 ? words[1] : "")) }
        case "link": network.interfaces.append(value)
        case "listen":
            guard let port = words.first.flatMap({ Int($0) }) else { return false }
            network.listeners.append(.init(port: port, program: words.dropFirst().joined(separator: " ")))
        case "firewall": network.firewall = value
        case "firewall-source": network.firewallSources.formUnion(words)
        case "firewall-own": network.firewallOwn.formUnion(words)
        case "firewall-port": network.firewallPorts.formUnion(words)
        case "firewall-chain":
            guard let chain = NetworkFacts.ClosedChain(words) else { return false }
            network.closedChains.append(chain)
        default: return false
        }
        return true
    }

    private mutating func takeAccess(_ key: String, _ value: String, _ words: [String]) -> Bool {
        switch key {
        case "uid": access.isRoot = value == "0"
        case "user": access.user = value
        case "group": access.group = value
        case "home": access.home = value
        case "authorized-key": if let comment = words.last { access.authorizedKeys[comment] = value }
        case "host-key": if let hostKey = HostKey(value) { access.hostKeys.append(hostKey) }
        case "read-only": access.readOnly.append(value)
        case "no-exec": access.noExec.append(value)
        case "lock": access.lock = value
        default: return false
        }
        return true
    }

    private mutating func takeHomelab(_ key: String, _ value: String) -> Bool {
        switch key {
        case "k3s.sha256": k3s.binary = BinaryFact(sha256: value, version: nil)
        case "k3s.stamp": k3s.binary?.stamp = value
        case "k3s.version": k3s.binary?.version = Self.version(value)
        case "k3s.datastore": k3s.datastore = Datastore(rawValue: value)
        case "k3s.server-token": k3s.hasServerToken = value == "yes"
        case "k3s.authority": k3s.authority = value
        case "k3s.node-password": k3s.hasNodePassword = value == "yes"
        case "k3s.join-token": k3s.joinTokenID = value
        case "k3s.images": k3s.images.insert(value)
        case "homelab.sha256": agent.binary = BinaryFact(sha256: value, version: nil)
        case "homelab.stamp": agent.binary?.stamp = value
        case "homelab.version": agent.binary?.version = Self.version(value)
        case "homelab.public-key": agent.publicKey = value
        case "homelab.deploy-key": agent.deployKey = value
        case "homelab.repository": agent.repositoryOwner = value
        case "homelab.switch": agent.lastSwitch = AgentSwitchOutcome(text: value)
        default: return false
        }
        return true
    }

    /// The version in `k3s version v1.33.4+k3s1 (148243c4)` or in a line that holds nothing else.
    private static func version(_ line: String) -> String? {
        let words = line.split(separator: " ").map(String.init)
        return words.first { $0.hasPrefix("v") && $0.dropFirst().first?.isNumber == true } ?? words.last
    }
}

extension SystemFacts {
    var usesOpenRC: Bool { initSystem == "openrc" }

    package var words: ServiceWords { ServiceWords(usesOpenRC: usesOpenRC) }

    /// What the machine's init system calls a unit: OpenRC's services have the same names without `.service`.
    func service(_ unit: String) -> String { usesOpenRC ? InitSystem.service(unit) : unit }
}

extension NetworkFacts {
    /// Without those of interfaces that k3s or containers make.
    package var ownAddresses: [Address] { addresses.filter { !Self.isOfContainers($0.interface) } }

    static func isOfContainers(_ interface: String) -> Bool {
        ["cni", "flannel", "kube-", "veth", "docker", "br-"].contains { interface.hasPrefix($0) }
    }
}

extension NodeFacts {
    /// The role the machine already has: by the unit that is there.
    package var installedRole: NodeRole? {
        NodeRole.allCases.first { role in
            units[role.unit].map { $0.active != "absent" } ?? false
        }
    }

    package func isActive(_ unit: String) -> Bool { units[unit]?.active == "active" }

    /// Of a server that was started before and has not been wiped.
    package var holdsCluster: Bool { k3s.datastore != nil }

    /// Its server was installed by somebody else, and where homelab's own looks for the cluster there is none: it has another folder or
    /// database, or was never started.
    package var keepsClusterElsewhere: Bool {
        installedRole == .server && !holdsCluster && !(k3s.config.map(K3sConfiguration.isWrittenByHomelab) ?? false)
    }

    /// The first address of the default route's interface, IPv4 before IPv6.
    package var primaryAddress: IPAddress? {
        func addresses(on interface: String?) -> [IPAddress] {
            network.addresses.filter { $0.interface == interface }.map(\.cidr.address)
        }
        return addresses(on: network.defaultInterface4).first(where: \.isV4)
            ?? addresses(on: network.defaultInterface6).first { !$0.isV4 } ?? addresses(on: network.defaultInterface).first
    }
}
