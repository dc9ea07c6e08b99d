package import NodeInventory

/// What one run of `facts.sh` saw on a node. Read by `NodeFacts.parse`; nothing of it is ever written back into a ClusterSpec.
package struct NodeFacts: Hashable, Sendable {
    package var system = SystemFacts()
    package var clock = ClockFacts()
    package var resources = ResourceFacts()
    package var kernel = KernelFacts()
    package var network = NetworkFacts()
    package var access = AccessFacts()
    package var k3s = K3sFacts()
    package var agent = AgentFacts()
    /// Every file homelab cares for, by path; a path that is not in here was not looked at.
    package var files: [String: FileFact] = [:]
    package var units: [String: UnitFact] = [:]
    /// Commands found on the PATH of root: git, kubectl, crictl, ctr, ssh-keygen, …
    package var commands: [String: String] = [:]
    /// Things of an earlier or other Kubernetes on the machine: `docker`, `cni0`, `/var/lib/rancher/rke2`, …
    package var leftovers: [String] = []

    package init() {}
}

/// Operating system and hardware.
package struct SystemFacts: Hashable, Sendable {
    /// `ID` and `ID_LIKE` of os-release: debian, ubuntu, raspbian, fedora, alpine, …
    package var id = ""
    package var like: [String] = []
    package var version = ""
    package var name = ""
    /// `uname -m`; `architecture` is nil when k3s has no binary for it.
    package var machine = ""
    package var architecture: Architecture? { Architecture(machine: machine) }
    package var kernel = ""
    package var hostname = ""
    package var machineID = ""
    package var bootID = ""
    /// `systemd`, `openrc` or what PID 1 is called.
    package var initSystem = ""
    /// `Raspberry Pi 4 Model B …`, from the device tree.
    package var model: String?
    /// The C library: `musl`, or `glibc` with its version; nil when the machine does not tell.
    package var libc: String?
    /// Of a pointer in its programs: Raspberry Pi OS with 32 bits has a kernel with 64.
    package var bits: Int?

    package init() {}
}

package struct ClockFacts: Hashable, Sendable {
    /// Seconds since 1970 on the node, with a fraction if its `date` can give one. Whoever gathers the facts may move it to one
    /// instant for all nodes, so that clocks can be compared.
    package var now: Double = 0
    /// The same as the node printed it, for comparison with the node's own times of files and processes.
    package var printed: Double = 0
    /// When it had printed all.
    package var ended: Double = 0
    /// Seconds by which it is ahead of the clock of whoever gathered the facts; nil until somebody has compared them.
    package var offset: Double?
    /// nil: the node does not say.
    package var synchronized: Bool?

    package init() {}
}

package struct ResourceFacts: Hashable, Sendable {
    package var cpus = 0
    /// Bytes.
    package var memory: Int64 = 0
    package var swap: Int64 = 0
    /// Bytes free for root, by the path that was asked for (`/var/lib/rancher`, `/usr/local/bin`, `/tmp`, …).
    package var free: [String: Int64] = [:]
    /// Files that can still be made there; not told where a file system has no limit.
    package var inodes: [String: Int64] = [:]

    package init() {}
}

package struct KernelFacts: Hashable, Sendable {
    /// The controllers the machine offers (cgroup v2's `cgroup.controllers`, or v1's `/proc/cgroups`), with `memory` among them or not.
    package var cgroupControllers: Set<String> = []
    /// 1, 2, or 0 when neither is mounted.
    package var cgroupVersion = 0
    /// What is there, as a module or built in: `overlay`, `br_netfilter`, `vxlan`, …
    package var features: Set<String> = []
    /// What is not there yet but can be loaded.
    package var loadable: Set<String> = []
    package var sysctls: [String: String] = [:]
    /// The file that holds the boot command line as one line (Raspberry Pi); nil elsewhere.
    package var commandLine: CommandLine?
    /// What the running kernel was started with; nil when it does not say.
    package var bootedWith: String?
    /// `enforcing`, `permissive`, `disabled` or `absent`.
    package var selinux: String = "absent"
    /// The package k3s-selinux is installed (k3s' install.sh looks for its policy in the same place).
    package var hasK3sPolicy = false

    package struct CommandLine: Hashable, Sendable {
        package var path: String
        package var text: String

        package init(path: String, text: String) {
            self.path = path
            self.text = text
        }
    }

    package init() {}
}

package struct NetworkFacts: Hashable, Sendable {
    package struct Address: Hashable, Sendable {
        package var interface: String
        package var cidr: CIDR
        /// From DHCP or router advertisement, so that it may change.
        package var dynamic: Bool

        package init(interface: String, cidr: CIDR, dynamic: Bool) {
            self.interface = interface
            self.cidr = cidr
            self.dynamic = dynamic
        }
    }

    /// Who listens on a port that k3s needs.
    package struct Listener: Hashable, Sendable {
        package var port: Int
        /// The program's name; empty when the node does not tell.
        package var program: String

        package init(port: Int, program: String) {
            self.port = port
            self.program = program
        }
    }

    package struct Route: Hashable, Sendable {
        package var destination: CIDR
        package var interface: String

        package init(destination: CIDR, interface: String) {
            self.destination = destination
            self.interface = interface
        }
    }

    package var addresses: [Address] = []
    /// The interfaces of the default routes of IPv4 and of IPv6; nil: there is none.
    package var defaultInterface4: String?
    package var defaultInterface6: String?
    /// The one that k3s takes: IPv4's before IPv6's.
    package var defaultInterface: String? { defaultInterface4 ?? defaultInterface6 }
    /// Destinations with the interface they lead to, without the default route.
    package var routes: [Route] = []
    package var interfaces: [String] = []
    package var listeners: [Listener] = []
    /// `ufw`, `firewalld` or nil when none is active.
    package var firewall: String?
    /// Addresses and ranges from which the firewall lets everything in, and the ones among them that homelab told it.
    package var firewallSources: Set<String> = []
    package var firewallOwn: Set<String> = []
    /// Ports it lets everybody in at: `6443/tcp`.
    package var firewallPorts: Set<String> = []
    /// Chains of packet filter rules that somebody wrote by hand, and that drop what they do not accept.
    package var closedChains: [ClosedChain] = []

    package init() {}
}

/// Who ran the script and what that user may do.
package struct AccessFacts: Hashable, Sendable {
    package var isRoot = false
    /// The user SSH logged in as, and its home.
    package var user = ""
    package var home = ""
    package var group = ""
    /// Public keys in that user's authorized_keys that homelab put there: comment -> the whole line.
    package var authorizedKeys: [String: String] = [:]
    /// The node's own host keys, as `type blob`.
    package var hostKeys: [HostKey] = []
    /// Directories among those homelab writes to that are on a read-only file system.
    package var readOnly: [String] = []
    /// Directories among them on a file system from which no program can be run.
    package var noExec: [String] = []
    /// The holder line of homelab's lock file, when a run holds it.
    package var lock: String?

    package init() {}

    /// Whether keys of this cluster's agents are let in: of all files they are the last that an uninstallation takes away.
    func letsIn(agentsOf cluster: String) -> Bool {
        authorizedKeys.keys.contains { $0.hasPrefix("homelab-") && $0.contains("@\(cluster)/") }
    }
}

package struct K3sFacts: Hashable, Sendable {
    package var binary: BinaryFact?
    /// The data store of a server that was started before.
    package var datastore: Datastore?
    /// config.yaml with the values of token keys masked; nil when there is none.
    package var config: String?
    package var hasServerToken = false
    /// sha256 of the certificate authority of the cluster it is in, as it has it; nil before it was in any.
    package var authority: String?
    package var hasNodePassword = false
    /// The id of the bootstrap token in homelab's token file (the part before the dot, which is no secret).
    package var joinTokenID: String?
    /// Archives of images that homelab put there.
    package var images: Set<String> = []

    package init() {}
}

package struct AgentFacts: Hashable, Sendable {
    package var binary: BinaryFact?
    /// Public halves of the keys on the node, `ssh-ed25519 AAAA…`.
    package var publicKey: String?
    package var deployKey: String?
    /// The bare repository on this node: nil, or its owner.
    package var repositoryOwner: String?
    /// What came of the last upgrade of the agent by git.
    package var lastSwitch: AgentSwitchOutcome?

    package init() {}
}

package struct BinaryFact: Hashable, Sendable {
    package var sha256: String
    /// As `--version` prints it; nil when it does not start.
    package var version: String?
    /// What says, besides its content, that it is this very file, untouched since; nil where the machine did not tell.
    package var stamp: String?

    package init(sha256: String, version: String?) {
        self.sha256 = sha256
        self.version = version
    }
}

/// A file, a symbolic link or the absence of either.
package enum FileFact: Hashable, Sendable {
    case absent
    /// `sha256` is nil for a file with a secret; `mode` in octal digits, `0600`; `modified` in seconds since 1970.
    case file(sha256: String?, mode: String, owner: String, modified: Double)
    case link(target: String)
    case directory(mode: String, owner: String)
    case other
}

package struct UnitFact: Hashable, Sendable {
    /// `active`, `inactive`, `activating`, `failed`, …; `absent` when there is no such unit.
    package var active: String
    package var enabled: Bool
    /// Seconds since 1970 at which the running process started; nil when none runs. Older than a config file means "not yet in effect".
    package var started: Double?
    /// systemd saw a newer unit file than the one it has loaded.
    package var needsReload: Bool

    package init(active: String, enabled: Bool, started: Double? = nil, needsReload: Bool = false) {
        self.active = active
        self.enabled = enabled
        self.started = started
        self.needsReload = needsReload
    }
}

/// What is known of a node at planning time.
package enum NodeObservation: Hashable, Sendable {
    case facts(NodeFacts)
    /// Not seen: unreachable, host key not pinned or changed, login refused; the reason is shown to the operator.
    case unreachable(reason: String)

    package var facts: NodeFacts? { if case .facts(let facts) = self { facts } else { nil } }
}
