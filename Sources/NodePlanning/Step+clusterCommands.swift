internal import BootstrapAssets
internal import NodeInventory

extension Step {
    /// The commands of the steps about Node objects and their machines' end; nil for every other step.
    var clusterCommands: [RemoteCommand]? {
        let k3s = NodeLayout.k3s
        return switch self {
        case .cordon(let node, let mark, _): [.script(NodeScripts.cordon, [k3s, node, mark.rawValue])]
        case .uncordon(let node, _): [.script(NodeScripts.uncordon, [k3s, node])]
        case .deleteNode(let node, _): [.script(NodeScripts.deleteNode, [k3s, node])]
        case .saveSnapshot(let name, let directory): [.script(NodeScripts.saveSnapshot, [k3s, name, directory])]
        case .copyDatabase: [.script(NodeWork.alone(NodeScripts.copyDatabase), [NodeLayout.database, NodeLayout.databaseCopies])]
        case .restoreBinary(let path): [.script(NodeScripts.restoreBinary, [path])]
        case .installImages(let artifact):
            [.script(NodeScripts.installImages, [NodeLayout.upload(artifact), artifact.path, artifact.sha256])]
        case .revokeKeys(let comments, let user, let home): [.script(NodeScripts.revokeKeys, [user, home] + comments)]
        case .openFirewall(let rules): [.script(NodeScripts.openFirewall, [rules.program.rawValue] + rules.ports + rules.sources)]
        case .closeFirewall(let rules): [.script(NodeScripts.closeFirewall, [rules.program.rawValue] + rules.sources)]
        case .uninstall(let removed): [removed.command]
        default: nil
        }
    }

    /// One try of a drain, bounded so that what blocks can be looked at between two tries.
    package static func drainCommand(_ request: DrainRequest, seconds: Int) -> RemoteCommand {
        var argv = [
            NodeLayout.k3s, "kubectl", "drain", request.node, "--ignore-daemonsets", "--timeout=\(seconds)s",
            // A pod whose kubelet is gone never ends by itself.
            "--skip-wait-for-delete-timeout=120",
        ]
        if let grace = request.gracePeriod { argv.append("--grace-period=\(grace)") }
        if request.deleteEmptyDirData { argv.append("--delete-emptydir-data") }
        if request.force { argv.append("--force") }
        return RemoteCommand(argv)
    }
}

extension NodeLayout {
    static let database = "/var/lib/rancher/k3s/server/db"
    /// Beside `db`, so that deleting that folder, as a restore does, leaves the copies.
    static let databaseCopies = "/var/lib/rancher/k3s/server/homelab-copies"
}

extension Uninstallation {
    var command: RemoteCommand {
        .script(BootstrapAssets.uninstallScript, [cluster, user, home, Self.units.joined(separator: " ")] + routes)
    }

    private static let units = [NodeLayout.agentUnit] + NodeRole.allCases.map(\.unit)
}
