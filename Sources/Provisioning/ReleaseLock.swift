internal import Cryptography
package import Diagnostics
internal import FileSystem
package import NodeInventory
internal import NodePlanning
internal import YAML

/// Fetches what `homelab lock` pins: the sha256 of the k3s binary for each architecture, from the release's own lists, and where the
/// inventory says `airgap` that of the archive of its images.
package struct ReleaseLock: Sendable {
    package let version: K3sVersion
    package private(set) var sums: [Architecture: String] = [:]
    /// By the archives' names.
    package private(set) var imageSums: [String: String] = [:]
    package private(set) var agentVersion = ""
    package private(set) var agentSums: [Architecture: String] = [:]
    /// Architectures of which something could not be had, and why.
    package private(set) var missing: [Architecture: Diagnostic] = [:]

    /// - Throws: `Diagnostics` when there is no sum at all, of binaries or of the archives that are wanted; `CancellationError`.
    package init(_ spec: K3sSpec, store: BinaryStore, folderBase: String) async throws {
        version = spec.version
        var unpinned = spec
        unpinned.sha256 = [:]
        unpinned.imageSHA256 = [:]
        for architecture in Architecture.allCases {
            do {
                sums[architecture] = try await store.lockedSHA256(unpinned, architecture: architecture, folderBase: folderBase)
                guard spec.bringsImages else { continue }
                // Its list has just been asked for.
                let images = try await store.imageArchive(unpinned, architecture: architecture, folderBase: folderBase, own: nil)
                imageSums[architecture.imagesAsset(images.ending)] = images.sha256
            } catch let error as CancellationError {
                throw error
            } catch let problem as Diagnostic {
                missing[architecture] = problem
            } catch {
                missing[architecture] = Diagnostic(.error, "\(error)", subject: "k3s \(version) for \(architecture.rawValue)")
            }
        }
        guard sums.isEmpty || spec.bringsImages && imageSums.isEmpty else { return }
        // What of a binary that is there has no archive is what is missing.
        let problems = missing.filter { sums.isEmpty || sums[$0.key] != nil }
        throw Diagnostics(problems.sorted { $0.key < $1.key }.map(\.value))
    }

    /// The lock file's text: these versions' sums in place of what it said of them, other versions as they were.
    /// - Parameter before: the file as it is; nil when there is none.
    package func text(replacing before: String?) -> String {
        let old = before.flatMap { try? YAMLReader.values($0, file: "lock").first }
        var value: Value = ["apiVersion": .string(InventoryFormat.apiVersion), "kind": "Lock"]
        value["k3s"] = .object(Self.versions(old?["k3s"], version.description, Self.pins(sums) + Self.pins(imageSums)))
        let agents = agentSums.isEmpty ? old?["homelab"]?.object : Self.versions(old?["homelab"], agentVersion, Self.pins(agentSums))
        value["homelab"] = agents.map { .object($0) }
        return "# Written by `homelab lock`: no binary with another sha256 is put on a machine.\n"
            + YAMLWriter.text(value, sortedKeys: false)
    }

    private static func versions(_ old: Value?, _ version: String, _ pins: [Object.Member]) -> Object {
        var versions = old?.object ?? Object()
        versions[version] = .object(Object(pins))
        return versions
    }

    private static func pins(_ sums: [Architecture: String]) -> [Object.Member] {
        sums.sorted { $0.key < $1.key }.map { Object.Member(key: $0.key.rawValue, value: .string($0.value)) }
    }

    private static func pins(_ sums: [String: String]) -> [Object.Member] {
        sums.sorted { $0.key < $1.key }.map { Object.Member(key: $0.key, value: .string($0.value)) }
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
