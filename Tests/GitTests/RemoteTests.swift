import Foundation
import Git
import Testing

/// Fetching into a bare mirror from the system's own git, over streams and by stateless rounds.
@Suite struct RemoteTests {
    /// A scene whose bare repository has a branch with some commits.
    private func scene(commits: Int = 1) throws -> GitScene {
        let scene = try GitScene()
        for number in 0..<commits { try scene.commit(["clusters/\(number).yaml": "number: \(number)\n"]) }
        try publish(scene)
        return scene
    }

    private func publish(_ scene: GitScene) throws { try scene.git("push", "--quiet", "--force", scene.bare, "main") }

    private func head(_ scene: GitScene) throws -> String {
        try scene.git("rev-parse", "main").trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func mirror(_ scene: GitScene) -> String { scene.folder + "/mirror.git" }

    @Test(arguments: [false, true]) func `the first fetch brings all, the next only what is new`(stateless: Bool) async throws {
        let scene = try scene(commits: 60)
        let transport = ProcessTransport(scene.bare, stateless: stateless)
        let remote = Remote(transport: transport)
        #expect(try await remote.fetch("refs/heads/main", into: mirror(scene))?.hex == head(scene))
        let first = transport.count
        #expect(first.conversations == 1)
        try scene.commit(["clusters/new.yaml": "new: true\n"])
        try publish(scene)
        let new = try #require(try await remote.fetch("refs/heads/main", into: mirror(scene)))
        #expect(try new.hex == head(scene))
        let second = transport.count.bytes - first.bytes
        #expect(second < first.bytes / 4, "\(second) bytes after \(first.bytes)")
        let repository = try await Repository(path: mirror(scene))
        #expect(try await repository.commit(named: "main") == new)
        #expect(try await repository.tree(at: new).text("clusters/new.yaml") == "new: true\n")
        #expect(try await repository.tree(at: new).text("clusters/59.yaml") == "number: 59\n")
        #expect(try scene.mirrorGit("fsck", "--full").contains("error") == false)
    }

    @Test(arguments: [false, true]) func `with nothing new nothing is fetched`(stateless: Bool) async throws {
        let scene = try scene()
        let transport = ProcessTransport(scene.bare, stateless: stateless)
        let remote = Remote(transport: transport)
        _ = try await remote.fetch("refs/heads/main", into: mirror(scene))
        let packs = try FileManager.default.contentsOfDirectory(atPath: mirror(scene) + "/objects/pack")
        let before = transport.count
        #expect(try await remote.references().first { $0.name == "refs/heads/main" }?.id.hex == head(scene))
        #expect(try await remote.fetch("refs/heads/main", into: mirror(scene))?.hex == head(scene))
        #expect(transport.count.conversations == before.conversations + 2)
        #expect(try FileManager.default.contentsOfDirectory(atPath: mirror(scene) + "/objects/pack") == packs)
    }

    @Test(arguments: [false, true]) func `a force-push moves the mirror, and the old commit stays readable`(stateless: Bool) async throws {
        let scene = try scene(commits: 3)
        let remote = Remote(transport: ProcessTransport(scene.bare, stateless: stateless))
        let old = try #require(try await remote.fetch("refs/heads/main", into: mirror(scene)))
        try scene.git("reset", "--quiet", "--hard", "HEAD~2")
        try scene.commit(["other.yaml": "x: y\n"])
        try publish(scene)
        let new = try #require(try await remote.fetch("refs/heads/main", into: mirror(scene)))
        #expect(try new.hex == head(scene) && new != old)
        let repository = try await Repository(path: mirror(scene))
        #expect(try await repository.isAncestor(old, of: new) == false)
        #expect(try await repository.tree(at: old).text("clusters/2.yaml") == "number: 2\n")
    }

    @Test func `many packs become one, and nothing is lost`() async throws {
        let scene = try scene()
        let remote = Remote(transport: ProcessTransport(scene.bare))
        var old: [ObjectID] = []
        for number in 1...4 {
            old.append(try #require(try await remote.fetch("refs/heads/main", into: mirror(scene))))
            try scene.commit(["clusters/0.yaml": "number: \(number)\n"])
            if number == 2 { try scene.git("commit", "--quiet", "--amend", "--message", "again") }
            try publish(scene)
        }
        func packs() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: mirror(scene) + "/objects/pack").filter { $0.hasSuffix(".pack") }
        }
        #expect(try packs().count == 4)
        #expect(try await Repository(path: mirror(scene)).isScattered(above: 4) == false)
        #expect(try await Repository(path: mirror(scene)).isScattered(above: 3))
        #expect(try await Repository(path: mirror(scene)).consolidate(keeping: nil))
        #expect(try packs().count == 1)
        #expect(try scene.mirrorGit("fsck", "--full").contains("error") == false)
        let repository = try await Repository(path: mirror(scene))
        for commit in old { #expect(try await repository.tree(at: commit).text("clusters/0.yaml") != nil) }
        #expect(try await remote.fetch("refs/heads/main", into: mirror(scene))?.hex == head(scene))
    }

    @Test func `what force-pushes left behind goes, but for commits that are named`() async throws {
        let scene = try scene()
        let (remote, mirror) = (Remote(transport: ProcessTransport(scene.bare)), mirror(scene))
        var commits = [try #require(try await remote.fetch("refs/heads/main", into: mirror))]
        _ = try scene.mirrorGit("tag", "--annotate", "--message", "first", "v1", commits[0].hex)
        for _ in 0..<4 {
            try Self.noise(300_000).write(toFile: scene.work + "/big.bin", atomically: true, encoding: .utf8)
            try scene.git("add", "--all")
            try scene.git("commit", "--quiet", "--amend", "--message", "again")
            try publish(scene)
            commits.append(try #require(try await remote.fetch("refs/heads/main", into: mirror)))
        }
        #expect(try await Repository(path: mirror).isScattered(above: 50) == false)
        #expect(try await Repository(path: mirror).isScattered(above: 50, bytes: 200_000))
        let before = try Self.packBytes(of: mirror)
        let missing = try #require(ObjectID(String(repeating: "7", count: 40)))
        #expect(try await Repository(path: mirror).consolidate(keeping: [commits[2], missing]))
        #expect(try Self.packBytes(of: mirror) < before * 2 / 3)
        #expect(try scene.mirrorGit("fsck", "--full").contains("missing") == false)
        let repository = try await Repository(path: mirror)
        #expect(await repository.isScattered(above: 50, bytes: 200_000) == false)
        for index in [0, 2, 4] { _ = try await repository.tree(at: commits[index]) }
        for index in [1, 3] { #expect(try await repository.commit(named: commits[index].hex) == nil) }
        #expect(try scene.mirrorGit("cat-file", "-t", "v1") == "tag\n")
        try scene.commit(["after.yaml": "x: y\n"])
        try publish(scene)
        #expect(try await remote.fetch("refs/heads/main", into: mirror)?.hex == head(scene))
    }

    @Test func `putting packs together may be cut anywhere`() async throws {
        let scene = try scene()
        let (remote, mirror) = (Remote(transport: ProcessTransport(scene.bare)), mirror(scene))
        for number in 0..<3 {
            _ = try await remote.fetch("refs/heads/main", into: mirror)
            try scene.commit(["clusters/0.yaml": "again: \(number)\n"])
            try scene.git("commit", "--quiet", "--amend", "--message", "again \(number)")
            try publish(scene)
        }
        let newest = try #require(try await remote.fetch("refs/heads/main", into: mirror))
        let packs = mirror + "/objects/pack"
        let old = try FileManager.default.contentsOfDirectory(atPath: packs)
        try FileManager.default.copyItem(atPath: packs, toPath: scene.folder + "/old")
        #expect(try await Repository(path: mirror).consolidate(keeping: []))
        let whole = Set(try FileManager.default.contentsOfDirectory(atPath: packs))
        try FileManager.default.copyItem(atPath: packs, toPath: scene.folder + "/new")
        // From nothing removed yet to all but one: the index of a pack goes before the pack.
        let removals = old.filter { $0.hasSuffix(".pack") }.map { String($0.dropLast(5)) }.flatMap { [$0 + ".idx", $0 + ".pack"] }
        for count in 0..<removals.count {
            try FileManager.default.removeItem(atPath: packs)
            try FileManager.default.copyItem(atPath: scene.folder + "/new", toPath: packs)
            for name in removals.dropFirst(count) {
                try FileManager.default.copyItem(atPath: "\(scene.folder)/old/\(name)", toPath: "\(packs)/\(name)")
            }
            let repository = try await Repository(path: mirror)
            #expect(try await repository.tree(at: newest).text("clusters/0.yaml") == "again: 2\n")
            #expect(try await repository.consolidate(keeping: []))
            #expect(Set(try FileManager.default.contentsOfDirectory(atPath: packs)) == whole, "after \(count)")
            #expect(try scene.mirrorGit("fsck", "--full").contains("missing") == false)
        }
    }

    private static func packBytes(of mirror: String) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: mirror + "/objects/pack").reduce(0) { sum, name in
            let attributes = try FileManager.default.attributesOfItem(atPath: "\(mirror)/objects/pack/\(name)")
            return sum + ((attributes[.size] as? Int) ?? 0)
        }
    }

    @Test func `tags and other branches stay where they are, and a missing branch is nil`() async throws {
        let scene = try scene()
        try scene.git("tag", "--annotate", "--message", "first", "v1")
        try scene.git("push", "--quiet", scene.bare, "v1", "main:refs/heads/other")
        let remote = Remote(transport: ProcessTransport(scene.bare))
        let names = try await remote.references().map(\.name)
        #expect(names == ["HEAD", "refs/heads/main", "refs/heads/other", "refs/tags/v1", "refs/tags/v1^{}"])
        #expect(try await remote.fetch("refs/heads/none", into: mirror(scene)) == nil)
        _ = try await remote.fetch("refs/heads/main", into: mirror(scene))
        #expect(try scene.mirrorGit("for-each-ref", "--format=%(refname)") == "refs/heads/main\n")
        let configuration = try String(contentsOfFile: mirror(scene) + "/config", encoding: .utf8)
        #expect(!configuration.contains("remote") && !configuration.contains("git.example"))
    }

    @Test func `an empty repository has no references`() async throws {
        let scene = try GitScene()
        let remote = Remote(transport: ProcessTransport(scene.bare))
        #expect(try await remote.references().isEmpty)
        #expect(try await remote.fetch("refs/heads/main", into: mirror(scene)) == nil)
    }

    @Test(arguments: [false, true]) func `a connection cut in the middle leaves the mirror as it was`(stateless: Bool) async throws {
        let scene = try scene()
        let old = try await Remote(transport: ProcessTransport(scene.bare)).fetch("refs/heads/main", into: mirror(scene))
        try scene.commit(["big.bin": Self.noise(400_000)])
        try publish(scene)
        for limit in [0, 300, 100_000] {
            let remote = Remote(transport: ProcessTransport(scene.bare, stateless: stateless, fault: .cut(after: limit)))
            let error = await #expect(throws: GitError.self) { try await remote.fetch("refs/heads/main", into: mirror(scene)) }
            #expect(error?.kind == .unreachable, "\(limit): \(error?.description ?? "")")
        }
        let repository = try await Repository(path: mirror(scene))
        #expect(try await repository.commit(named: "main") == old)
        _ = try await Remote(transport: ProcessTransport(scene.bare)).fetch("refs/heads/main", into: mirror(scene))
        #expect(try scene.mirrorGit("fsck", "--full").contains("error") == false)
    }

    @Test(arguments: [false, true]) func `a server that never answers costs a timeout`(stateless: Bool) async throws {
        let scene = try scene()
        var limits = RemoteLimits()
        limits.silence = .milliseconds(300)
        for limit in [0, 200] {
            let transport = ProcessTransport(scene.bare, stateless: stateless, fault: .silence(after: limit))
            let remote = Remote(transport: transport, limits: limits)
            let start = ContinuousClock.now
            let error = await #expect(throws: GitError.self) { try await remote.fetch("refs/heads/main", into: mirror(scene)) }
            #expect(error?.kind == .timedOut && error?.message.contains("no answer") == true, "\(error?.description ?? "")")
            #expect(ContinuousClock.now - start < .seconds(50))
        }
        limits.silence = .seconds(30)
        limits.listing = .milliseconds(300)
        let remote = Remote(transport: ProcessTransport(scene.bare, fault: .silence(after: 0)), limits: limits)
        let error = await #expect(throws: GitError.self) { try await remote.references() }
        #expect(error?.kind == .timedOut && error?.message.contains("no end") == true)
    }

    @Test(.enabled(if: getuid() == 0, "a disk of its own is for root to make"))
    func `a fetch that the disk has no room for says so, and the mirror stays as it was`() async throws {
        let scene = try scene()
        let remote = Remote(transport: ProcessTransport(scene.bare))
        let old = try await remote.fetch("refs/heads/main", into: mirror(scene))
        try scene.disk(mirror(scene), 20)
        try scene.commit(["noise.txt": GitScene.noise(megabytes: 8)])
        try publish(scene)
        let error = await #expect(throws: GitError.self) { try await remote.fetch("refs/heads/main", into: mirror(scene)) }
        #expect(error?.kind == .diskFull && error?.message.contains("MiB are free for") == true, "\(error?.description ?? "")")
        #expect(try await Repository(path: mirror(scene)).commit(named: "main") == old)
        try scene.disk(mirror(scene), 64)
        #expect(try await remote.fetch("refs/heads/main", into: mirror(scene))?.hex == head(scene))
        #expect(try scene.mirrorGit("fsck", "--full").contains("error") == false)
    }

    @Test func `cancelling ends a fetch at once`() async throws {
        let scene = try scene()
        let remote = Remote(transport: ProcessTransport(scene.bare, fault: .silence(after: 0)))
        let task = Task { [path = mirror(scene)] in
            do throws(GitError) { return try await remote.fetch("refs/heads/main", into: path).map(\.hex) } catch { return "\(error.kind)" }
        }
        try await Task.sleep(for: .milliseconds(100))
        let start = ContinuousClock.now
        task.cancel()
        #expect(await task.value == "cancelled")
        #expect(ContinuousClock.now - start < .seconds(50))
    }

    @Test func `files that are too large together are refused, and those left out do not count`() async throws {
        let scene = try scene(commits: 3)
        let repository = try await Repository(path: scene.bare)
        let commit = try #require(try await repository.commit(named: "main"))
        let size = "number: 0\n".utf8.count
        let error = await #expect(throws: GitError.self) { try await repository.tree(at: commit, limit: 3 * size - 1) }
        #expect(error?.kind == .tooLarge && error?.message.contains("clusters/2.yaml") == true, "\(error?.description ?? "")")
        let fewer = try await repository.tree(at: commit, keeping: { !$0.hasSuffix("2.yaml") }, limit: 3 * size - 1)
        #expect(fewer.entries.count == 2)
        let many = await #expect(throws: GitError.self) { try await repository.tree(at: commit, entryLimit: 2) }
        #expect(many?.kind == .tooLarge && many?.message == "it has more than 2 files", "\(many?.description ?? "")")
    }

    @Test func `what an earlier tree has is in memory once`() async throws {
        let scene = try scene(commits: 1)
        let repository = try await Repository(path: scene.bare)
        let commit = try #require(try await repository.commit(named: "main"))
        func place(_ tree: GitTree) -> UnsafePointer<UInt8>? { tree.file("clusters/0.yaml")?.withUnsafeBufferPointer { $0.baseAddress } }
        let old = try await repository.tree(at: commit)
        let (same, other) = (try await repository.tree(at: commit, reusing: old), try await repository.tree(at: commit))
        #expect(place(old) != nil && place(same) == place(old) && place(other) != place(old))
    }

    @Test(arguments: [0, 1, 8, -1]) func `an object whose file is cut off is called corrupt`(_ length: Int) async throws {
        let scene = try GitScene()
        try scene.commit(["a.yaml": (0..<200).map { "number: \($0)\n" }.joined()])
        // A push of a few objects leaves each in a file of its own.
        try publish(scene)
        let blob = try scene.bareGit("rev-parse", "main:a.yaml").trimmingCharacters(in: .whitespacesAndNewlines)
        let file = "\(scene.bare)/objects/\(blob.prefix(2))/\(blob.dropFirst(2))"
        let whole = try Data(contentsOf: URL(fileURLWithPath: file))
        chmod(file, 0o644)
        try whole.prefix(length < 0 ? whole.count + length : length).write(to: URL(fileURLWithPath: file))
        let repository = try await Repository(path: scene.bare)
        let commit = try #require(try await repository.commit(named: "main"))
        let error = await #expect(throws: GitError.self) { try await repository.tree(at: commit) }
        #expect(error?.kind == .corrupt && error?.message.contains(file) == true, "\(error?.description ?? "")")
        try whole.write(to: URL(fileURLWithPath: file))
        #expect(try await Repository(path: scene.bare).tree(at: commit).text("a.yaml")?.hasSuffix("number: 199\n") == true)
    }

    @Test func `a mirror that lost objects or whose reference is torn is called corrupt`() async throws {
        let scene = try scene(commits: 3)
        let remote = Remote(transport: ProcessTransport(scene.bare))
        let commit = try #require(try await remote.fetch("refs/heads/main", into: mirror(scene)))
        let packs = mirror(scene) + "/objects/pack"
        for file in try FileManager.default.contentsOfDirectory(atPath: packs) where file.hasSuffix(".pack") {
            chmod(packs + "/" + file, 0o644)
            let handle = try #require(FileHandle(forWritingAtPath: packs + "/" + file))
            try handle.seek(toOffset: 20)
            try handle.write(contentsOf: [UInt8](repeating: 0xff, count: 200))
            try handle.close()
        }
        var error = await #expect(throws: GitError.self) { try await remote.fetch("refs/heads/main", into: mirror(scene)) }
        #expect(error?.kind == .corrupt, "\(error?.description ?? "")")
        let repository = try await Repository(path: mirror(scene))
        error = await #expect(throws: GitError.self) { try await repository.tree(at: commit) }
        #expect(error?.kind == .corrupt, "\(error?.description ?? "")")
        try Data().write(to: URL(fileURLWithPath: mirror(scene) + "/refs/heads/main"))
        error = await #expect(throws: GitError.self) { try await remote.fetch("refs/heads/main", into: mirror(scene)) }
        #expect(error?.kind == .corrupt, "\(error?.description ?? "")")
    }

    @Test(.enabled(if: getuid() == 0, "only root can mount a small file system")) func `a full disk is told and nothing is half there`()
        async throws
    {
        let scene = try scene()
        let small = scene.folder + "/small"
        try FileManager.default.createDirectory(atPath: small, withIntermediateDirectories: true)
        try GitScene.run(["mount", "-t", "tmpfs", "-o", "size=18m", "tmpfs", small])
        defer { _ = try? GitScene.run(["umount", "-l", small]) }
        let remote = Remote(transport: ProcessTransport(scene.bare))
        let old = try await remote.fetch("refs/heads/main", into: small + "/mirror.git")
        try scene.commit(["big.bin": Self.noise(6_000_000)])
        try publish(scene)
        let error = await #expect(throws: GitError.self) { try await remote.fetch("refs/heads/main", into: small + "/mirror.git") }
        #expect(error?.kind == .diskFull, "\(error?.description ?? "")")
        let repository = try await Repository(path: small + "/mirror.git")
        #expect(try await repository.commit(named: "main") == old)
    }

    /// Homelab's own server side, which the other servers' agents fetch from.
    @Test func `homelab's git-serve is fetched from, with a long history too`() async throws {
        let scene = try scene(commits: 60)
        let transport = ServedTransport(scene.bare)
        let remote = Remote(transport: transport)
        _ = try await remote.fetch("refs/heads/main", into: mirror(scene))
        let first = transport.bytes
        try scene.commit(["clusters/new.yaml": "new: true\n"])
        try publish(scene)
        #expect(try await remote.fetch("refs/heads/main", into: mirror(scene))?.hex == head(scene))
        #expect(transport.bytes - first < first / 4, "\(transport.bytes - first) bytes after \(first)")
        #expect(try scene.mirrorGit("fsck", "--full").contains("error") == false)
    }

    static func noise(_ count: Int) -> String {
        var generator = SystemRandomNumberGenerator()
        return Data((0..<count / 8).flatMap { _ in withUnsafeBytes(of: generator.next()) { Array($0) } }).base64EncodedString()
    }
}
