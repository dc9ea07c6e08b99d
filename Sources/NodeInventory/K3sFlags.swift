package import YAML

/// The flags of `k3s server` and `k3s agent` as config.yaml keys (docs.k3s.io/cli, v1.30 to v1.36). k3s itself only logs a key it
/// does not know, so that a typing error would silently change nothing.
package enum K3sFlags {
    package enum Shape: Sendable {
        case boolean, scalar, list
    }

    package struct Flag: Sendable {
        package var name: String
        package var onServers: Bool
        package var onAgents: Bool
        package var shape: Shape
    }

    /// Keys that homelab sets itself, and where to say it instead.
    package static let managed: [String: String] = [
        "server": "homelab sets it from the servers of the inventory",
        "cluster-init": "write k3s.datastore: etcd",
        "token": "homelab makes and hands over the tokens itself",
        "token-file": "homelab makes and hands over the tokens itself",
        "node-name": "write the node's name:",
        "node-ip": "write the node's nodeIP:",
        "node-label": "write the node's labels:",
        "node-taint": "write the node's taints:",
        "with-node-id": "nodes are known by the name in the inventory",
        "cluster-cidr": "write network.pods",
        "service-cidr": "write network.services",
        "cluster-dns": "write network.dns",
        "cluster-domain": "write network.domain",
        "cluster-reset": "restoring is `homelab snapshot restore`",
        "cluster-reset-restore-path": "restoring is `homelab snapshot restore`",
        "config": "homelab writes /etc/rancher/k3s/config.yaml",
        "data-dir": "homelab expects k3s' own place, /var/lib/rancher/k3s; mount a disk there",
        "write-kubeconfig": "homelab reads /etc/rancher/k3s/k3s.yaml",
        "https-listen-port": "homelab expects k3s' own port, 6443",
        "rootless": "homelab runs k3s as a system service",
    ]

    /// Keys whose value is a secret, and how to do without it.
    package static let secrets: [String: String] = [
        "agent-token": "leave it out: nodes join with short-lived tokens",
        "agent-token-file": "leave it out: nodes join with short-lived tokens",
        "datastore-endpoint": "homelab runs k3s on its embedded SQLite or etcd (k3s.datastore)",
        "etcd-s3-access-key": "put it into a Secret and name that in etcd-s3-config-secret",
        "etcd-s3-secret-key": "put it into a Secret and name that in etcd-s3-config-secret",
        "etcd-s3-session-token": "put it into a Secret and name that in etcd-s3-config-secret",
        "vpn-auth": "put it into a file on the node and name that in vpn-auth-file",
    ]

    /// Keys that must be equal on all servers (docs.k3s.io/datastore/ha-embedded), so that no single node may set them.
    package static let critical: Set<String> = [
        "agent-token", "cluster-cidr", "cluster-dns", "cluster-domain", "disable", "disable-cloud-controller", "disable-helm-controller",
        "disable-kube-proxy", "disable-network-policy", "egress-selector-mode", "embedded-registry", "flannel-backend",
        "flannel-external-ip", "flannel-ipv6-masq", "secrets-encryption", "secrets-encryption-provider", "service-cidr",
    ]

    /// Flags that not every minor version of k3s has, from its release notes: the first that had them no more.
    private static let removed: [String: (major: Int, minor: Int)] = [
        "multi-cluster-cidr": (1, 29)
    ]

    /// Why this version of k3s would skip the flag; nil when it has it.
    package static func absence(of flag: String, in version: K3sVersion) -> String? {
        guard let end = removed[flag], (version.major, version.minor) >= (end.major, end.minor) else { return nil }
        return "k3s \(version) has it no more: it was removed in v\(end.major).\(end.minor)"
    }

    package static let all: [String: Flag] = {
        var flags: [String: Flag] = [:]
        let tables: [(text: String, servers: Bool, agents: Bool)] = [
            (common, true, true), (serversOnly, true, false), (agentsOnly, false, true),
        ]
        for (text, servers, agents) in tables {
            for word in text.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
                let shape: Shape = word.hasSuffix("[]") ? .list : word.hasSuffix("?") ? .boolean : .scalar
                let name = String(word.prefix { $0 != "[" && $0 != "?" })
                flags[name] = Flag(name: name, onServers: servers, onAgents: agents, shape: shape)
            }
        }
        return flags
    }()

    // `name?` is a boolean, `name[]` may be given several times.
    private static let common = """
        airgap-extra-registry[] alsologtostderr? bind-address config container-runtime-endpoint data-dir debug? default-runtime
        disable-default-registry-endpoint? docker? enable-pprof? flannel-cni-conf flannel-conf flannel-iface
        image-credential-provider-bin-dir image-credential-provider-config image-service-endpoint kube-proxy-arg[] kubelet-arg[]
        lb-server-port log node-external-dns[] node-external-ip[] node-internal-dns[] node-ip[] node-label[] node-name node-taint[]
        nonroot-devices? pause-image prefer-bundled-bin? private-registry protect-kernel-defaults? resolv-conf rootless? selinux? server
        snapshotter token token-file v vmodule vpn-auth vpn-auth-file with-node-id?
        """
    private static let serversOnly = """
        advertise-address advertise-port agent-token agent-token-file cluster-cidr[] cluster-dns[] cluster-domain cluster-init?
        cluster-reset? cluster-reset-restore-path datastore-cafile datastore-certfile datastore-endpoint datastore-keyfile
        default-local-storage-path disable[] disable-apiserver? disable-cloud-controller? disable-controller-manager? disable-etcd?
        disable-helm-controller? disable-kube-proxy? disable-network-policy? disable-scheduler? egress-selector-mode embedded-registry?
        etcd-arg[] etcd-disable-snapshots? etcd-expose-metrics? etcd-s3? etcd-s3-access-key etcd-s3-bucket etcd-s3-bucket-lookup-type
        etcd-s3-config-secret etcd-s3-endpoint etcd-s3-endpoint-ca etcd-s3-folder etcd-s3-insecure? etcd-s3-proxy etcd-s3-region
        etcd-s3-retention etcd-s3-secret-key etcd-s3-session-token etcd-s3-skip-ssl-verify? etcd-s3-timeout etcd-snapshot-compress?
        etcd-snapshot-dir etcd-snapshot-name etcd-snapshot-reconcile-interval etcd-snapshot-retention etcd-snapshot-schedule-cron
        flannel-backend flannel-external-ip? flannel-ipv6-masq? helm-controller-arg[] helm-job-image https-listen-port kine-tls?
        kube-apiserver-arg[] kube-cloud-controller-arg[] kube-cloud-controller-manager-arg[] kube-controller-manager-arg[]
        kube-scheduler-arg[] multi-cluster-cidr? secrets-encryption? secrets-encryption-provider service-cidr[] service-node-port-range
        servicelb-namespace supervisor-metrics? supervisor-port system-default-registry tls-san[] tls-san-security? write-kubeconfig
        write-kubeconfig-group write-kubeconfig-mode
        """
    private static let agentsOnly = "disable-apiserver-lb?"

    /// What is wrong with a value for a flag; nil when it fits.
    package static func problem(with value: Value, for shape: Shape) -> String? {
        switch (shape, value) {
        case (.boolean, .bool), (.scalar, .string), (.scalar, .int), (.scalar, .double), (.scalar, .bool): nil
        case (.list, .array(let items)):
            items.allSatisfy { $0.scalarText != nil && !$0.isNull } ? nil : "an item of the list is no text"
        case (.list, .string), (.list, .int), (.list, .double), (.list, .bool): nil
        case (.boolean, _): "it takes true or false"
        case (.scalar, _): "it takes one value"
        case (.list, _): "it takes a list"
        }
    }
}
