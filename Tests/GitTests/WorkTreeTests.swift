import Foundation
import Git
import Testing

/// What git does with the files of a work tree.
@Suite struct WorkTreeTests {
    private static func write(_ text: String, _ path: String, _ scene: GitScene) throws {
        let file = scene.work + "/" + path
        try FileManager.default.createDirectory(atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try text.write(toFile: file, atomically: true, encoding: .utf8)
    }

    @Test func aFileIsTrackedOrElseTheRulesSay() async throws {
        let scene = try GitScene()
        try scene.commit(["a.txt": "one\n", "tracked.key": "x\n"])
        try Self.write("*.key\n/secrets/\n!/open.key\n", ".gitignore", scene)
        try Self.write("local\n", ".git/info/exclude", scene)
        for path in ["new.txt", "new.key", "secrets/token", "deep/secrets/token", "open.key", "local"] {
            try Self.write("x\n", path, scene)
        }
        let repository = try await Repository(path: scene.work)
        for (state, paths) in [
            (WorkTreeState.tracked, ["a.txt", "tracked.key"]), (.untracked, ["new.txt", "deep/secrets/token", "open.key"]),
            (.ignored, ["new.key", "secrets/token", "local", ".git/config"]),
        ] {
            for path in paths { #expect(try await repository.state(of: path) == state, "\(path)") }
        }
        try scene.git("add", "--force", "secrets/token")
        #expect(try await Repository(path: scene.work).state(of: "secrets/token") == .tracked)
    }

    @Test func whatAFilterEncryptsIsSomethingElseInGit() async throws {
        let scene = try GitScene()
        try scene.commit([".gitattributes": "vault/* filter=git-crypt diff=git-crypt\n*.bin filter=lfs\n", "b.txt": "x\n"])
        try Self.write("x\n", "vault/token", scene)
        let repository = try await Repository(path: scene.work)
        #expect(try await repository.state(of: "vault/token") == .filtered)
        #expect(try await repository.state(of: "a.bin") == .untracked, "Git LFS keeps it as it is")
    }
}
