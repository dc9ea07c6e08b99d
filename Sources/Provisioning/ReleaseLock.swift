internal import Cryptography
package import Diagnostics
internal import FileSystem
package import NodeInventory
internal import YAML

/// Fetches what `homelab lock` pins: the sha256 of the k3s binary for each architecture, from the release's own lists.
package struct ReleaseLock: Sendable {
    package let version: K3sVersion
    package private(set) var sums: [Architecture: String] = [:]
    package private(set) var agentVersion = ""
    package private(set) var agentSums: [Architecture: String] = [:]
    /// Architectures that could not be had, and why.
    package private(set) var missing: [Architecture: Diagnostic] = [:]

    /// - Throws: `Diagnostics` when there is no sum at all; `CancellationError`.
    package init(_ spec: K3sSpec, store: BinaryStore, folderBase: String) async throws {
        version = spec.version
        var unpinned = spec
        unpinned.sha256 = [:]
        for architecture in Architecture.allCases {
            do {
                sums[architecture] = try await store.lockedSHA256(unpinned, architecture: architecture, folderBase: folderBase)
            } catch let error as CancellationError {
                throw error
            } catch let problem as Diagnostic {
                missing[architecture] = problem
            } catch {
                missing[architecture] = Diagnostic(.error, "\(error)", subject: "k3s \(version) for \(architecture.rawValue)")
            }
        }
        if sums.isEmpty { throw Diagnostics(missing.sorted { $0.key < $1.key }.map(\.value)) }
    }

    /// The lock file's text: these versions' sums in place of what it said of them, other versions as they were.
    /// - Parameter before: the file as it is; nil when there is none.
    package func text(replacing before: String?) -> String {
        let old = before.flatMap { try? YAMLReader.values($0, file: "lock").first }
        var value: Value = ["apiVersion": .string(InventoryFormat.apiVersion), "kind": "Lock"]
        value["k3s"] = .object(Self.versions(old?["k3s"], version.description, sums))
        let agents = agentSums.isEmpty ? old?["homelab"]?.object : Self.versions(old?["homelab"], agentVersion, agentSums)
        value["homelab"] = agents.map { .object($0) }
        return "# Written by `homelab lock`: no binary with another sha256 is put on a machine.\n"
            + YAMLWriter.text(value, sortedKeys: false)
    }

    private static func versions(_ old: Value?, _ version: String, _ sums: [Architecture: String]) -> Object {
        var versions = old?.object ?? Object()
        versions[version] = .object(
            Object(sums.sorted { $0.key < $1.key }.map { Object.Member(key: $0.key.rawValue, value: .string($0.value)) }))
        return versions
    }

    /// Adds the agents' own binary, where git names its version and source.
    /// - Throws: `Diagnostic` when no architecture's sum can be had.
    package mutating func add(_ agent: AgentSpec, store: BinaryStore, folderBase: String) async throws {
        guard let version = agent.version, agent.source != nil else { return }
        agentVersion = version
        var problem: (any Error)?
        for architecture in Architecture.allCases {
            do {
                agentSums[architecture] = try await store.homelabSum(agent, architecture: architecture, folderBase: folderBase)
            } catch let error as CancellationError {
                throw error
            } catch {
                problem = error
            }
        }
        guard agentSums.isEmpty else { return }
        throw problem
            ?? Diagnostic(
                .error, "there is no homelab \(version) for any architecture where agent.source says",
                remedy: "put \(version)/\(BinaryStore.homelabAsset(.amd64)) there")
    }
}

extension BinaryStore {
    /// As `expectedSHA256`, but a folder without a list of sums is taken at its word: the file that lies there now is what is locked. No list of a
    /// cache is.
    func lockedSHA256(_ spec: K3sSpec, architecture: Architecture, folderBase: String) async throws -> String {
        if case .folder(let folder) = spec.source {
            let path = Self.folder(folder, base: folderBase) + "/" + architecture.k3sAsset
            let hasSums = Files.exists(Self.folder(folder, base: folderBase) + "/" + Self.sumsName(architecture))
            if !hasSums, Files.exists(path) { return try SHA256.hex(ofFile: path) }
        }
        return try await expectedSHA256(spec, architecture: architecture, folderBase: folderBase, isFresh: true)
    }
}
