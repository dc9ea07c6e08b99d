import Foundation
import Git
import Testing

/// The server side against the real git client: the test binary's own process answers through pipes.
@Suite struct GitServerTests {
    @Test func aPushIsReceivedAndClonedAgain() async throws {
        let scene = try GitScene()
        try scene.commit(["a.txt": "one\n", "dir/b.txt": "two\n"])
        let pushed = try scene.push("main")
        #expect(pushed.contains("thank you"), "the notice reaches the person who pushes: \(pushed)")
        let repository = try await Repository(path: scene.bare)
        let commit = try #require(try await repository.commit(named: "main"))
        #expect(try await repository.tree(at: commit).text("dir/b.txt") == "two\n")
        #expect(try scene.clone() == ["a.txt", "dir/b.txt"])
    }

    @Test func laterPushesSendOnlyWhatIsNewAndFetchGetsIt() async throws {
        let scene = try GitScene()
        try scene.commit(["a.txt": "one\n"])
        _ = try scene.push("main")
        _ = try scene.clone()
        for number in 0..<40 { try scene.commit(["dir/\(number).txt": String(repeating: "line \(number)\n", count: 200)]) }
        _ = try scene.push("main")
        #expect(try scene.fetchIntoClone() == (0..<40).map { "dir/\($0).txt" }.sorted() + [])
    }

    @Test func aRewrittenHistoryNeedsForceAndAStaleOldValueIsRefused() throws {
        let scene = try GitScene()
        try scene.commit(["a.txt": "one\n"])
        _ = try scene.push("main")
        try scene.git("commit", "--quiet", "--amend", "--message", "other")
        #expect(throws: (any Error).self) { try scene.push("main") }
        _ = try scene.push("+main")
    }

    @Test func branchesAndTagsComeAndGoButNotTheCurrentBranch() throws {
        let scene = try GitScene()
        try scene.commit(["a.txt": "one\n"])
        try scene.git("tag", "--annotate", "--message", "first", "v1")
        _ = try scene.push("main", "main:refs/heads/other", "v1")
        #expect(try scene.bareGit("for-each-ref", "--format=%(refname)") == "refs/heads/main\nrefs/heads/other\nrefs/tags/v1\n")
        _ = try scene.push(":refs/heads/other")
        #expect(throws: (any Error).self) { try scene.push(":refs/heads/main") }
        #expect(try scene.bareGit("for-each-ref", "--format=%(refname)") == "refs/heads/main\nrefs/tags/v1\n")
        _ = try scene.clone()
    }

    @Test(.enabled(if: getuid() == 0, "a disk of its own is for root to make"))
    func aPushThatTheDiskHasNoRoomForIsRefusedAndTheNextOneTaken() throws {
        let scene = try GitScene()
        try scene.commit(["a.txt": "one\n"])
        _ = try scene.push("main")
        try scene.disk(scene.bare, 20)
        try scene.commit(["noise.txt": GitScene.noise(megabytes: 8)])
        let refused = #expect(throws: GitScene.Failure.self) { try scene.push("main") }
        #expect(refused?.text.contains("MiB are free for") == true, "\(refused?.text ?? "")")
        #expect(try scene.bareGit("fsck", "--full").contains("error") == false)
        #expect(try scene.bareGit("log", "--format=%s") == "change\n")
        try scene.disk(scene.bare, 64)
        _ = try scene.push("main")
        #expect(try scene.clone() == ["a.txt", "noise.txt"])
    }

    @Test func theStoreIsSoundAfterManyObjects() throws {
        let scene = try GitScene()
        try scene.commit(Dictionary(uniqueKeysWithValues: (0..<800).map { ("apps/\($0 % 20)/\($0).yaml", "number: \($0)\n") }))
        _ = try scene.push("main")
        #expect(try scene.bareGit("fsck", "--strict", "--full").contains("error") == false)
    }
}
