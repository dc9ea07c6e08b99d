import Cryptography
import Diagnostics
import FileSystem
import NodeInventory
import NodePlanning
import Testing

@testable import Provisioning

/// A server's agent gives new machines the images that bootstrap brought to the server, where it has no such folder as the operator.
@Suite struct InstalledImagesTests {
    private let folder = (Files.environment("TMPDIR") ?? "/tmp") + "/homelab-images-\(UInt64.random(in: 0 ... .max))"
    private let content = "images"
    private var sha256: String { SHA256.hex(of: content) }
    private var name: String { Files.baseName(NodeLayout.images(sha256: sha256, ending: ".tar.zst")) }

    private func artifacts(_ source: K3sSource, images: LocalImages?, airgap: Bool = false, pin: String? = nil) -> Artifacts {
        var spec = K3sSpec(version: K3sVersion(major: 1, minor: 36))
        spec.source = source
        spec.bringsImages = airgap
        spec.imageSHA256[Architecture.amd64.imagesAsset(".tar.zst")] = pin
        let k3s = LocalBinary(path: folder + "/k3s", sha256: String(repeating: "a", count: 64))
        return Artifacts(
            store: BinaryStore(cache: folder + "/cache", transport: nil), spec: spec, folderBase: folder, homelab: [:],
            own: OwnRelease(architecture: .amd64, k3s: k3s, images: images))
    }

    @Test func `what homelab put there is found, and only when it is what its name says`() throws {
        defer { try? Files.removeTree(folder) }
        #expect(try BinaryStore.installedImages(in: folder) == nil)
        try Files.makeDirectory(folder)
        try Files.write("mine", to: folder + "/other.tar")
        try Files.write("broken", to: folder + "/homelab-0123456789abcdef.tar")
        #expect(try BinaryStore.installedImages(in: folder) == nil)
        try Files.write(content, to: folder + "/" + name)
        let found = try BinaryStore.installedImages(in: folder)
        #expect(found == LocalImages(path: folder + "/" + name, archive: ImageArchive(sha256: sha256, ending: ".tar.zst")))
    }

    @Test func `they stand in for the folder's, of which they are a copy, and for no registry`() async throws {
        defer { try? Files.removeTree(folder) }
        try Files.makeDirectory(folder + "/release")
        let own = LocalImages(path: folder + "/" + name, archive: ImageArchive(sha256: sha256, ending: ".tar.zst"))
        #expect(await artifacts(.folder("gone"), images: own).imageArchives([.amd64, .arm64]).archives == [.amd64: own.archive])
        #expect(await artifacts(.release, images: own).imageArchives([.amd64]).archives.isEmpty)
        try Files.write("others", to: folder + "/release/k3s-airgap-images-amd64.tar")
        let given = await artifacts(.folder("release"), images: own).imageArchives([.amd64]).archives
        #expect(given == [.amd64: ImageArchive(sha256: SHA256.hex(of: "others"), ending: ".tar")])
    }

    /// This store downloads nothing: what would have to be is an error.
    @Test func `where airgap is asked for they need no network, unless another archive is pinned`() async throws {
        defer { try? Files.removeTree(folder) }
        let own = LocalImages(path: folder + "/" + name, archive: ImageArchive(sha256: sha256, ending: ".tar.zst"))
        for source in [K3sSource.release, .mirror("https://mirror.example"), .folder("gone")] {
            for pin in [nil, sha256] {
                let artifacts = artifacts(source, images: own, airgap: true, pin: pin)
                let found = await artifacts.imageArchives([.amd64])
                #expect(found.archives == [.amd64: own.archive] && found.problems.isEmpty)
                let (plan, artifact) = plan(own.archive)
                let fetched = try await artifacts.fetch(for: plan, recorder: RunRecorder(folder: nil) { _ in })
                #expect(try fetched.path(of: artifact) == own.path)
            }
            let other = ImageArchive(sha256: String(repeating: "b", count: 64), ending: ".tar.zst")
            let pinned = artifacts(source, images: own, airgap: true, pin: other.sha256)
            #expect(await pinned.imageArchives([.amd64]).archives == [.amd64: other])
            await #expect(throws: Diagnostic.self) {
                _ = try await pinned.fetch(for: plan(other).plan, recorder: RunRecorder(folder: nil) { _ in })
            }
        }
        let unlike = await artifacts(.release, images: own, airgap: true).imageArchives([.amd64, .arm64])
        #expect(unlike.archives == [.amd64: own.archive], "another architecture's are not among them")
        #expect(unlike.problems.map(\.summary) == ["this machine does not download"])
    }

    @Test func `a plan's images are taken from there`() async throws {
        let own = LocalImages(path: folder + "/" + name, archive: ImageArchive(sha256: sha256, ending: ".tar.zst"))
        let (plan, artifact) = plan(own.archive)
        let fetched = try await artifacts(.folder("gone"), images: own).fetch(for: plan, recorder: RunRecorder(folder: nil) { _ in })
        #expect(try fetched.path(of: artifact) == own.path)
    }

    private func plan(_ archive: ImageArchive) -> (plan: NodePlan, artifact: Artifact) {
        let artifact = Artifact(
            name: .images, architecture: .amd64, sha256: archive.sha256,
            path: NodeLayout.images(sha256: archive.sha256, ending: archive.ending))
        var plan = NodePlan(cluster: "home")
        plan.phases = [Phase(.binaries, tasks: [NodeTask(node: "a1", steps: [PlannedStep(.installImages(artifact), "are missing")])])]
        return (plan, artifact)
    }
}
