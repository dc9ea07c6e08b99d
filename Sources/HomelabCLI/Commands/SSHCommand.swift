package import ArgumentParser
import Diagnostics
import FileSystem
import Glibc
import NodeInventory

/// `homelab ssh`: OpenSSH's client, led to a node as homelab goes there: by the inventory's address, user, keys, jump hosts and pins.
package struct SSHCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "ssh", abstract: "Log in to a node, or run a command on it.",
        discussion: "homelab ssh shelf -- sudo journalctl -fu k3s-agent. Options of ssh itself go behind the --, before the command.")

    @OptionGroup var inventory: InventoryOption

    @Argument(help: "The node's name in the inventory.")
    var node: String

    @Argument(parsing: .postTerminator, help: "The command; none: a shell.")
    var command: [String] = []

    package init() {}

    package func run() async throws {
        let (path, spec) = try await inventory.load()
        guard let node = spec.node(named: node) else {
            let near = Suggestion.nearest(to: node, in: spec.nodes.map(\.name))
            throw Diagnostic(
                .error, "\(path) has no node \(node)",
                remedy: near.map { "did you mean \($0)?" } ?? "it has " + spec.nodes.map(\.name).joined(separator: ", "))
        }
        if node.hostKeys.contains(where: { if case .fingerprint = $0 { true } else { false } }) {
            throw Diagnostic(
                .error, "only the fingerprint of its host key is pinned, which ssh cannot check", subject: "node \"\(node.name)\"",
                remedy: "pin the whole key: a line of `ssh-keyscan -t ed25519 \(node.host)` that has this fingerprint")
        }
        let folder = (Files.environment("XDG_STATE_HOME") ?? Files.homeDirectory + "/.local/state") + "/homelab/ssh"
        try Files.makeDirectory(folder, mode: 0o700)
        let configuration = OpenSSHConfiguration(spec, knownHostsFile: "\(folder)/\(spec.name).known_hosts")
        try Files.write(configuration.knownHosts, to: "\(folder)/\(spec.name).known_hosts", mode: 0o600)
        try Files.write(configuration.text, to: "\(folder)/\(spec.name).config", mode: 0o600)
        var words = ["ssh", "-F", "\(folder)/\(spec.name).config"]
        var rest = command[...]
        while let first = rest.first, first.hasPrefix("-") { words.append(rest.removeFirst()) }
        try Self.become(words + [configuration.word(for: node)] + rest)
    }

    /// Replaces this process, with the signals as the shell had left them.
    private static func become(_ words: [String]) throws -> Never {
        var none = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, nil)
        signal(SIGPIPE, SIG_DFL)
        let arguments = words.map { strdup($0) } + [nil]
        execvp(words[0], arguments)
        throw Diagnostic(
            .error, "cannot start ssh", cause: String(cString: strerror(errno)), remedy: "install OpenSSH's client (openssh-client)")
    }
}
