package import Diagnostics
package import NodeInventory
internal import YAML

extension Step {
    /// The commands that carry the step out, to be run on the task's node one after the other; empty for waits and reads, which have
    /// rules of their own. Throws when an input is missing that the step's documentation asks for.
    package func commands(inputs: StepInputs) throws(Diagnostic) -> [RemoteCommand] {
        if let commands = clusterCommands { return commands }
        switch self {
        case .loadModules(let names): return names.map { RemoteCommand(["modprobe", $0]) }
        case .setSysctls(let pairs): return pairs.map { RemoteCommand(["sysctl", "-q", "-w", "\($0.key)=\($0.value)"]) }
        case .writeFile(let file): return [try Self.write(file, inputs)]
        case .makeDirectory(let path, let mode, let owner): return [RemoteCommand(["install", "-d", "-m", mode, "-o", owner, path])]
        case .extendKernelCommandLine(let path, let words): return [.script(NodeScripts.extendLine, [path] + words)]
        case .installBinary(let artifact):
            return [.script(NodeScripts.installBinary, [NodeLayout.upload(artifact), artifact.path, artifact.sha256])]
        case .link(let names, let target): return [.script(NodeScripts.link, [target] + names.map { NodeLayout.binaries + $0 })]
        case .writeToken:
            guard let token = inputs.token else { throw Self.missing("the join token") }
            return [.writing(.secret(Secret(token.revealed + "\n")), to: NodeLayout.token, mode: "0600")]
        case .writeSecretFile(let path, let source):
            guard let secret = inputs.secrets[source] else { throw Self.missing("the secret in \(source)") }
            return [.writing(.secret(Secret(secret.revealed + "\n")), to: path, mode: "0600")]
        case .enableUnit(let name), .startUnit(let name), .restartUnit(let name), .stopUnit(let name):
            return Self.serviceCommands(self, name)
        case .revokeToken(let id, _, _): return id.map { [RemoteCommand([NodeLayout.k3s, "token", "delete", $0])] } ?? []
        case .updateNode(let change, _): return change.commands
        case .createRepository(let path, let owner, let branch): return [.script(NodeScripts.createRepository, [path, owner, branch])]
        case .generateKey(let path, let comment): return [.script(NodeScripts.generateKey, [path, comment])]
        case .authorizeKeys(let keys, let user, let home): return [try Self.authorize(keys, user, home, inputs)]
        case .switchAgent(let change): return [change.command]
        default: return []
        }
    }

    /// systemd's units end in `.service`; other names are OpenRC's.
    private static func serviceCommands(_ step: Step, _ name: String) -> [RemoteCommand] {
        let verb =
            switch step {
            case .enableUnit: "enable"
            case .startUnit: "start"
            case .stopUnit: "stop"
            default: "restart"
            }
        guard name.hasSuffix(".service") else { return [.script(NodeScripts.openRC, [verb, name])] }
        return switch verb {
        case "enable": [RemoteCommand(["systemctl", "daemon-reload"]), RemoteCommand(["systemctl", "enable", "--quiet", name])]
        case "stop": [.script(NodeScripts.stopUnit, [name])]
        default: [RemoteCommand(["systemctl", "--no-block", verb, name])]
        }
    }

    /// What the deletion of a Node says of one that does not go although the API answers.
    package static let heldByFinalizers = "it is held by its finalizers"

    /// Makes a token that lets one agent join, and prints it.
    package static func tokenCommand(minutes: Int, description: String) -> RemoteCommand {
        RemoteCommand([NodeLayout.k3s, "token", "create", "--ttl", "\(minutes)m", "--description", description])
    }

    private static func write(_ file: PlannedFile, _ inputs: StepInputs) throws(Diagnostic) -> RemoteCommand {
        guard let text = file.resolved(inputs.secrets) else { throw missing("a secret of \(file.path)") }
        return .writing(file.secrets.isEmpty ? .text(text) : .secret(Secret(text)), to: file.path, mode: file.mode)
    }

    private static func authorize(
        _ keys: [AuthorizedKey], _ user: String, _ home: String, _ inputs: StepInputs
    ) throws(Diagnostic) -> RemoteCommand {
        var lines: [String] = []
        for key in keys {
            guard let publicKey = inputs.publicKeys[key.node], let line = key.line(publicKey) else {
                throw missing("the public key of \(key.node)")
            }
            lines.append(line)
        }
        let text = lines.map { $0 + "\n" }.joined()
        return .script(NodeScripts.authorizeKeys, [user, home, String(text.utf8.count)], input: .text(text))
    }

    private static func missing(_ what: String) -> Diagnostic {
        Diagnostic(.error, "\(what) was not handed over", remedy: "run again")
    }
}

extension RemoteCommand {
    /// A script with its arguments as `$1`, `$2`, …: nothing is ever pasted into its text.
    static func script(_ text: String, _ arguments: [String], input: Input = .none) -> RemoteCommand {
        RemoteCommand(["sh", "-c", text, "homelab"] + arguments, input: input)
    }

    /// Writes a file as a whole or not at all: a connection that breaks leaves the old one.
    package static func writing(_ input: Input, to path: String, mode: String) -> RemoteCommand {
        .script(NodeScripts.writeFile, [path, mode, String(input.bytes.count)], input: input)
    }
}

extension PlannedFile {
    /// The text with its secrets in place; nil when one is not known. A placeholder is a plain YAML scalar, so the secret takes its
    /// place as a quoted one.
    package func resolved(_ known: [SecretReference: Secret]) -> String? {
        var result = text
        for (placeholder, reference) in secrets.sorted(by: { $0.key < $1.key }) {
            guard let secret = known[reference] else { return nil }
            result = result.split(separator: placeholder, omittingEmptySubsequences: false)
                .joined(separator: JSONWriter.text(.string(secret.revealed)))
        }
        return result
    }
}

extension AuthorizedKey {
    /// The file on the key's node that holds the public half.
    package var publicKeyFile: String {
        switch purpose {
        case .manage: NodeLayout.agentKey + ".pub"
        case .fetch: NodeLayout.deployKey + ".pub"
        }
    }

    /// The line for authorized_keys (sshd(8), AUTHORIZED_KEYS FILE FORMAT); nil when the public key is none.
    package func line(_ publicKey: String) -> String? {
        let words = publicKey.split(separator: " ")
        guard words.count >= 2 else { return nil }
        var options = ["restrict"]
        if !from.isEmpty { options.append("from=\"\(from.joined(separator: ","))\"") }
        if case .fetch(let repository) = purpose { options.append("command=\"\(NodeLayout.homelab) git-serve \(repository)\"") }
        return "\(options.joined(separator: ",")) \(words[0]) \(words[1]) \(comment)"
    }
}

extension NodeMetadataChange {
    /// `kubectl` as k3s carries it, with the server's own kubeconfig.
    var commands: [RemoteCommand] {
        let labels = setLabels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" } + removeLabels.map { $0 + "-" }
        let taints = setTaints.map { "\($0)" } + removeTaints.map { "\($0.key):\($0.effect.rawValue)-" }
        let notes = annotations.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return [("label", labels), ("taint", taints), ("annotate", notes)].filter { !$0.1.isEmpty }.map { verb, arguments in
            RemoteCommand([NodeLayout.k3s, "kubectl", verb, "node", node, "--overwrite"] + arguments)
        }
    }
}
