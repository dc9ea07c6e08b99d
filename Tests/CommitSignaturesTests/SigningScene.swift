import HomelabTestSupport

/// A repository whose commits the real git signs, with keys of ssh-keygen and gpg.
final class SigningScene {
    let keys: SigningKeys

    init() throws {
        keys = try SigningKeys()
        try keys.run("git", "init", "--quiet", "--initial-branch", "main", keys.folder + "/work")
    }

    /// Signs a new commit and gives it as git stores it.
    func commit(ssh key: String, message: String = "change", at time: String = "2026-05-05T12:00:00Z") throws -> [UInt8] {
        try commit(["-c", "gpg.format=ssh", "-c", "user.signingkey=\(keys.folder)/\(key)"], message, time)
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
            ["-c", "gpg.format=ssh", "-c", "user.signingkey=\(keys.folder)/\(key)", "tag", "--sign", "--message", "release", "v1"],
            at: "2026-05-05T12:00:00Z")
        return try bytes("tag", "v1")
    }

    private func bytes(_ kind: String, _ name: String) throws -> [UInt8] {
        Array(try keys.run("git", "-C", keys.folder + "/work", "cat-file", kind, name).utf8)
    }

    private func git(_ arguments: [String], at time: String) throws {
        try keys.run(["env", "GIT_COMMITTER_DATE=\(time)", "git", "-C", keys.folder + "/work"] + arguments)
    }
}
