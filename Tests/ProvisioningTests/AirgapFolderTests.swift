import Cryptography
import Diagnostics
import FileSystem
import NodeInventory
import NodePlanning
import Testing

@testable import Provisioning

/// `airgap` where k3s comes from a folder: the archive has to be there.
@Suite struct AirgapFolderTests {
    private let folder = (Files.environment("TMPDIR") ?? "/tmp") + "/homelab-airgap-\(UInt64.random(in: 0 ... .max))"
    private let store: BinaryStore
    private var spec = K3sSpec(version: K3sVersion(major: 1, minor: 36))

    init() throws {
        store = BinaryStore(cache: folder + "/cache", transport: nil)
        spec.source = .folder("release")
        spec.bringsImages = true
        try Files.makeDirectory(folder + "/release")
        try Files.write("the k3s", to: folder + "/release/k3s")
    }

    private func put(_ text: String, ending: String) throws -> ImageArchive {
        try Files.write(text, to: folder + "/release/k3s-airgap-images-amd64" + ending)
        return ImageArchive(sha256: SHA256.hex(of: text), ending: ending)
    }

    private func archive(_ spec: K3sSpec) async throws -> ImageArchive {
        try await store.imageArchive(spec, architecture: .amd64, folderBase: folder, own: nil)
    }

    private func fetch(_ spec: K3sSpec) async throws -> LocalImages {
        try await store.airgapImages(spec, architecture: .amd64, folderBase: folder)
    }

    @Test func `a missing archive is told with the file that is looked for`() async throws {
        defer { try? Files.removeTree(folder) }
        let missing = Diagnostic(
            .error, "there is no archive of k3s' images for amd64 in the folder the inventory names",
            subject: folder + "/release/k3s-airgap-images-amd64.tar.zst",
            remedy: "Put this file of release v1.36.0+k3s1 (with .tar or .tar.gz at its end will do) there, "
                + "or leave `k3s.airgap` out of the inventory.")
        let artifacts = Artifacts(store: store, spec: spec, folderBase: folder, homelab: [:])
        #expect(await artifacts.imageArchives([.amd64]).problems == [missing])
        let unfetched = await #expect(throws: Diagnostic.self) { try await fetch(spec) }
        #expect(unfetched == missing)
        let unlocked = await #expect(throws: Diagnostics.self) { try await ReleaseLock(spec, store: store, folderBase: folder) }
        #expect(unlocked?.all == [missing])
        var registry = spec
        registry.bringsImages = false
        let found = await Artifacts(store: store, spec: registry, folderBase: folder, homelab: [:]).imageArchives([.amd64])
        #expect(found.archives.isEmpty && found.problems.isEmpty, "without airgap there may be none")
    }

    @Test func `whichever form is there is taken, what unpacks quickest first`() async throws {
        defer { try? Files.removeTree(folder) }
        for ending in [".tar.gz", ".tar", ".tar.zst"] {
            let put = try put("images" + ending, ending: ending)
            #expect(try await archive(spec) == put)
            #expect(try await fetch(spec) == LocalImages(path: folder + "/release/k3s-airgap-images-amd64" + ending, archive: put))
        }
    }

    @Test func `another archive than the listed one is refused`() async throws {
        defer { try? Files.removeTree(folder) }
        let put = try put("images", ending: ".tar")
        let listed = String(repeating: "a", count: 64)
        try Files.write("\(listed)  k3s-airgap-images-amd64.tar\n", to: folder + "/release/sha256sum-amd64.txt")
        let refused = await #expect(throws: Diagnostic.self) { try await fetch(spec) }
        #expect(refused?.subject == folder + "/release/k3s-airgap-images-amd64.tar")
        #expect(refused?.cause == "its sha256 is \(put.sha256), the release's list says \(listed)")
    }

    @Test func `what is locked counts, also when another form lies there now`() async throws {
        defer { try? Files.removeTree(folder) }
        let locked = try put("images", ending: ".tar")
        let lock = try await ReleaseLock(spec, store: store, folderBase: folder)
        #expect(lock.imageSums == ["k3s-airgap-images-amd64.tar": locked.sha256])
        var spec = spec
        spec.imageSHA256 = lock.imageSums
        _ = try put("others", ending: ".tar.zst")
        #expect(try await archive(spec) == locked)
        #expect(try await fetch(spec).archive == locked)
        _ = try put("changed", ending: ".tar")
        let refused = await #expect(throws: Diagnostic.self) { try await fetch(spec) }
        #expect(refused?.cause == "its sha256 is \(SHA256.hex(of: "changed")), the inventory pins \(locked.sha256)")
        try Files.remove(folder + "/release/k3s-airgap-images-amd64.tar")
        #expect(try await archive(spec) == locked, "a plan needs no file")
        let gone = await #expect(throws: Diagnostic.self) { try await fetch(spec) }
        #expect(gone?.subject == folder + "/release/k3s-airgap-images-amd64.tar")
        #expect(gone?.remedy?.contains("v1.36.0+k3s1, the pinned one, there") == true, "\(gone?.remedy ?? "")")
    }
}
