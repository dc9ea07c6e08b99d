internal import NodeInventory
package import NodePlanning

extension Step {
    /// By this the journal knows the step that ends the agent which carries it out.
    package static let switchActivity = "switch to the new homelab agent"

    /// What the operator reads while the step runs.
    package var activity: String {
        switch self {
        case .loadModules(let names): "load kernel modules \(names.joined(separator: ", "))"
        case .writeFile(let file): "write \(file.path)"
        case .setSysctls: "set sysctls"
        case .extendKernelCommandLine(let path, let words): "add \(words.joined(separator: " ")) to \(path)"
        case .reboot: "reboot"
        case .installBinary(let artifact): "install \(artifact.path)"
        case .link(let names, let target): "link \(names.joined(separator: ", ")) to \(target)"
        case .writeToken: "write the join token"
        case .enableUnit(let unit): "enable \(unit)"
        case .startUnit(let unit): "start \(unit)"
        case .restartUnit(let unit): "restart \(unit)"
        case .awaitK3s(let role): role == .server ? "wait for the k3s server" : "wait for the k3s agent"
        case .awaitNode(let name, _, let voting, _): voting ? "wait for node \(name) and its etcd member" : "wait for node \(name)"
        case .revokeToken: "revoke the join token"
        case .updateNode(let change, _): "label node \(change.node)"
        case .fetchKubeconfig: "fetch the kubeconfig"
        case .createRepository(let path, _, _): "make the repository \(path)"
        case .generateKey(let path, _): "make the key \(path)"
        case .authorizeKeys(_, let user, _): "let the servers' agents log in as \(user)"
        case .writeSecretFile(let path, _): "write \(path)"
        case .awaitAgent: "wait for the homelab agent"
        case .makeDirectory(let path, _, _): "make \(path)"
        default: changeActivity
        }
    }

    /// Of the steps of upgrades and removals.
    private var changeActivity: String {
        switch self {
        case .uploadBinary(let artifact): "bring \(artifact.path)"
        case .restoreBinary(let path): "put the earlier \(path) back"
        case .installImages: "install k3s' images"
        case .stopUnit(let unit): "stop \(unit)"
        case .saveSnapshot: "save a snapshot of etcd"
        case .copyDatabase: "copy the database"
        case .bringCopy: "bring the copy of the database"
        case .cordon(let node, _, _): "cordon \(node)"
        case .drain(let request, _): "drain \(request.node)"
        case .uncordon(let node, _): "uncordon \(node)"
        case .awaitWorkloads: "wait for the workloads"
        case .removeMember(let node, _): "take \(node) out of etcd"
        case .deleteNode(let node, _): "delete node \(node)"
        case .uninstall: "uninstall k3s and homelab"
        case .revokeKeys(let comments, let user, _): "take \(comments.count == 1 ? "a key" : "\(comments.count) keys") from \(user)"
        case .switchAgent: Self.switchActivity
        case .openFirewall(let rules): "open \(rules.program.rawValue) for the cluster"
        case .closeFirewall(let rules): "close \(rules.program.rawValue) to what has left"
        default: summary
        }
    }
}
