import Foundation
import Testing

/// A repository whose commits the real git signs, with keys of ssh-keygen and gpg.
final class SigningScene {
    let folder: String

    init() throws {
        // gpg's agent has its socket there, and a socket's path must be short.
        folder = "/tmp/homelab-sign-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try run("git", "init", "--quiet", "--initial-branch", "main", folder + "/work")
    }

    deinit {
        _ = try? run("gpgconf", "--kill", "gpg-agent")
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Makes an SSH key; gives its public line.
    func sshKey(_ name: String, _ type: String...) throws -> String {
        try run(["ssh-keygen", "-q", "-N", "", "-C", "", "-f", "\(folder)/\(name)"] + ["-t"] + type)
        return try text("\(name).pub").trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Makes an OpenPGP key that signs; gives its fingerprint.
    func openPGPKey(_ name: String, _ algorithm: String, at time: String? = nil) throws -> String {
        let clock = time.map { ["--faked-system-time", $0] } ?? []
        try run(["gpg", "--batch"] + clock + ["--passphrase", "", "--quick-gen-key", name, algorithm, "sign", "never"])
        let listing = try run(["gpg", "--batch", "--with-colons", "--list-keys", name])
        let line = try #require(listing.split(separator: "\n").first { $0.hasPrefix("fpr:") })
        return String(line.split(separator: ":", omittingEmptySubsequences: false)[9])
    }

    func export(_ name: String) throws -> String { try run("gpg", "--batch", "--armor", "--export", name) }

    /// Signs a new commit and gives it as git stores it.
    func commit(ssh key: String, message: String = "change", at time: String = "2026-05-05T12:00:00Z") throws -> [UInt8] {
        try commit(["-c", "gpg.format=ssh", "-c", "user.signingkey=\(folder)/\(key)"], message, time)
    }

    func commit(openPGP key: String, message: String = "change") throws -> [UInt8] {
        try commit(["-c", "user.signingkey=\(key)"], message, "2026-05-05T12:00:00Z")
    }

    func unsignedCommit() throws -> [UInt8] {
        try git(["commit", "--quiet", "--allow-empty", "--message", "change"], at: "2026-05-05T12:00:00Z")
        return try bytes("commit", "HEAD")
    }

    private func commit(_ configuration: [String], _ message: String, _ time: String) throws -> [UInt8] {
        try git(configuration + ["commit", "--quiet", "--allow-empty", "--gpg-sign", "--message", message], at: time)
        return try bytes("commit", "HEAD")
    }

    func tag(ssh key: String) throws -> [UInt8] {
        try git(
            ["-c", "gpg.format=ssh", "-c", "user.signingkey=\(folder)/\(key)", "tag", "--sign", "--message", "release", "v1"],
            at: "2026-05-05T12:00:00Z")
        return try bytes("tag", "v1")
    }

    private func bytes(_ kind: String, _ name: String) throws -> [UInt8] {
        Array(try run("git", "-C", folder + "/work", "cat-file", kind, name).utf8)
    }

    private func git(_ arguments: [String], at time: String) throws {
        try run(["env", "GIT_COMMITTER_DATE=\(time)", "git", "-C", folder + "/work"] + arguments)
    }

    func text(_ name: String) throws -> String { try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8) }

    @discardableResult
    func run(_ command: String...) throws -> String { try run(command) }

    @discardableResult
    private func run(_ command: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.environment = ProcessInfo.processInfo.environment.merging([
            "GNUPGHOME": folder, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.org",
            "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.org",
        ]) { $1 }
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure(text: command.joined(separator: " ") + "\n" + complaint) }
        return text
    }

    struct Failure: Error { let text: String }
}
