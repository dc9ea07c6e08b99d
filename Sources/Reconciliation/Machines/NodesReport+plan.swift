extension NodesReport {
    /// The hash of the plan that still has something to do on a node; empty when there is nothing.
    package func planHash(of node: String) -> String { changes.contains { $0.node == node } ? planHash : "" }
}
