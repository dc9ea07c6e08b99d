internal import BootstrapAssets
package import Diagnostics
package import NodeInventory

/// What `homelab preflight` asks of a machine beyond its facts: nothing a plan needs, but what a careful person looks at before trusting
/// the machine with a cluster.
package enum HostChecks {
    package static var command: RemoteCommand { RemoteCommand(["sh", "-s"], input: .text(BootstrapAssets.checksScript)) }

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
