internal import NodeInventory
package import NodePlanning

extension Step {
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
        case .awaitNode(let name, _, let voting): voting ? "wait for node \(name) and its etcd member" : "wait for node \(name)"
        case .revokeToken: "revoke the join token"
        case .updateNode(let change, _): "label node \(change.node)"
        case .fetchKubeconfig: "fetch the kubeconfig"
        case .createRepository(let path, _, _): "make the repository \(path)"
        case .generateKey(let path, _): "make the key \(path)"
        case .authorizeKeys(_, let user, _): "let the servers' agents log in as \(user)"
        case .writeSecretFile(let path, _): "write \(path)"
        case .awaitAgent: "wait for the homelab agent"
        case .makeDirectory(let path, _, _): "make \(path)"
        }
    }

    /// The node a step is about when that is not the node it runs on: it is left out when that node failed before.
    var subjectNode: String? {
        switch self {
        case .awaitNode(let name, _, _): name
        case .revokeToken(_, let node, _): node
        case .updateNode(let change, _): change.node
        default: nil
        }
    }
}
