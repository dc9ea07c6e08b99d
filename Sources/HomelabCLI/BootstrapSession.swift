import ArgumentParser
import Diagnostics
import FileSystem
import Glibc
import HTTPNetworking
import NodeInventory
import NodePlanning
import Provisioning
import Reconciliation

/// What `homelab plan` and `homelab bootstrap` share: the options, the connections, and the person in front of them.
struct BootstrapArguments: ParsableArguments {
    @OptionGroup var inventory: InventoryOption

    @Option(
        name: .customLong("agent-binary"),
        help: "The homelab binary for servers of an architecture, ARCH=FILE; for this machine's own the running program is taken.")
    var agentBinaries: [String] = []

    @Option(help: "Where the kubeconfig is kept; ~/.kube/config when it is not given.")
    var kubeconfig: String?

    @Option(parsing: .upToNextOption, help: "Work only on these nodes.")
    var only: [String] = []

    /// The files for the servers' architectures: those given, and the running program for its own.
    func binaries() throws -> [Architecture: String] {
        var files: [Architecture: String] = [:]
        if let own = BinaryArchitecture.own.flatMap({ Architecture(rawValue: $0.rawValue) }),
            let path = try? Files.realPath("/proc/self/exe")
        {
            files[own] = path
        }
        for given in agentBinaries {
            let parts = given.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, let architecture = Architecture(rawValue: parts[0]) else {
                throw Diagnostic(
                    .error, "--agent-binary \(given) is not ARCH=FILE", remedy: "for instance --agent-binary arm64=./homelab-arm64")
            }
            files[architecture] = parts[1]
        }
        return files
    }

    func options(path: String, spec: ClusterSpec) async throws -> BootstrapOptions {
        let state = Files.environment("XDG_STATE_HOME") ?? Files.homeDirectory + "/.local/state"
        var options = BootstrapOptions(
            inventoryDirectory: Files.directoryName(path), cacheDirectory: CacheFolder.path, owner: "\(Self.whoAmI), homelab bootstrap")
        options.journal = OperatorJournal(who: Self.whoAmI, commit: await InventoryCommit.id(of: path))
        options.homelabBinaries = try binaries()
        options.logDirectory = state + "/homelab/logs"
        options.backupDirectory = state + "/homelab/backups"
        options.kubeconfig = kubeconfig ?? "~/.kube/config"
        options.mergesKubeconfig = true
        options.only = Set(only)
        let unknown = options.only.filter { spec.node(named: $0) == nil }.sorted()
        guard unknown.isEmpty else {
            throw Diagnostic(
                .error, "the inventory has no node \(unknown.joined(separator: ", "))", remedy: "--only takes the names in \(path)")
        }
        return options
    }

    static var whoAmI: String {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count)
        let host = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return "\(Files.environment("USER") ?? "root")@\(host)"
    }
}

/// The person at the terminal, as the provisioning asks for one.
struct Operator {
    let console: Console

    /// For commands that only look: what they wait for is said beside their result.
    var waits: @Sendable (ProvisioningEvent) -> Void {
        { [console] event in
            switch event {
            case .note, .stepDetail: console.problem(event.description)
            default: return
            }
        }
    }

    var prompt: SecretSource.Prompt? {
        guard isatty(0) == 1 else { return nil }
        return { [console] question in console.password("\(question): ") }
    }

    var confirmHostKey: SSHConnector.HostKeyConfirmation? {
        guard isatty(0) == 1 else { return nil }
        return { [console] node, line, fingerprint in
            console.confirms(
                "\(node) shows a host key that is not known yet:\n  \(fingerprint)\n  \(line)\n"
                    + "Is it the machine's own (compare /etc/ssh/ssh_host_*_key.pub on it)?")
        }
    }
}

extension InventoryOption {
    /// The inventory's machines for a command that is no part of a plan.
    /// - Parameters:
    ///   - command: what another run is told to wait for, where this one changes something.
    ///   - logs: keep what is done on each node.
    func machines(
        for command: String = "homelab", logs: Bool = false, events: (@Sendable (ProvisioningEvent) -> Void)? = nil
    ) async throws -> Machines {
        let (path, spec) = try await load()
        let user = Operator(console: .standard)
        let state = Files.environment("XDG_STATE_HOME") ?? Files.homeDirectory + "/.local/state"
        return try Machines(
            spec, inventoryDirectory: Files.directoryName(path), logDirectory: logs ? state + "/homelab/logs" : nil,
            owner: "\(BootstrapArguments.whoAmI), \(command)",
            interaction: BootstrapInteraction(events: events ?? user.waits, prompt: user.prompt, confirmHostKey: user.confirmHostKey))
    }
}
