import Foundation

/// Keys of ssh-keygen and gpg that sign commits, and a folder to run git in with them.
package final class SigningKeys {
    package let folder: String

    package init() throws {
        // gpg's agent has its socket there, and a socket's path must be short.
        folder = "/tmp/homelab-sign-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        // Whoever lets git sign need not know of the folder.
        let program = "#!/bin/sh\nexec gpg --homedir \(folder) \"$@\"\n"
        try program.write(toFile: gpg, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: gpg)
    }

    deinit {
        _ = try? run("gpgconf", "--kill", "gpg-agent")
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// For git's `gpg.program`.
    package var gpg: String { folder + "/gpg" }

    /// Makes an SSH key; gives its public line.
    package func sshKey(_ name: String, _ type: String...) throws -> String {
        try run(["ssh-keygen", "-q", "-N", "", "-C", "", "-f", "\(folder)/\(name)"] + ["-t"] + type)
        return try text("\(name).pub").trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Makes an OpenPGP key that signs; gives its fingerprint.
    package func openPGPKey(_ name: String, _ algorithm: String, at time: String? = nil) throws -> String {
        let clock = time.map { ["--faked-system-time", $0] } ?? []
        try run(["gpg", "--batch"] + clock + ["--passphrase", "", "--quick-gen-key", name, algorithm, "sign", "never"])
        let listing = try run(["gpg", "--batch", "--with-colons", "--list-keys", name])
        guard let line = listing.split(separator: "\n").first(where: { $0.hasPrefix("fpr:") }) else {
            throw Loopback.Failure(text: "gpg lists no key: \(listing)")
        }
        return String(line.split(separator: ":", omittingEmptySubsequences: false)[9])
    }

    package func export(_ name: String) throws -> String { try run("gpg", "--batch", "--armor", "--export", name) }

    package func text(_ name: String) throws -> String { try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8) }

    @discardableResult
    package func run(_ command: String...) throws -> String { try run(command) }

    /// Gives what it prints.
    @discardableResult
    package func run(_ command: [String]) throws -> String {
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
        guard process.terminationStatus == 0 else { throw Loopback.Failure(text: command.joined(separator: " ") + "\n" + complaint) }
        return text
    }
}
