internal import BootstrapAssets
package import Diagnostics
package import NodeInventory
internal import YAML

/// What `homelab preflight` asks of a machine beyond its facts: nothing a plan needs, but what a careful person looks at before trusting
/// the machine with a cluster.
package enum HostChecks {
    package static func command(_ spec: ClusterSpec, _ node: NodeSpec) -> RemoteCommand {
        let registries = registries(spec, node).joined(separator: " ")
        return RemoteCommand(["sh", "-s"], input: .text("registries='\(registries)'\n" + BootstrapAssets.checksScript))
    }

    /// Where k3s' own images come from: the mirrors of their registry, and that registry itself unless they are brought along.
    static func registries(_ spec: ClusterSpec, _ node: NodeSpec) -> [String] {
        let role = node.role == .server ? spec.k3s.serverConfig : spec.k3s.agentConfig
        let named = [node.config, role, spec.k3s.config].lazy.compactMap { $0["system-default-registry"]?.string }.first
        let registry = named ?? "docker.io"
        let mirrors = spec.k3s.registries?["mirrors"]
        let endpoints = (mirrors?[registry] ?? mirrors?["*"])?["endpoint"]?.array?.compactMap(\.string) ?? []
        let own = registry == "docker.io" ? "https://registry-1.docker.io" : "https://\(registry)"
        let asked = endpoints.isEmpty && !spec.k3s.bringsImages ? [own] : endpoints
        return asked.map(address).filter { text in
            text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-._:/[]".contains($0)) }
        }
    }

    /// Scheme, host and port: an endpoint may have a path, and no scheme means https.
    private static func address(_ endpoint: String) -> String {
        let parts = endpoint.split(separator: "/", omittingEmptySubsequences: true).map(String.init)
        guard endpoint.contains("://"), parts.count > 1 else { return "https://" + (parts.first ?? "") }
        return "\(parts[0])//\(parts[1])"
    }

    /// Findings from what the script printed; an output that is none of its is told as such.
    package static func findings(_ node: NodeSpec, output: String, isInstalled: Bool) -> [Diagnostic] {
        var lines = output.split(separator: "\n").map(String.init)[...]
        while let first = lines.first, first != "homelab-checks 1" { lines = lines.dropFirst() }
        guard lines.last == "end" else {
            return [Diagnostic(.warning, "the closer look at it failed", subject: "node \"\(node.name)\"", remedy: "run again")]
        }
        return lines.dropFirst().dropLast().compactMap { line in
            guard let equals = line.firstIndex(of: "=") else { return nil }
            return finding(String(line[..<equals]), String(line[line.index(after: equals)...]), node, isInstalled)
        }
    }

    private static func finding(_ key: String, _ value: String, _ node: NodeSpec, _ isInstalled: Bool) -> Diagnostic? {
        let warning = { (summary: String, remedy: String) in
            Diagnostic(.warning, summary, subject: "node \"\(node.name)\"", remedy: remedy)
        }
        switch key {
        case "disk":
            guard node.role == .server else { return nil }
            let words = value.split(separator: " ").map(String.init)
            if words.first?.hasPrefix("mmcblk") == true {
                return warning(
                    "its data is on an SD card or eMMC (\(words[0]))", "put /var/lib/rancher on an SSD: etcd's writes wear cards out")
            }
            // A virtual machine's disk calls itself turning whatever it lies on.
            if words.first?.hasPrefix("vd") == true || words.first?.hasPrefix("xvd") == true { return nil }
            return words.last == "1" ? warning("its data is on a turning disk (\(words[0]))", "put /var/lib/rancher on an SSD") : nil
        case "root-maxkeys":
            guard let number = Int(value), number < 10_000 else { return nil }
            return warning(
                "kernel.keys.root_maxkeys is \(number)", "set it to 1000000 (sysctl.d): each container takes keys, and starts fail without")
        case "iptables":
            // 1.8.0 to 1.8.4 write rules twice in nftables' mode (docs.k3s.io/known-issues).
            guard let version = value.split(separator: " ").first(where: { $0.hasPrefix("v1.8.") }),
                let last = Int(version.dropFirst(5).prefix { $0.isNumber }), last <= 4, value.contains("nf_tables")
            else { return nil }
            return warning("its iptables \(version) writes rules twice", "update iptables, or write prefer-bundled-bin: true in k3s.config")
        case "nameservers":
            return value == "0" ? warning("it knows no name server", "put one into /etc/resolv.conf: images cannot be pulled without") : nil
        case "unresolved":
            return warning(
                "it cannot resolve \(value)",
                "correct its name servers (/etc/resolv.conf); where images are brought along or come from a mirror that is no matter")
        case "unreachable":
            return warning(
                "it cannot reach \(value), where images come from",
                "open the way there (`curl -v \(value)/v2/` on it), or name a mirror under k3s.registries; where images are brought along that "
                    + "is no matter")
        case "drop-in":
            return warning(
                "k3s reads \(value) after what homelab writes, so that it overrides the inventory",
                "move what it says into the inventory and remove the file, or leave it if that is meant")
        case "swap":
            return node.role == .server
                ? warning(
                    "it has \(value) MiB of swap",
                    "turn it off (`swapoff -a`, and /etc/fstab): an etcd that is swapped out loses its leader")
                : nil
        case "kernel-replaced":
            return warning(
                "the modules of the kernel that runs (\(value)) are gone: the kernel was updated",
                "reboot it: modules that k3s needs cannot be loaded before")
        case "network-manager":
            return warning(
                "NetworkManager may take the cluster's own interfaces in hand",
                "write `[keyfile]` and `unmanaged-devices=interface-name:cni*;interface-name:flannel*;interface-name:veth*` into "
                    + "/etc/NetworkManager/conf.d/k3s.conf, then `systemctl reload NetworkManager`")
        case "reboot-required": return warning("it waits for a reboot", "reboot it before it becomes busy")
        case "package-manager": return warning("its package manager is at work (\(value))", "wait until it has ended")
        case "nm-cloud-setup":
            return warning(
                "nm-cloud-setup is enabled, which breaks pods' routes",
                "`systemctl disable --now nm-cloud-setup.service nm-cloud-setup.timer`")
        case "secure-path":
            return value.contains("/usr/local/bin") || isInstalled
                ? nil
                : warning(
                    "sudo's secure_path leaves /usr/local/bin out, so that `sudo kubectl` is not found", "add it (`visudo`)")
        default: return nil
        }
    }
}
