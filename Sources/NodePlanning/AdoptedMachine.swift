internal import Diagnostics
internal import NodeInventory
package import YAML

/// A machine of a k3s cluster that homelab did not make, as it was found.
package struct AdoptedMachine: Sendable {
    /// What the operator gave: where and how it was reached.
    package var host: String
    package var port: Int
    package var user: String
    package var identityFiles: [String]
    package var facts: NodeFacts
    package var given = K3sSettings()
    package var hasRegistries: Bool
    /// Names of variables for proxies that the unit itself or its environment files set, and not a drop-in.
    package var proxies: [String]

    package init(host: String, port: Int, user: String, identityFiles: [String], facts: NodeFacts) {
        self.host = host
        self.port = port
        self.user = user
        self.identityFiles = identityFiles
        self.facts = facts
        hasRegistries = false
        proxies = []
    }
}

extension AdoptedMachine {
    /// What k3s was given, as keys of config.yaml.
    package var settings: Object { given.merged }

    /// Settings with which homelab's own k3s would not be this one any more: it would begin with no data, or not be found.
    var obstacles: Diagnostics {
        let usual = [
            "data-dir": "/var/lib/rancher/k3s", "config": "/etc/rancher/k3s/config.yaml", "https-listen-port": "6443",
            "supervisor-port": "6443", "apiserver-port": "6443", "datastore-endpoint": "", "disable-agent": "false",
            "disable-apiserver": "false", "disable-etcd": "false", "rootless": "false",
        ]
        var found = Diagnostics()
        for (key, value) in settings.map({ ($0.key, $0.value) }) {
            guard let expected = usual[key], let text = value.scalarText, text != expected else { continue }
            found.append(
                Diagnostic(
                    .error, "k3s has \(key) \(text), with which homelab cannot keep it", subject: "host \(host)",
                    remedy: K3sFlags.managed[key] ?? K3sFlags.secrets[key]))
        }
        return found
    }
}
