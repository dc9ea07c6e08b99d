internal import NodeInventory

/// What a person types to begin anew with one server's data and to let the others join it (docs.k3s.io/cli/etcd-snapshot, "Restoring").
enum ResetRecipe {
    /// k3s refuses a reset on a server that once joined another one, by the `server:` in its config.yaml; the empty flag counts more.
    static func reset(restoring snapshot: String? = nil) -> String {
        "`k3s server --cluster-reset --server=\(snapshot.map { " --cluster-reset-restore-path=\($0)" } ?? "")` (the empty `--server=` is there "
            + "because k3s refuses this while config.yaml has a `server:`)"
    }

    /// Each of the others: without data `cluster-init` alone would found a cluster of its own.
    static func join(_ leader: NodeSpec, _ others: [String], start: String) -> String {
        "on \(others.joined(separator: ", ")), one after the other, write `server: \(K3sConfiguration.url(of: leader.address))` into "
            + "\(NodeLayout.k3sConfig) in place of `cluster-init` or another `server:`, remove \(NodeLayout.database) and \(start)"
    }
}
