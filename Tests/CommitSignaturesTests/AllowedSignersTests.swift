import CommitSignatures
import Diagnostics
import Foundation
import HomelabTestSupport
import Testing

/// What git signs with ssh-keygen's keys, read against allowed signers.
struct AllowedSignersTests {
    private func problem(_ body: () throws -> Signer) -> SignatureProblem? {
        do {
            Issue.record("believed: \(try body())")
            return nil
        } catch {
            return error as? SignatureProblem
        }
    }

    @Test(arguments: [["ed25519"], ["ecdsa"], ["ecdsa", "-b", "384"], ["ecdsa", "-b", "521"], ["rsa", "-b", "2048"]])
    func everyKindOfKeyIsChecked(type: [String]) throws {
        let scene = try SigningScene()
        let key = type.count == 1 ? try scene.keys.sshKey("key", type[0]) : try scene.keys.sshKey("key", type[0], type[1], type[2])
        let commit = try scene.commit(ssh: "key", message: "first\n\nmore\n")
        let signers = try AllowedSigners("# who may\n\nann@example.org \(key)\n", name: "allowed_signers")
        let signer = try signers.verify(commit: commit)
        #expect(signer.name == "ann@example.org")
        #expect(signer.fingerprint.hasPrefix("SHA256:"))
        var changed = commit
        changed[changed.count - 2] ^= 1
        #expect(problem { try signers.verify(commit: changed) }?.kind == .wrong)
    }

    @Test func linesMayEndAsOnWindows() throws {
        let scene = try SigningScene()
        let (first, second) = (try scene.keys.sshKey("first", "ed25519"), try scene.keys.sshKey("second", "ed25519"))
        let text = "# who may\r\nann@example.org \(first) a comment\r\nbob@example.org \(second)\r\n"
        let signers = try AllowedSigners(text, name: "allowed_signers")
        #expect(try signers.verify(commit: scene.commit(ssh: "first")).name == "ann@example.org")
        #expect(try signers.verify(commit: scene.commit(ssh: "second")).name == "bob@example.org")
    }

    @Test func whoIsNotNamedIsNotBelieved() throws {
        let scene = try SigningScene()
        let (known, _) = (try scene.keys.sshKey("known", "ed25519"), try scene.keys.sshKey("stranger", "ed25519"))
        let signers = try AllowedSigners("ann@example.org \(known)", name: "allowed_signers")
        let stranger = try scene.commit(ssh: "stranger")
        #expect(problem { try signers.verify(commit: stranger) }?.kind == .unknownKey)
        let unsigned = try scene.unsignedCommit()
        #expect(problem { try signers.verify(commit: unsigned) }?.kind == .unsigned)
        #expect(problem { try AllowedSigners().verify(commit: stranger) }?.kind == .unknownKey)
    }

    @Test func keysCountForTheirTimeAndPurpose() throws {
        let scene = try SigningScene()
        let key = try scene.keys.sshKey("key", "ed25519")
        let commit = try scene.commit(ssh: "key", at: "2026-05-05T12:00:00Z")
        func verify(_ options: String) throws -> Signer {
            try AllowedSigners("\"ann@example.org,an*\" \(options) \(key)", name: "allowed_signers").verify(commit: commit)
        }
        #expect(try verify("valid-after=\"20260505\",valid-before=\"202605051201Z\"").name == "ann@example.org,an*")
        #expect(try verify("namespaces=\"file,g?t\"").fingerprint.isEmpty == false)
        #expect(problem { try verify("valid-after=20260506") }?.description.contains("was not valid yet") == true)
        #expect(problem { try verify("valid-before=20260505115959Z") }?.description.contains("not valid any more") == true)
        #expect(problem { try verify("namespaces=\"*,!git\"") }?.kind == .notAllowed)
        // The same key in a second line is a second chance.
        let both = "old@example.org valid-before=\"202001010000\" \(key)\nnew@example.org \(key)"
        #expect(try AllowedSigners(both, name: "allowed_signers").verify(commit: commit).name == "new@example.org")
    }

    @Test func aSignatureForFilesIsNoneForCommits() throws {
        let scene = try SigningScene()
        let key = try scene.keys.sshKey("key", "ed25519")
        let commit = String(decoding: try scene.unsignedCommit(), as: UTF8.self)
        try commit.write(toFile: scene.keys.folder + "/payload", atomically: true, encoding: .utf8)
        try scene.keys.run("ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", scene.keys.folder + "/key", scene.keys.folder + "/payload")
        let signature = try scene.keys.text("payload.sig").split(separator: "\n").joined(separator: "\n ")
        let end = try #require(commit.range(of: "\n\n"))
        let forged = commit[..<end.lowerBound] + "\ngpgsig " + signature + commit[end.lowerBound...]
        let signers = try AllowedSigners("ann@example.org \(key)", name: "allowed_signers")
        #expect(problem { try signers.verify(commit: Array(forged.utf8)) }?.description.contains("made for \"file\"") == true)
    }

    @Test func tagsAreSignedToo() throws {
        let scene = try SigningScene()
        let key = try scene.keys.sshKey("key", "ed25519")
        _ = try scene.unsignedCommit()
        let tag = try scene.tag(ssh: "key")
        let trusted = TrustedSigners(ssh: try AllowedSigners("ann@example.org \(key)", name: "allowed_signers"))
        #expect(try trusted.verify(SignedObject(tag: tag)).name == "ann@example.org")
        let renamed = String(decoding: tag, as: UTF8.self).replacing("tag v1", with: "tag v2")
        #expect(problem { try trusted.verify(SignedObject(tag: Array(renamed.utf8))) }?.kind == .wrong)
    }

    @Test func everyUnusableLineIsTold() throws {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMXy1uBzpAuOFlMmiIcrjHn0+Pxq5h7kWg5nFqTxnhwk"
        let text = """
            ann@example.org \(key)
            bob@example.org
            cy@example.org cert-authority \(key)
            di@example.org valid-after=yesterday \(key)
            ed@example.org no-touch-required \(key)
            """
        do {
            _ = try AllowedSigners(text, name: "allowed_signers")
            Issue.record("taken")
        } catch {
            #expect(error.all.map { $0.location?.line } == [2, 3, 4, 5])
            #expect(error.description.contains("cert-authority is not supported"))
        }
    }
}
