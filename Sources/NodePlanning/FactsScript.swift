internal import BootstrapAssets
package import NodeInventory

/// The script that looks at a node, with the list of what it is to look at in front: fed to `sh -s` as root.
package enum FactsScript {
    /// nil for the cluster looks at what every homelab node has.
    package static func text(for cluster: ClusterSpec? = nil) -> String {
        let lists: [(name: String, items: [String])] = [
            ("files", files), ("private", secret), ("units", units), ("directories", directories),
            ("sysctls", HostPreparation.sysctls.map(\.key)), ("modules", HostPreparation.modules + ["vxlan", "wireguard"]),
        ]
        let head = lists.map { "\($0.name)='\($0.items.joined(separator: " "))'\n" }.joined()
        return head + BootstrapAssets.factsScript
    }

    static let files =
        [
            NodeLayout.k3s, NodeLayout.k3sConfig, NodeLayout.k3sRegistration, NodeLayout.registries, NodeLayout.token, NodeLayout.modules,
            NodeLayout.sysctls, NodeLayout.logRotation,
            NodeLayout.agentConfiguration, NodeLayout.agentKey, NodeLayout.deployKey, NodeLayout.knownHosts, NodeLayout.repositoryToken,
            NodeLayout.repositoryCA, NodeLayout.webhookSecret, NodeLayout.allowedSigners,
        ] + units.map { NodeLayout.unitFile($0) } + units.map { NodeLayout.unitFile(InitSystem.service($0)) }
        + links.map { NodeLayout.binaries + $0 }

    static let links = ["kubectl", "crictl", "ctr", "git-receive-pack", "git-upload-pack"]

    /// The binary is no secret, but large: its hash is told once, with its version.
    private static let secret = [NodeLayout.token, NodeLayout.agentKey, NodeLayout.deployKey, NodeLayout.k3s]
    private static let units = [NodeRole.server.unit, NodeRole.agent.unit, NodeLayout.agentUnit]
    private static let directories = ["/var/lib/rancher", "/var/lib/kubelet", "/var/log", "/usr/local/bin", "/etc", "/tmp", "/var/tmp"]
}
