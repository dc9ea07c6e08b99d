import Foundation
import Git

/// A work tree, a bare repository served by GitServer, and the real git client between them.
final class GitScene {
    let folder: String
    var work: String { folder + "/work" }
    var bare: String { folder + "/bare.git" }

    init() throws {
        folder = NSTemporaryDirectory() + "homelab-git-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: work, withIntermediateDirectories: true)
        try Self.run(["git", "init", "--quiet", "--bare", "--initial-branch", "main", bare])
        try git("init", "--quiet", "--initial-branch", "main")
    }

    deinit {
        for disk in disks { _ = try? Self.run(["umount", "--lazy", disk]) }
        try? FileManager.default.removeItem(atPath: folder)
    }

    private var disks: [String] = []

    /// Gives a folder, with what is in it, a disk of its own of this size, or that disk another size. Needs root.
    func disk(_ path: String, _ megabytes: Int) throws {
        if disks.contains(path) { return _ = try Self.run(["mount", "-o", "remount,size=\(megabytes)m", path]) }
        try Self.run(["mv", path, path + ".before"])
        try Self.run(["mkdir", path])
        try Self.run(["mount", "-t", "tmpfs", "-o", "size=\(megabytes)m", "tmpfs", path])
        disks.append(path)
        try Self.run(["cp", "-a", path + ".before/.", path])
    }

    /// Text of some megabytes that nothing compresses to less than two thirds.
    static func noise(megabytes: Int) -> String {
        Data((0..<(megabytes << 20) * 3 / 4).map { _ in UInt8.random(in: 0...255) }).base64EncodedString(options: .lineLength76Characters)
    }

    func commit(_ files: [String: String]) throws {
        for (path, text) in files {
            let file = work + "/" + path
            try FileManager.default.createDirectory(
                atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            try text.write(toFile: file, atomically: true, encoding: .utf8)
        }
        try git("add", "--all")
        try git("commit", "--quiet", "--message", "change")
    }

    @discardableResult
    func git(_ arguments: String...) throws -> String { try Self.run(["git", "-C", work] + arguments) }

    func bareGit(_ arguments: String...) throws -> String { try Self.run(["git", "-C", bare] + arguments) }

    func mirrorGit(_ arguments: String...) throws -> String { try Self.run(["git", "-C", folder + "/mirror.git"] + arguments) }

    /// `git push` whose other end is GitServer in this process; what git printed.
    func push(_ references: String...) throws -> String {
        try served("receive-pack") { socket in try Self.run(["git", "-C", self.work, "push", socket] + references) }
    }

    func clone() throws -> [String] {
        try? FileManager.default.removeItem(atPath: folder + "/clone")
        _ = try served("upload-pack") { socket in try Self.run(["git", "clone", "--quiet", socket, self.folder + "/clone"]) }
        return try Self.run(["git", "-C", folder + "/clone", "ls-files"]).split(separator: "\n").map(String.init)
    }

    /// What a fetch into the clone brought, as paths.
    func fetchIntoClone() throws -> [String] {
        let clone = folder + "/clone"
        _ = try served("upload-pack") { socket in try Self.run(["git", "-C", clone, "fetch", "--quiet", socket, "main"]) }
        try Self.run(["git", "-C", clone, "fsck", "--full"])
        return try Self.run(["git", "-C", clone, "diff", "--name-only", "HEAD", "FETCH_HEAD"]).split(separator: "\n").map(String.init)
    }

    /// Gives `body` a URL behind which GitServer answers once: git's ext:: transport speaks to a pair of named pipes.
    private func served(_ service: String, _ body: (String) throws -> String) throws -> String {
        let (requests, answers) = (folder + "/requests", folder + "/answers")
        for pipe in [requests, answers] {
            try? FileManager.default.removeItem(atPath: pipe)
            mkfifo(pipe, 0o600)
        }
        let path = bare
        let server = Thread {
            let input = open(requests, O_RDONLY)
            let output = open(answers, O_WRONLY)
            if service == "receive-pack" {
                try? GitServer.receivePack(path: path, input: input, output: output, notice: "thank you")
            } else {
                try? GitServer.uploadPack(path: path, input: input, output: output)
            }
            close(input)
            close(output)
        }
        server.start()
        let script = folder + "/connect"
        // The shell's background job reads from the terminal's null device unless its input is named.
        try "#!/bin/sh\nexec 3<&0\ncat <&3 > \(requests) &\nexec cat \(answers)\n".write(toFile: script, atomically: true, encoding: .utf8)
        chmod(script, 0o755)
        return try body("ext::" + script)
    }

    @discardableResult
    static func run(_ command: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.environment = ProcessInfo.processInfo.environment.merging([
            "GIT_ALLOW_PROTOCOL": "ext:file", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.org",
            "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.org",
        ]) { $1 }
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure(text: command.joined(separator: " ") + "\n" + text) }
        return text
    }

    struct Failure: Error { let text: String }
}
