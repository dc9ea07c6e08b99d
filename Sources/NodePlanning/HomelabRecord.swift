package import Diagnostics
package import NodeInventory
package import YAML

/// What homelab left on a machine about the inventory that it was made from.
package struct HomelabRecord: Hashable, Sendable {
    /// agent.yaml; nil where there is none, or none that can be read: then why.
    package var agent: AgentConfiguration?
    package var agentProblem: Diagnostic?
    /// The host keys that the agents accept, in the order of the inventory's servers; empty where homelab wrote none.
    package var knownHosts: [KnownHost] = []
    /// The labels and taints that k3s registers with; nil where homelab wrote none.
    package var registration: Object?
    /// registries.yaml, with ``blank`` in the place of each secret; nil where homelab wrote none.
    package var registries: Object?

    /// What stands for a secret that never left its machine.
    package static let blank = "***"

    package init() {}
}

/// A line of known_hosts.
package struct KnownHost: Hashable, Sendable {
    /// The name or address that SSH connects to, then the one that the cluster knows the machine by, if that is another.
    package var names: [String]
    package var port: Int
    package var key: HostKey

    /// nil for what is no such line, a comment for one.
    package init?(_ line: String) {
        let words = line.split(separator: " ", maxSplits: 1).map(String.init)
        guard words.count == 2, !line.hasPrefix("#"), let key = HostKey(words[1]) else { return nil }
        self.key = key
        names = []
        port = 22
        for text in words[0].split(separator: ",") {
            if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
                names.append(String(text[text.index(after: text.startIndex)..<end]))
                port = Int(text[text.index(after: end)...].dropFirst()) ?? 22
            } else {
                names.append(String(text))
            }
        }
    }
}

extension K3sConfiguration {
    /// What homelab gave k3s by config.yaml, apart from what others gave it besides; nil where homelab did not write that.
    static func written(in facts: K3sFacts) -> Object? {
        guard let text = facts.config, isWrittenByHomelab(text) else { return nil }
        return (try? YAMLReader.values(text, file: NodeLayout.k3sConfig))?.first?.object
    }
}
