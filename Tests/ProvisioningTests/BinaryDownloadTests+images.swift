import Cryptography
import Diagnostics
import FileSystem
import HTTP
import NodeInventory
import NodePlanning
import Synchronization
import Testing

@testable import Provisioning

/// The archive of k3s' images, from the same page as the binary.
extension BinaryDownloadTests {
    private static let images = Array("pause and coredns".utf8)
    private static let imagesSum = SHA256.hex(of: images)
    private static let archive = "/v1.33.4%2Bk3s1/k3s-airgap-images-amd64.tar.zst"

    /// A release's list names all forms of the archive.
    private static let wholeList = HTTPResponse(
        status: 200,
        body: Array(
            """
            \(String(repeating: "1", count: 64))  k3s-airgap-images-amd64.tar
            \(imagesSum)  k3s-airgap-images-amd64.tar.zst
            \(SHA256.hex(of: file))  k3s

            """.utf8))

    private static func airgapped(_ source: K3sSource, pin: String? = nil) throws -> K3sSpec {
        var spec = try spec(source)
        spec.bringsImages = true
        spec.imageSHA256["k3s-airgap-images-amd64.tar.zst"] = pin
        return spec
    }

    private func artifacts(_ spec: K3sSpec, _ store: BinaryStore) -> Artifacts {
        Artifacts(store: store, spec: spec, folderBase: "/", homelab: [:])
    }

    @Test func `a plan learns the archive from the list, and downloads it when it installs it`() async throws {
        let page = Page([
            Self.list: Self.wholeList, Self.archive: HTTPResponse(status: 200, body: Self.images),
            Self.asset: HTTPResponse(status: 200, body: Self.file),
        ])
        try await withPage(page) { url, store, cache in
            let artifacts = artifacts(try Self.airgapped(.release), store)
            let found = await artifacts.imageArchives([.amd64])
            #expect(found.archives == [.amd64: ImageArchive(sha256: Self.imagesSum, ending: ".tar.zst")] && found.problems.isEmpty)
            #expect(await artifacts.k3sHashes([.amd64]).hashes == [.amd64: SHA256.hex(of: Self.file)])
            #expect(page.asked.withLock { $0 } == [Self.list], "one list for both, and no archive")
            let image = Artifact(
                name: .images, architecture: .amd64, sha256: Self.imagesSum,
                path: NodeLayout.images(sha256: Self.imagesSum, ending: ".tar.zst"))
            let k3s = Artifact(name: .k3s, architecture: .amd64, sha256: SHA256.hex(of: Self.file), path: NodeLayout.k3s)
            var plan = NodePlan(cluster: "home")
            let steps = [PlannedStep(.installBinary(k3s), "is missing"), PlannedStep(.installImages(image), "are missing")]
            plan.phases = [Phase(.binaries, tasks: ["a1", "a2"].map { NodeTask(node: $0, steps: steps) })]
            let told = Mutex<[String]>([])
            let recorder = try RunRecorder(folder: nil) { event in
                if case .note(_, let text) = event { told.withLock { $0.append(text) } }
            }
            let fetched = try await artifacts.fetch(for: plan, recorder: recorder)
            #expect(try Files.read(fetched.path(of: image)) == Self.images)
            #expect(try Files.read(fetched.path(of: k3s)) == Self.file)
            #expect(
                told.withLock { $0 } == [
                    "k3s v1.33.4+k3s1 for amd64: 0 of 0 MiB", "k3s' images v1.33.4+k3s1 for amd64: 0 of 0 MiB",
                ])
            #expect(Self.kept(in: cache) == ["k3s", "k3s-airgap-images-amd64.tar.zst", "sha256sum-amd64.txt"])
            #expect(
                page.asked.withLock { $0 } == [Self.list, Self.asset, Self.archive], "of no other architecture, and once for all nodes")
            _ = try await artifacts.fetch(for: plan, recorder: recorder)
            #expect(page.asked.withLock { $0.count } == 3, "what is in the cache is not asked for again")
        }
    }

    @Test func `without airgap nobody asks for an archive`() async throws {
        let page = Page([Self.list: Self.wholeList])
        try await withPage(page) { url, store, _ in
            let found = await artifacts(try Self.spec(.mirror(url)), store).imageArchives([.amd64])
            #expect(found.archives.isEmpty && found.problems.isEmpty)
        }
        #expect(page.asked.withLock { $0.isEmpty })
    }

    @Test func `what was damaged in the cache is fetched anew`() async throws {
        let page = Page([Self.list: Self.wholeList, Self.archive: HTTPResponse(status: 200, body: Self.images)])
        try await withPage(page) { url, store, _ in
            let spec = try Self.airgapped(.mirror(url))
            let first = try await store.airgapImages(spec, architecture: .amd64, folderBase: "/")
            try Files.write("damaged", to: first.path)
            let second = try await store.airgapImages(spec, architecture: .amd64, folderBase: "/")
            #expect(second == first)
            #expect(try Files.read(first.path) == Self.images)
            #expect(page.asked.withLock { $0 } == [Self.list, Self.archive, Self.archive])
        }
    }

    @Test func `another archive than the pinned or the listed one is refused and not kept`() async throws {
        let page = Page([Self.list: Self.wholeList, Self.archive: HTTPResponse(status: 200, body: Array("something else".utf8))])
        try await withPage(page) { url, store, cache in
            let (pin, sum) = (String(repeating: "a", count: 64), SHA256.hex(of: "something else"))
            let pinned = try Self.airgapped(.mirror(url), pin: pin)
            let wanted = try await store.imageArchive(pinned, architecture: .amd64, folderBase: "/", own: nil)
            #expect(wanted == ImageArchive(sha256: pin, ending: ".tar.zst"))
            let refused = await #expect(throws: Diagnostic.self) {
                try await store.airgapImages(pinned, architecture: .amd64, folderBase: "/")
            }
            #expect(refused?.summary == "the archive of k3s' images is not the one that was expected")
            #expect(refused?.subject == url + Self.archive && refused?.cause == "its sha256 is \(sum), the inventory pins \(pin)")
            #expect(page.asked.withLock { $0 } == [Self.archive], "a pin needs no list")
            #expect(Self.kept(in: cache).isEmpty)
            let listed = try Self.airgapped(.mirror(url))
            let unlike = await #expect(throws: Diagnostic.self) {
                try await store.airgapImages(listed, architecture: .amd64, folderBase: "/")
            }
            #expect(unlike?.cause == "its sha256 is \(sum), the release's list says \(Self.imagesSum)")
            #expect(Self.kept(in: cache) == ["sha256sum-amd64.txt"])
        }
    }

    @Test func `an archive that broke off is gone on with, too`() async throws {
        let page = try BreakingPage(Self.long, breakingOff: 1, hasRanges: true)
        let url = "http://127.0.0.1:\(page.port)"
        try await withStore(at: url) { store, cache in
            let spec = try Self.airgapped(.mirror(url), pin: SHA256.hex(of: Self.long))
            let broken = await #expect(throws: Diagnostic.self) {
                try await store.airgapImages(spec, architecture: .amd64, folderBase: "/") { _, _ in page.isTaken.withLock { $0 = true } }
            }
            #expect(broken?.summary == "cannot download" && broken?.subject == url + Self.archive, "\(String(describing: broken))")
            #expect(Self.kept(in: cache) == ["k3s-airgap-images-amd64.tar.zst.part"])
            let images = try await store.airgapImages(spec, architecture: .amd64, folderBase: "/")
            #expect(try Files.read(images.path) == Self.long)
            #expect(Self.kept(in: cache) == ["k3s-airgap-images-amd64.tar.zst"])
        }
    }

    /// A list that was kept from before may be one of a mirror that had no archive yet.
    @Test func `a list that does not name the archive is asked for again, then told`() async throws {
        let page = Page([Self.list: Self.sums(of: Self.file)])
        try await withPage(page) { url, store, cache in
            let spec = try Self.airgapped(.mirror(url))
            _ = try await store.expectedSHA256(spec, architecture: .amd64, folderBase: "/")
            let found = await artifacts(spec, store).imageArchives([.amd64])
            #expect(found.archives.isEmpty)
            #expect(
                found.problems == [
                    Diagnostic(
                        .error, "the release's list of hashes does not name k3s-airgap-images-amd64.tar.zst", subject: url + Self.list,
                        remedy: "Check that v1.33.4+k3s1 exists and has it there, or leave `k3s.airgap` out of the inventory.")
                ])
            #expect(Self.kept(in: cache) == ["sha256sum-amd64.txt"], "what it said of the binary is still believed")
            page.answers.withLock { $0[Self.list] = Self.wholeList }
            let archive = try await store.imageArchive(spec, architecture: .amd64, folderBase: "/", own: nil)
            #expect(archive.sha256 == Self.imagesSum)
        }
    }

    @Test func `lock pins the archives beside the binaries, and what it pinned counts`() async throws {
        let page = Page([Self.list: Self.wholeList])
        let arm64 = "/v1.33.4%2Bk3s1/sha256sum-arm64.txt"
        page.answers.withLock {
            $0[arm64] = HTTPResponse(status: 200, body: Array("\(String(repeating: "5", count: 64))  k3s-arm64\n".utf8))
        }
        try await withPage(page) { url, store, _ in
            var spec = try Self.airgapped(.mirror(url), pin: String(repeating: "0", count: 64))
            spec.sha256 = [.amd64: String(repeating: "0", count: 64)]
            let lock = try await ReleaseLock(spec, store: store, folderBase: "/")
            #expect(lock.sums.keys.sorted() == [.amd64, .arm64])
            #expect(lock.imageSums == ["k3s-airgap-images-amd64.tar.zst": Self.imagesSum], "not the old pin")
            #expect(lock.missing.keys.sorted() == [.arm, .arm64])
            #expect(lock.missing[.arm64]?.summary.hasSuffix("does not name k3s-airgap-images-arm64.tar.zst") == true)
            let old = String(repeating: "c", count: 64)
            let text = lock.text(replacing: "apiVersion: homelab.dev/v1alpha1\nkind: Lock\nk3s:\n  v1.32.1+k3s1: {amd64: \(old)}\n")
            let inventory = """
                apiVersion: homelab.dev/v1alpha1
                kind: Cluster
                name: home
                k3s: {version: v1.33.4+k3s1, source: "\(url)", airgap: true}
                nodes: [{name: s1, role: server, host: 10.0.0.1}]
                """
            let read = try ClusterSpec.load("home.yaml", files: ["home.yaml": inventory, "home.lock.yaml": text]).k3s
            #expect(read.sha256[.amd64] == SHA256.hex(of: Self.file) && read.pinnedImages(.amd64)?.sha256 == Self.imagesSum)
            #expect(text.contains(old) && lock.text(replacing: text) == text)
            let asked = page.asked.withLock { $0.count }
            #expect(try await store.imageArchive(read, architecture: .amd64, folderBase: "/", own: nil).sha256 == Self.imagesSum)
            #expect(page.asked.withLock { $0.count } == asked, "a plan with a lock file asks nobody")
            spec.bringsImages = false
            #expect(try await ReleaseLock(spec, store: store, folderBase: "/").imageSums.isEmpty)
        }
    }

    @Test func `a release without any archive cannot be locked`() async throws {
        let page = Page([Self.list: Self.sums(of: Self.file)])
        try await withPage(page) { url, store, _ in
            let spec = try Self.airgapped(.mirror(url))
            let problems = await #expect(throws: Diagnostics.self) { try await ReleaseLock(spec, store: store, folderBase: "/") }
            #expect(problems?.all.map(\.summary) == ["the release's list of hashes does not name k3s-airgap-images-amd64.tar.zst"])
        }
    }
}
