internal import Cryptography
internal import NodeInventory
package import YAML

extension Step {
    /// What it does, in a few words.
    package var summary: String {
        switch self {
        case .loadModules(let names): "load kernel modules \(names.joined(separator: ", "))"
        case .writeFile(let file): "write \(file.path)"
        case .setSysctls(let pairs): "set \(pairs.map { "\($0.key)=\($0.value)" }.joined(separator: ", "))"
        case .extendKernelCommandLine(let path, let words): "add \(words.joined(separator: " ")) to \(path)"
        case .reboot: "reboot"
        case .installBinary(let artifact): "install \(artifact.path)"
        case .link(let names, let target): "link \(names.joined(separator: ", ")) to \(target)"
        case .writeToken(.generated): "write a new cluster token"
        case .writeToken(.serverToken(let server)): "write the cluster token of \(server)"
        case .writeToken(.bootstrapToken(let via, let minutes)): "write a join token made by \(via), valid \(minutes) minutes"
        case .enableUnit(let unit): "enable \(unit)"
        case .startUnit(let unit): "start \(unit)"
        case .restartUnit(let unit): "restart \(unit)"
        case .awaitK3s(let role): "wait until k3s is \(role == .server ? "ready" : "running")"
        case .awaitNode(let name, _, let votes, let version):
            "wait until node \(name) is Ready" + (version.map { " with \($0)" } ?? "") + (votes ? " and votes in etcd" : "")
        case .revokeToken(_, let node, _): "delete the join token of \(node)"
        case .updateNode(let change, _): "update node \(change.node)"
        case .fetchKubeconfig(let server): "fetch the kubeconfig for \(server)"
        case .createRepository(let path, let owner, _): "make the git repository \(path) for \(owner)"
        case .generateKey(let path, _): "make the key \(path)"
        case .authorizeKeys(let keys, let user, _):
            "let \(Self.names(keys)) \(keys.allSatisfy { $0.purpose == .manage } ? "log in" : "fetch from the repository") as \(user)"
        case .writeSecretFile(let path, let source): "write \(path) from \(source)"
        case .awaitAgent(let listen): "wait until the homelab agent at \(listen) is ready"
        case .makeDirectory(let path, _, _): "make the directory \(path)"
        default: changeSummary
        }
    }

    /// Of the steps of upgrades and removals.
    private var changeSummary: String {
        switch self {
        case .uploadBinary(let artifact): "bring \(artifact.path) to the node, beside the one that runs"
        case .restoreBinary(let path): "put \(path).prev back"
        case .installImages(let artifact): "install \(artifact.path)"
        case .stopUnit(let unit): "stop \(unit)"
        case .saveSnapshot: "save a snapshot of etcd, check it, and copy it here with the cluster's token"
        case .copyDatabase: "copy the database"
        case .bringCopy: "bring the copy here with the cluster's token"
        case .cordon(let node, _, _): "cordon \(node)"
        case .drain(let request, _):
            "drain \(request.node)" + (request.force ? ", going on after \(request.timeout) s" : ", giving up after \(request.timeout) s")
        case .uncordon(let node, _): "uncordon \(node)"
        case .awaitWorkloads: "wait until all that was healthy is healthy again"
        case .removeMember(let node, _): "take the member of \(node) out of etcd"
        case .deleteNode(let node, _): "delete node \(node) and its password"
        case .uninstall: "uninstall k3s and homelab, with all data and local volumes on the machine"
        case .revokeKeys(let comments, let user, _): "take \(comments.joined(separator: ", ")) out of the keys of \(user)"
        case .switchAgent(let change): "switch to the new homelab agent, and back if it is not ready within \(change.timeout) s"
        case .openFirewall(let rules):
            "let in "
                + [
                    rules.sources.isEmpty ? nil : "everything from " + rules.sources.joined(separator: ", "),
                    rules.ports.isEmpty ? nil : rules.ports.joined(separator: ", "),
                ].compactMap { $0 }.joined(separator: ", and ") + " with \(rules.program.rawValue)"
        case .closeFirewall(let rules): "let \(rules.sources.joined(separator: ", ")) in no longer with \(rules.program.rawValue)"
        default: ""
        }
    }

    private static func names(_ keys: [AuthorizedKey]) -> String { "the agents of " + keys.map(\.node).joined(separator: ", ") }

    /// The file the step writes or the binary it installs.
    package var path: String? {
        switch self {
        case .writeFile(let file): file.path
        case .installBinary(let artifact): artifact.path
        case .writeToken: NodeLayout.token
        case .writeSecretFile(let path, _), .generateKey(let path, _), .createRepository(let path, _, _), .makeDirectory(let path, _, _),
            .extendKernelCommandLine(let path, _):
            path
        default: nil
        }
    }

    /// All of the step as data: what the plan's hash is over.
    package var json: Value {
        let texts = { (list: [String]) in Value.array(list.map { .string($0) }) }
        switch self {
        case .loadModules(let names): return ["step": "loadModules", "modules": texts(names)]
        case .writeFile(let file):
            return [
                "step": "writeFile", "path": .string(file.path), "mode": .string(file.mode), "text": .string(file.text),
                "secrets": texts(file.secrets.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }),
            ]
        case .setSysctls(let pairs): return ["step": "setSysctls", "sysctls": texts(pairs.map { "\($0.key)=\($0.value)" })]
        case .extendKernelCommandLine(let path, let words):
            return ["step": "extendKernelCommandLine", "path": .string(path), "words": texts(words)]
        case .reboot: return ["step": "reboot"]
        case .installBinary(let artifact): return artifact.json("installBinary")
        case .link(let names, let target): return ["step": "link", "names": texts(names), "target": .string(target)]
        case .writeToken(let source): return ["step": "writeToken", "source": .string("\(source)")]
        case .enableUnit(let unit): return ["step": "enableUnit", "unit": .string(unit)]
        case .startUnit(let unit): return ["step": "startUnit", "unit": .string(unit)]
        case .restartUnit(let unit): return ["step": "restartUnit", "unit": .string(unit)]
        case .awaitK3s(let role): return ["step": "awaitK3s", "role": .string(role.rawValue)]
        case .awaitNode(let name, let via, let votes, let version):
            var value: Value = ["step": "awaitNode", "name": .string(name), "via": .string(via), "votingMember": .bool(votes)]
            if let version { value["version"] = .string(version) }
            return value
        case .revokeToken(let id, let node, let via):
            return ["step": "revokeToken", "id": id.map { .string($0) } ?? .null, "node": .string(node), "via": .string(via)]
        case .updateNode(let change, let via):
            return ["step": "updateNode", "via": .string(via), "commands": .array(change.commands.map { texts($0.argv) })]
        case .fetchKubeconfig(let server): return ["step": "fetchKubeconfig", "server": .string(server)]
        case .createRepository(let path, let owner, let branch):
            return ["step": "createRepository", "path": .string(path), "owner": .string(owner), "branch": .string(branch)]
        case .generateKey(let path, let comment): return ["step": "generateKey", "path": .string(path), "comment": .string(comment)]
        case .authorizeKeys(let keys, let user, let home):
            let lines = keys.map { $0.line("TYPE KEY-OF-\($0.node)") ?? "" }
            return ["step": "authorizeKeys", "user": .string(user), "home": .string(home), "lines": texts(lines)]
        case .writeSecretFile(let path, let source):
            return ["step": "writeSecretFile", "path": .string(path), "source": .string(source.description)]
        case .awaitAgent(let listen): return ["step": "awaitAgent", "listen": .string(listen)]
        case .makeDirectory(let path, let mode, let owner):
            return ["step": "makeDirectory", "path": .string(path), "mode": .string(mode), "owner": .string(owner)]
        default: return changeJSON
        }
    }

    private var changeJSON: Value {
        let texts = { (list: [String]) in Value.array(list.map { .string($0) }) }
        let about = { (step: String, node: String, via: String) -> Value in
            ["step": .string(step), "node": .string(node), "via": .string(via)]
        }
        switch self {
        case .uploadBinary(let artifact): return artifact.json("uploadBinary")
        case .installImages(let artifact): return artifact.json("installImages")
        case .restoreBinary(let path): return ["step": "restoreBinary", "path": .string(path)]
        case .stopUnit(let unit): return ["step": "stopUnit", "unit": .string(unit)]
        case .saveSnapshot(let name, let directory):
            return ["step": "saveSnapshot", "name": .string(name), "directory": .string(directory)]
        case .copyDatabase: return ["step": "copyDatabase"]
        case .bringCopy: return ["step": "bringCopy"]
        case .cordon(let node, let mark, let via):
            var value = about("cordon", node, via)
            value["for"] = .string(mark.rawValue)
            return value
        case .drain(let request, let via):
            var value = about("drain", request.node, via)
            value["timeout"] = .int(Int64(request.timeout))
            value["gracePeriod"] = request.gracePeriod.map { .int(Int64($0)) } ?? .null
            value["deleteEmptyDirData"] = .bool(request.deleteEmptyDirData)
            value["force"] = .bool(request.force)
            return value
        case .uncordon(let node, let via): return about("uncordon", node, via)
        case .awaitWorkloads(let node, let via): return about("awaitWorkloads", node, via)
        case .removeMember(let node, let via): return about("removeMember", node, via)
        case .deleteNode(let node, let via): return about("deleteNode", node, via)
        case .uninstall(let removed):
            return [
                "step": "uninstall", "user": .string(removed.user), "home": .string(removed.home), "routes": texts(removed.routes),
            ]
        case .revokeKeys(let comments, let user, _): return ["step": "revokeKeys", "user": .string(user), "comments": texts(comments)]
        case .switchAgent(let change):
            var value = change.artifact.json("switchAgent")
            value["listen"] = .string(change.listen)
            value["timeout"] = .int(Int64(change.timeout))
            return value
        case .openFirewall(let rules):
            return [
                "step": "openFirewall", "program": .string(rules.program.rawValue), "sources": texts(rules.sources),
                "ports": texts(rules.ports),
            ]
        case .closeFirewall(let rules):
            return ["step": "closeFirewall", "program": .string(rules.program.rawValue), "sources": texts(rules.sources)]
        default: return .null
        }
    }
}

extension Artifact {
    fileprivate func json(_ step: String) -> Value {
        [
            "step": .string(step), "name": .string(name.rawValue), "path": .string(path), "architecture": .string(architecture.rawValue),
            "sha256": .string(sha256),
        ]
    }
}
