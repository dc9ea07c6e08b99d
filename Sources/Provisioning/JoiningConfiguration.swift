internal import Diagnostics
internal import NodeInventory
internal import NodePlanning
internal import YAML

/// How a server finds the one that a restore begins with. One that says `cluster-init` alone would found a cluster of its own once its data
/// are gone, and one that joins a server which is still stopped would wait for it.
struct JoiningConfiguration: Sendable {
    /// What config.yaml has to say; nil: it is right already, or the server is the one that the others join.
    let text: String?

    /// Reads what its k3s is given; changes nothing.
    /// - Throws: `Diagnostic` when something else than config.yaml has the last word.
    init(of host: any Host, _ server: NodeSpec, leader: NodeSpec) async throws {
        var given = try await Adoption.reading(of: host).settings
        if let elsewhere = given.merged["config"]?.scalarText, elsewhere != NodeLayout.k3sConfig {
            throw Self.refusal(server, "it reads \(elsewhere) in place of \(NodeLayout.k3sConfig)")
        }
        guard server.name != leader.name else {
            text = nil
            return
        }
        let now = try await host.read(NodeLayout.k3sConfig).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let old = try YAMLReader.values(now, file: NodeLayout.k3sConfig)
        let urls = [leader.address, leader.host].map { K3sConfiguration.url(of: $0) }
        let url = urls.first { $0 == old.first?.object?["server"]?.string } ?? urls[0]
        text = try K3sConfiguration.joining(url, in: now)
        given.configurations = try YAMLReader.values(text ?? now, file: NodeLayout.k3sConfig) + given.configurations.dropFirst(old.count)
        let joined = given.merged["server"]?.scalarText
        guard joined == url else {
            throw Self.refusal(server, "a file in config.yaml.d or its unit has it join \(joined ?? "nobody"), whatever config.yaml says")
        }
    }

    private static func refusal(_ server: NodeSpec, _ cause: String) -> Diagnostic {
        Diagnostic(
            .error, "its k3s would not follow the restore, and nothing was done", subject: "node \"\(server.name)\"", cause: cause,
            remedy: "take that out; `homelab bootstrap` writes the unit and config.yaml as the inventory says")
    }
}
