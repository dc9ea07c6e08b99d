package import YAML

/// The flags of `k3s server` and `k3s agent` as config.yaml keys, and which version has which (see `table`). k3s itself only logs a key
/// it does not know, so that a typing error would silently change nothing.
package enum K3sFlags {
    /// What a flag takes.
    package enum Kind: Hashable, Sendable {
        case boolean, text, integer, duration, list
        /// One of these words.
        case word([String])
    }

    package struct Flag: Sendable {
        package var name: String
        package var kind: Kind
        package var onServers: Bool
        package var onAgents: Bool
        /// The first release of each minor line that has it, oldest first; empty when all that are known have it.
        package var since: [K3sVersion]
        /// The first minor version without it.
        package var until: K3sVersion?
        /// The flag that replaces it.
        package var replacement: String?
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
        "write-kubeconfig-name": "homelab names the kubeconfig's context after the cluster",
        "https-listen-port": "homelab expects k3s' own port, 6443",
        "supervisor-port": "homelab expects k3s' own port, 6443",
        "apiserver-port": "homelab expects k3s' own port, 6443",
        "apiserver-bind-address": "homelab reaches the API on the node itself",
        "disable-agent": "homelab waits for the Node of every machine",
        "disable-apiserver": "every server of the inventory runs the API and etcd",
        "disable-etcd": "every server of the inventory runs the API and etcd",
        "cluster-secret": "homelab makes and hands over the tokens itself",
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

    /// The environment variables that stand for a flag (docs.k3s.io/cli/server, docs.k3s.io/cli/agent).
    package static let environment: [String: String] = [
        "K3S_AGENT_TOKEN": "agent-token", "K3S_AGENT_TOKEN_FILE": "agent-token-file", "K3S_CLUSTER_INIT": "cluster-init",
        "K3S_CLUSTER_SECRET": "cluster-secret", "K3S_CONFIG_FILE": "config", "K3S_DATASTORE_CAFILE": "datastore-cafile",
        "K3S_DATASTORE_CERTFILE": "datastore-certfile", "K3S_DATASTORE_ENDPOINT": "datastore-endpoint",
        "K3S_DATASTORE_KEYFILE": "datastore-keyfile", "K3S_DATA_DIR": "data-dir", "K3S_DEBUG": "debug",
        "K3S_KUBECONFIG_GROUP": "write-kubeconfig-group", "K3S_KUBECONFIG_MODE": "write-kubeconfig-mode",
        "K3S_KUBECONFIG_OUTPUT": "write-kubeconfig", "K3S_LB_SERVER_PORT": "lb-server-port", "K3S_NODE_NAME": "node-name",
        "K3S_RESOLV_CONF": "resolv-conf", "K3S_SELINUX": "selinux", "K3S_SYSTEM_DEFAULT_REGISTRY": "system-default-registry",
        "K3S_TOKEN": "token", "K3S_TOKEN_FILE": "token-file", "K3S_URL": "server", "K3S_VPN_AUTH": "vpn-auth",
        "K3S_VPN_AUTH_FILE": "vpn-auth-file",
    ]

    /// Keys that must be equal on all servers (docs.k3s.io/datastore/ha-embedded), so that no single node may set them.
    package static let critical: Set<String> = [
        "agent-token", "cluster-cidr", "cluster-dns", "cluster-domain", "disable", "disable-cloud-controller", "disable-helm-controller",
        "disable-kube-proxy", "disable-network-policy", "egress-selector-mode", "embedded-registry", "flannel-backend",
        "flannel-external-ip", "flannel-ipv6-masq", "secrets-encryption", "secrets-encryption-provider", "service-cidr",
        "supervisor-metrics",
    ]

    /// Whether this version is newer than what is known of k3s' flags, so that what is said of them may be outdated.
    package static func isNewer(_ version: K3sVersion) -> Bool { (version.major, version.minor) > (1, newestMinor) }

    package static let all: [String: Flag] = {
        var flags: [String: Flag] = [:]
        for line in table.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            var flag = Flag(
                name: words[0], kind: kind(words[1]), onServers: words[2] != "agent", onAgents: words[2] != "server", since: [], until: nil,
                replacement: nil)
            var part = ""
            for word in words[3...] {
                switch (word, part) {
                case ("since", _), ("until", _), ("instead", _): part = word
                case (_, "since"): flag.since.append(release(word))
                case (_, "until"): flag.until = release(word)
                // What follows may hold a value: `NAME: VALUE`.
                default: flag.replacement = flag.replacement.map { "\($0) \(word)" } ?? word
                }
            }
            flags[flag.name] = flag
        }
        return flags
    }()

    private static func kind(_ word: String) -> Kind {
        switch word {
        case "bool": .boolean
        case "string": .text
        case "int": .integer
        case "duration": .duration
        case "list": .list
        default: .word(word.split(separator: "|").map(String.init))
        }
    }

    private static func release(_ word: String) -> K3sVersion {
        let numbers = word.split(separator: ".").compactMap { Int($0) }
        return K3sVersion(major: numbers[0], minor: numbers[1], patch: numbers.count > 2 ? numbers[2] : 0)
    }
}

extension K3sFlags.Flag {
    /// Whether this release of k3s has the flag.
    package func exists(in version: K3sVersion) -> Bool { absence(in: version) == nil }

    /// Why this release of k3s would skip the flag, and what to do; nil when it has it.
    package func absence(in version: K3sVersion) -> (reason: String, remedy: String)? {
        // An inventory whose version could not be read has been told so.
        if version.major == 0 { return nil }
        if let until, (version.major, version.minor) >= (until.major, until.minor) {
            return (
                "k3s \(version) has it no more: it was removed by v\(until.major).\(until.minor)",
                replacement.map { "write \($0) instead; k3s would skip it" } ?? "take it out before the upgrade; k3s would skip it"
            )
        }
        let line = (version.major, version.minor)
        guard let newest = since.last, line <= (newest.major, newest.minor) else { return nil }
        let own = since.first { ($0.major, $0.minor) == line }
        if let own, version.patch >= own.patch { return nil }
        let text = { (release: K3sVersion) in "v\(release.major).\(release.minor).\(release.patch)" }
        return (
            "k3s \(version) does not have it yet: it came with \(text(newest))"
                + (since.count > 1 ? " (and \(since.dropLast().map(text).joined(separator: ", ")))" : ""),
            "set k3s.version to \(text(own ?? since.first { ($0.major, $0.minor) > line } ?? newest)) or later, or take it out: k3s would skip it"
        )
    }

    /// What is wrong with a value for the flag; nil when it fits.
    package func problem(with value: Value) -> String? {
        switch kind {
        case .boolean:
            if case .bool = value { return nil }
            return "it takes true or false"
        case .list:
            if case .array(let items) = value {
                return items.allSatisfy { $0.scalarText != nil && !$0.isNull } ? nil : "an item of the list is no text"
            }
            return Self.text(value) == nil ? "it takes a list" : nil
        case .text where name == "write-kubeconfig-mode":
            // YAML reads 0644 as an octal number, which would be written as 420.
            let isMode = value.string.map { (3...4).contains($0.utf8.count) && $0.utf8.allSatisfy { (48...55).contains($0) } }
            return isMode == true ? nil : "it takes three or four octal digits as text: put them in quotes, \"0644\""
        case .text: return Self.text(value) == nil ? "it takes one value" : nil
        case .integer: return Self.text(value).flatMap { Int($0) } == nil ? "it takes a whole number" : nil
        case .duration:
            return Self.text(value).map(Self.isDuration) == true ? nil : "it takes a duration such as 5m or 1h30m"
        case .word(let words):
            return Self.text(value).map(words.contains) == true ? nil : "it takes one of \(words.joined(separator: ", "))"
        }
    }

    private static func text(_ value: Value) -> String? { value.isNull ? nil : value.scalarText }

    /// Go's form of a duration (pkg.go.dev/time#ParseDuration), without a sign: numbers, each with its unit.
    private static func isDuration(_ text: String) -> Bool {
        if text == "0" { return true }
        var rest = Substring(text)
        if rest.isEmpty { return false }
        while !rest.isEmpty {
            let number = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            rest = rest.dropFirst(number.count)
            let unit = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(unit.count)
            guard Double(number) != nil, ["ns", "us", "µs", "ms", "s", "m", "h"].contains(String(unit)) else { return false }
        }
        return true
    }
}
