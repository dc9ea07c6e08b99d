internal import Cryptography
package import Diagnostics
internal import FileSystem
package import NodeInventory
package import NodePlanning
internal import Synchronization

/// A k3s of the wanted version that is at hand anyway: the acting server's own.
package struct OwnRelease: Sendable {
    package var architecture: Architecture
    package var k3s: LocalBinary
    /// Where machines get them from an archive.
    package var images: LocalImages?
}

/// The binaries and archives a run can put on nodes, and their hashes for the plan; k3s itself and its images are fetched only when a plan
/// installs them.
package struct Artifacts: Sendable {
    private let store: BinaryStore
    private let spec: K3sSpec
    private let folderBase: String
    private let homelab: [Architecture: LocalBinary]
    private let agent: AgentSpec
    private let own: OwnRelease?

    /// - Parameters:
    ///   - homelab: this program's binaries by architecture, see `homelabBinaries`.
    ///   - agent: says when another version than this program's is what the servers are to run.
    package init(
        store: BinaryStore, spec: K3sSpec, folderBase: String, homelab: [Architecture: LocalBinary], agent: AgentSpec = AgentSpec(),
        own: OwnRelease? = nil
    ) {
        self.store = store
        self.spec = spec
        self.folderBase = folderBase
        self.homelab = homelab
        self.agent = agent
        self.own = own
    }

    /// Reads and checks the program's own binaries: each file has to be an executable for the architecture it is given for.
    /// - Throws: `Diagnostics`, one finding per file.
    package static func homelabBinaries(_ files: [Architecture: String]) throws(Diagnostics) -> [Architecture: LocalBinary] {
        var problems = Diagnostics()
        var binaries: [Architecture: LocalBinary] = [:]
        for (architecture, path) in files.sorted(by: { $0.key < $1.key }) {
            do {
                binaries[architecture] = try homelabBinary(path, architecture)
            } catch {
                problems.append(error, subject: path)
            }
        }
        try problems.throwIfErrors()
        return binaries
    }

    private static func homelabBinary(_ path: String, _ architecture: Architecture) throws -> LocalBinary {
        let found = BinaryArchitecture(elfHeader: try FileReader(path).next(limit: 64) ?? [])
        guard let found, found.rawValue == architecture.rawValue else {
            throw Diagnostic(
                .error, "is no homelab for \(architecture.rawValue)", subject: path,
                cause: found.map { "it was built for \($0.rawValue)" } ?? "it is no executable file",
                remedy: "Build it on a \(architecture.rawValue) machine with `bootstrap/build`, "
                    + "then give it as `--agent-binary \(architecture.rawValue)=FILE`.")
        }
        return LocalBinary(path: path, sha256: try SHA256.hex(ofFile: path))
    }

    /// Hashes of the wanted k3s for the architectures of the nodes. What cannot be had is left out and reported by the caller.
    package func k3sHashes(_ architectures: Set<Architecture>) async -> (hashes: [Architecture: String], problems: [Diagnostic]) {
        var hashes: [Architecture: String] = [:]
        var problems: [Diagnostic] = []
        for architecture in architectures.sorted() {
            if let own, own.architecture == architecture {
                hashes[architecture] = own.k3s.sha256
                continue
            }
            do {
                hashes[architecture] = try await store.expectedSHA256(spec, architecture: architecture, folderBase: folderBase)
            } catch let problem as Diagnostic {
                problems.append(problem)
            } catch {
                problems.append(Diagnostic(.error, "\(error)", subject: "k3s \(spec.version) for \(architecture.rawValue)"))
            }
        }
        return (hashes, problems)
    }

    /// The archives of images for the architectures of the nodes: where the inventory says `airgap` what it, the lock file or the source
    /// names, else those that are at hand. What cannot be had then, or cannot be read, is reported.
    package func imageArchives(
        _ architectures: Set<Architecture>
    ) async -> (archives: [Architecture: ImageArchive], problems: [Diagnostic]) {
        var archives: [Architecture: ImageArchive] = [:]
        var problems: [Diagnostic] = []
        for architecture in architectures.sorted() {
            do {
                archives[architecture] = try await imageArchive(architecture)
            } catch let problem as Diagnostic {
                problems.append(problem)
            } catch {
                problems.append(Diagnostic(.error, "\(error)", subject: "k3s images for \(architecture.rawValue)"))
            }
        }
        return (archives, problems)
    }

    private func imageArchive(_ architecture: Architecture) async throws -> ImageArchive? {
        guard spec.bringsImages else { return try images(architecture)?.archive }
        return try await store.imageArchive(
            spec, architecture: architecture, folderBase: folderBase, own: own?.architecture == architecture ? own?.images : nil)
    }

    /// From the folder that k3s comes from; on a server that has no such folder, those that bootstrap brought to the server itself.
    private func images(_ architecture: Architecture) throws -> LocalImages? {
        guard case .folder = spec.source else { return nil }
        if let images = try BinaryStore.images(spec, architecture: architecture, folderBase: folderBase) { return images }
        return own?.architecture == architecture ? own?.images : nil
    }

    /// What the servers' agents are to be: the pinned version that git names, else this program itself.
    package var homelabHashes: [Architecture: String] { agent.source == nil ? homelab.mapValues(\.sha256) : agent.sha256 }

    /// This program's own binaries, as they were given and checked.
    var homelabBinaries: [Architecture: LocalBinary] { homelab }

    /// Fetches what the plan installs, before anything on a node is changed.
    /// - Returns: the file for each artifact, by name and architecture.
    package func fetch(for plan: NodePlan, recorder: RunRecorder) async throws -> FetchedArtifacts {
        var fetched = FetchedArtifacts()
        for artifact in plan.artifacts {
            switch artifact.name {
            case .images:
                if spec.bringsImages {
                    fetched.files[artifact.key] = try await airgapImages(artifact, recorder).path
                } else if let images = try images(artifact.architecture) {
                    fetched.files[artifact.key] = images.path
                }
            case .homelab:
                if let binary = homelab[artifact.architecture], binary.sha256 == artifact.sha256 {
                    fetched.files[artifact.key] = binary.path
                } else if agent.source != nil {
                    let binary = try await store.homelab(agent, architecture: artifact.architecture, folderBase: folderBase)
                    fetched.files[artifact.key] = binary.path
                }
            case .k3s:
                if let own, own.architecture == artifact.architecture, own.k3s.sha256 == artifact.sha256 {
                    fetched.files[artifact.key] = own.k3s.path
                    continue
                }
                let binary = try await store.k3s(
                    spec, architecture: artifact.architecture, folderBase: folderBase,
                    progress: progress(of: "k3s \(spec.version) for \(artifact.architecture.rawValue)", recorder))
                fetched.files[artifact.key] = binary.path
            }
        }
        return fetched
    }

    /// The acting server's own where it is that one, so that a server without internet downloads nothing.
    private func airgapImages(_ artifact: Artifact, _ recorder: RunRecorder) async throws -> LocalImages {
        if let own, let images = own.images, own.architecture == artifact.architecture, images.archive.sha256 == artifact.sha256 {
            return images
        }
        return try await store.airgapImages(
            spec, architecture: artifact.architecture, folderBase: folderBase,
            progress: progress(of: "k3s' images \(spec.version) for \(artifact.architecture.rawValue)", recorder))
    }

    /// Ten lines for a download, not one for each of its MiB.
    private func progress(of what: String, _ recorder: RunRecorder) -> @Sendable (Int64, Int64) -> Void {
        let tenths = Mutex<Int64>(-1)
        return { done, total in
            let tenth = total > 0 ? done * 10 / total : done >> 23
            let isNew = tenths.withLock { told in
                defer { told = tenth }
                return told != tenth
            }
            guard isNew else { return }
            recorder.emit(.note(node: nil, text: "\(what): \(done >> 20) of \(total >> 20) MiB"))
        }
    }
}

/// Where the files of a plan's artifacts are on this machine.
package struct FetchedArtifacts: Sendable {
    fileprivate var files: [String: String] = [:]

    package init() {}

    package func path(of artifact: Artifact) throws(Diagnostic) -> String {
        guard let path = files[artifact.key] else {
            throw Diagnostic(
                .error, "there is no \(artifact.name.rawValue) binary for \(artifact.architecture.rawValue) on this machine",
                remedy: artifact.name == .homelab
                    ? "Build it on a \(artifact.architecture.rawValue) machine with `bootstrap/build`, "
                        + "then give it as `--agent-binary \(artifact.architecture.rawValue)=FILE`."
                    : "Check `k3s.source` in the inventory.")
        }
        return path
    }
}

extension Artifact {
    fileprivate var key: String { "\(name.rawValue)/\(architecture.rawValue)/\(sha256)" }
}

extension NodePlan {
    /// What the plan installs, each once.
    fileprivate var artifacts: [Artifact] {
        var all: [Artifact] = []
        for step in phases.flatMap(\.tasks).flatMap(\.steps) {
            switch step.step {
            case .installBinary(let artifact), .uploadBinary(let artifact), .installImages(let artifact):
                if !all.contains(where: { $0.key == artifact.key }) { all.append(artifact) }
            default: continue
            }
        }
        return all
    }
}
