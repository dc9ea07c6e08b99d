internal import Diagnostics
package import NodeInventory
package import YAML

/// A machine of a k3s cluster whose inventory is not there, as it was found.
package struct AdoptedMachine: Sendable {
    /// What the operator gave: where and how it was reached.
    package var host: String
    package var port: Int
    package var user: String
    package var identityFiles: [String]
    /// The hosts on the way to it, as the operator gave them here or in `~/.ssh/config`.
    package var jumps: [JumpHost] = []
    package var areJumpsGiven = false
    package var facts: NodeFacts
    package var given = K3sSettings()
    package var record = HomelabRecord()
    /// It has a registries.yaml that homelab did not write.
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

    /// What of it homelab is to write: where it wrote config.yaml already, that alone, since what it is given besides stays beside it.
    var written: Object { K3sConfiguration.written(in: facts.k3s) ?? settings }

    var isOfHomelab: Bool { K3sConfiguration.written(in: facts.k3s) != nil }

    /// Settings with which homelab's own k3s would not be this one any more: it would begin with no data, or not be found.
    var obstacles: Diagnostics {
        let usual = [
            "data-dir": "/var/lib/rancher/k3s", "config": "/etc/rancher/k3s/config.yaml", "https-listen-port": "6443",
            "supervisor-port": "6443", "apiserver-port": "6443", "datastore-endpoint": "", "disable-agent": "false",
            "disable-apiserver": "false", "disable-etcd": "false", "rootless": "false",
        ]
        var found = Diagnostics()
        if let program = given.program, program != NodeLayout.k3s {
            found.append(
                Diagnostic(
                    .error, "k3s is at \(program), and homelab keeps it in /usr/local/bin", subject: "host \(host)",
                    remedy: "install it there first: run k3s' installer again with INSTALL_K3S_BIN_DIR=/usr/local/bin"))
        }
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
