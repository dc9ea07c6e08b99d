internal import Diagnostics
internal import NodeInventory
internal import NodePlanning
internal import YAML

/// A Node object as the doctor reads it: a k3s that runs may still be of no use to its cluster.
struct RegisteredNode: Sendable {
    let status: NodeStatus
    /// Where the cluster reaches it.
    let addresses: [String]

    init(_ node: Value) {
        status = NodeStatus(node)
        addresses = (node[path: "status", "addresses"]?.array ?? []).filter { $0["type"] == "InternalIP" }
            .compactMap { $0["address"]?.string }
    }

    /// What is wrong with a node whose k3s runs; nil when nothing is.
    /// - Parameters:
    ///   - registered: nil: the cluster has no such Node.
    ///   - own: the addresses of the machine.
    static func finding(_ registered: RegisteredNode?, _ node: NodeSpec, _ own: Set<String>, _ watch: UnitWatch) -> Diagnostic? {
        let subject = "node \"\(node.name)\""
        guard let registered else {
            return watch.diagnosis?.diagnostic(node: node.name, watch.words)
                ?? Diagnostic(
                    .error, "k3s runs, but the cluster has no node of this name", subject: subject, cause: watch.lastWords,
                    remedy: "wait a minute; if it stays so, `homelab bootstrap` joins it")
        }
        if !own.isEmpty, let gone = registered.addresses.first(where: { !own.contains($0) }) {
            let now = own.filter { !$0.hasPrefix("127.") && !$0.hasPrefix("fe80:") && $0 != "::1" }.sorted()
            return Diagnostic(
                .error, "its address has changed: the cluster knows it at \(gone)", subject: subject,
                cause: "the machine has \(now.joined(separator: ", "))",
                remedy:
                    "Give it that address again and for good (a fixed lease, or a static address), or correct `host` and `nodeIP` in the "
                    + "inventory and run `homelab bootstrap`; a server's address cannot change while it is a member of etcd.")
        }
        guard !registered.status.isReady else { return nil }
        return watch.diagnosis?.diagnostic(node: node.name, watch.words)
            ?? Diagnostic(
                .error, "k3s runs, but its node is not Ready", subject: subject, cause: registered.status.reason,
                remedy:
                    "\(watch.words.log(node.role.unit)) on it (`homelab ssh \(node.name)`) says why; `homelab preflight` tries the ways "
                    + "between the nodes")
    }

    /// What `ip -o addr` prints.
    static func addresses(in output: String) -> [String] {
        output.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard let at = words.firstIndex(where: { $0 == "inet" || $0 == "inet6" }), at + 1 < words.count else { return nil }
            return words[at + 1].split(separator: "/").first.map(String.init)
        }
    }
}
