package import NodeInventory
internal import YAML

extension ClusterSpec {
    /// The folder that a server's k3s keeps its snapshots in, as the inventory says: for this server, for all servers, for all nodes. k3s goes
    /// into its data folder first, so a relative one begins there.
    package func snapshotDirectory(of server: NodeSpec) -> String {
        let values = K3sConfiguration(spec: self, node: server, entry: .cluster(initializesEtcd: true)).values
        guard var path = values["etcd-snapshot-dir"]?.string, !path.isEmpty else { return NodeLayout.snapshots }
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        return path.hasPrefix("/") ? path : "\(NodeLayout.dataDirectory)/server/\(path)"
    }
}
