internal import Cryptography
internal import Diagnostics
internal import FileSystem
package import NodeInventory

extension BinaryStore {
    /// The agents' own binary of the version that git names, from its folder or mirror, never another than the pinned one.
    /// - Throws: `Diagnostic`; `CancellationError`.
    package func homelab(_ agent: AgentSpec, architecture: Architecture, folderBase: String) async throws -> LocalBinary {
        let name = Self.homelabAsset(architecture)
        guard let version = agent.version, let source = agent.source, let pin = agent.sha256[architecture] else {
            throw Diagnostic(
                .error, "no sha256 of \(name) \(agent.version ?? "") is pinned", subject: "agent.version",
                remedy: "Run `homelab lock` and commit the lock file.")
        }
        switch source {
        case .folder(let folder):
            let path = "\(Self.folder(folder, base: folderBase))/\(version)/\(name)"
            guard Files.exists(path) else {
                throw Diagnostic(
                    .error, "there is no homelab \(version) in the folder the inventory names", subject: path,
                    remedy: "Put it there, or change `agent.source`.")
            }
            try checkHomelab(path, pin)
            return LocalBinary(path: path, sha256: pin)
        case .web(let base):
            let folder = "\(cache)/homelab/\(version)"
            let path = "\(folder)/\(name)"
            try Files.makeDirectory(folder, mode: 0o755)
            if Files.exists(path), try SHA256.hex(ofFile: path) == pin { return LocalBinary(path: path, sha256: pin) }
            let part = path + ".part"
            try await fetch("\(base)/\(version)/\(name)", to: part, progress: { _, _ in }) { try checkHomelab(part, pin) }
            try Files.move(part, to: path)
            return LocalBinary(path: path, sha256: pin)
        }
    }

    /// What `homelab lock` pins: the sum of the file that lies in the folder now, or what the mirror's list says.
    package func homelabSum(_ agent: AgentSpec, architecture: Architecture, folderBase: String) async throws -> String? {
        guard let version = agent.version, let source = agent.source else { return nil }
        let name = Self.homelabAsset(architecture)
        switch source {
        case .folder(let folder):
            let path = "\(Self.folder(folder, base: folderBase))/\(version)/\(name)"
            return Files.exists(path) ? try SHA256.hex(ofFile: path) : nil
        case .web(let base):
            let folder = "\(cache)/homelab/\(version)"
            try Files.makeDirectory(folder, mode: 0o755)
            let list = "\(folder)/\(Self.sumsName(architecture))"
            try await download("\(base)/\(version)/\(Self.sumsName(architecture))", to: list) { _, _ in }
            return ReleaseSums(text: try Files.readText(list, limit: 1 << 20))[name]
        }
    }

    private func checkHomelab(_ path: String, _ pin: String) throws {
        let actual = try SHA256.hex(ofFile: path)
        guard actual == pin else {
            throw Diagnostic(
                .error, "the homelab binary is not the one that is pinned", subject: path,
                cause: "its sha256 is \(actual), the lock file says \(pin)",
                remedy: "If it was built anew on purpose, run `homelab lock`; otherwise do not use this file.")
        }
    }

    package static func homelabAsset(_ architecture: Architecture) -> String { "homelab-\(architecture.rawValue)" }
}
