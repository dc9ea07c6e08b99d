package import Diagnostics
import YAML

extension AgentConfiguration {
    /// The text of the file; equal configurations have equal texts, so that its hash tells whether the agent runs with this one.
    package var encoded: String {
        var repository: Value = ["url": .string(self.repository.url), "branch": .string(self.repository.branch)]
        let optional = [
            ("identityFile", self.repository.identityFile), ("knownHostsFile", self.repository.knownHostsFile),
            ("tokenFile", self.repository.tokenFile), ("username", self.repository.username), ("caFile", self.repository.caFile),
            ("signersFile", self.repository.signersFile),
        ]
        for (key, text) in optional { repository[key] = text.map { .string($0) } }
        var value: Value = [
            "cluster": .string(cluster),
            "node": .string(node),
            "kubeconfig": .string(kubeconfig),
            "repository": repository,
            "inventory": .string(inventory),
            "path": .string(path),
            "stateDirectory": .string(stateDirectory),
            "identityFile": .string(identityFile),
            "knownHostsFile": .string(knownHostsFile),
            "listen": .string(listen),
            "pollInterval": .string("\(pollInterval)s"),
        ]
        if let unit { value["unit"] = ["namespace": .string(unit.namespace), "name": .string(unit.name)] }
        if let webhookListen { value["webhookListen"] = .string(webhookListen) }
        if let webhookSecretFile { value["webhookSecretFile"] = .string(webhookSecretFile) }
        if allowsRemoteBases { value["allowRemoteBases"] = .bool(true) }
        return "# Written by homelab; a change here is undone by the next run.\n" + YAMLWriter.text(value, sortedKeys: false)
    }

    /// Reads the file strictly: every unknown, missing or malformed field is reported with its place.
    package static func decode(_ text: String, file: String) throws(Diagnostics) -> AgentConfiguration {
        let documents: [Node]
        do {
            documents = try YAMLReader.documents(text, file: file)
        } catch {
            throw error.diagnostics
        }
        guard documents.count == 1, let first = documents.first else {
            throw Diagnostics([
                Diagnostic(
                    .error, "the file holds \(documents.count) documents, not one", at: SourceLocation(file: file, line: 1),
                    remedy: "`homelab bootstrap` writes it anew")
            ])
        }
        let root = Located(node: first, file: file)
        var check = SchemaCheck()
        check.check(root, .agentConfiguration)
        try check.diagnostics.throwIfErrors()
        // The check above has seen that the required fields are there.
        let required = { (key: String) in root.text(key) ?? "" }
        var repository = Repository(url: root["repository"]?.text("url") ?? "", branch: root["repository"]?.text("branch") ?? "")
        repository.identityFile = root["repository"]?.text("identityFile")
        repository.knownHostsFile = root["repository"]?.text("knownHostsFile")
        repository.tokenFile = root["repository"]?.text("tokenFile")
        repository.username = root["repository"]?.text("username")
        repository.caFile = root["repository"]?.text("caFile")
        repository.signersFile = root["repository"]?.text("signersFile")
        var configuration = AgentConfiguration(cluster: required("cluster"), node: required("node"), repository: repository)
        configuration.kubeconfig = required("kubeconfig")
        configuration.inventory = required("inventory")
        configuration.path = required("path")
        configuration.unit = UnitName(root["unit"])
        configuration.stateDirectory = required("stateDirectory")
        configuration.identityFile = required("identityFile")
        configuration.knownHostsFile = required("knownHostsFile")
        configuration.listen = required("listen")
        configuration.webhookListen = root.text("webhookListen")
        configuration.webhookSecretFile = root.text("webhookSecretFile")
        configuration.allowsRemoteBases = root.bool("allowRemoteBases") ?? false
        configuration.pollInterval = max(root.seconds("pollInterval") ?? configuration.pollInterval, 1)
        return configuration
    }
}
