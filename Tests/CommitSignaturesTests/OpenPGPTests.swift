import CommitSignatures
import Diagnostics
import Foundation
import HomelabTestSupport
import Testing

/// What git signs with gpg's keys.
struct OpenPGPTests {
    private func kind(_ keyring: OpenPGPKeyring, _ commit: [UInt8]) -> SignatureProblem.Kind? {
        do {
            Issue.record("believed: \(try TrustedSigners(openPGP: keyring).verify(SignedObject(commit: commit)))")
            return nil
        } catch {
            return error.kind
        }
    }

    private func keyring(_ text: String) throws -> OpenPGPKeyring {
        var keyring = OpenPGPKeyring()
        try keyring.add(text, name: "author.asc")
        return keyring
    }

    @Test(arguments: ["ed25519", "nistp256", "nistp384", "rsa2048"])
    func everyKindOfKeyIsChecked(algorithm: String) throws {
        let scene = try SigningScene()
        let fingerprint = try scene.keys.openPGPKey("Ann <ann@example.org>", algorithm)
        let commit = try scene.commit(openPGP: fingerprint, message: "first\n\nmore\n")
        let keyring = try keyring(scene.keys.export(fingerprint))
        let signer = try TrustedSigners(openPGP: keyring).verify(SignedObject(commit: commit))
        #expect(signer == Signer(name: "Ann <ann@example.org>", fingerprint: fingerprint))
        let ofWindows = try self.keyring(scene.keys.export(fingerprint).replacingOccurrences(of: "\n", with: "\r\n"))
        #expect(try TrustedSigners(openPGP: ofWindows).verify(SignedObject(commit: commit)) == signer)
        var changed = commit
        changed[changed.count - 2] ^= 1
        #expect(kind(keyring, changed) == .wrong)
        #expect(kind(OpenPGPKeyring(), commit) == .unknownKey)
    }

    @Test func subkeysSignForTheirOwner() throws {
        let scene = try SigningScene()
        let primary = try scene.keys.openPGPKey("Ann <ann@example.org>", "rsa2048")
        try scene.keys.run("gpg", "--batch", "--passphrase", "", "--quick-add-key", primary, "ed25519", "sign", "never")
        let commit = try scene.commit(openPGP: primary)
        let signer = try TrustedSigners(openPGP: keyring(scene.keys.export(primary))).verify(SignedObject(commit: commit))
        #expect(signer.name == "Ann <ann@example.org>")
        #expect(signer.fingerprint != primary, "gpg signs with the newest key that can")
    }

    @Test func aRevokedKeyIsNotBelieved() throws {
        let scene = try SigningScene()
        let fingerprint = try scene.keys.openPGPKey("Ann <ann@example.org>", "ed25519")
        let commit = try scene.commit(openPGP: fingerprint)
        let certificate = try scene.keys.text("openpgp-revocs.d/\(fingerprint).rev").replacing(":-----BEGIN", with: "-----BEGIN")
        try certificate.write(toFile: scene.keys.folder + "/revocation", atomically: true, encoding: .utf8)
        try scene.keys.run("gpg", "--batch", "--import", scene.keys.folder + "/revocation")
        #expect(kind(try keyring(scene.keys.export(fingerprint)), commit) == .notAllowed)
    }

    @Test func anExpiredKeyIsNotBelieved() throws {
        let scene = try SigningScene()
        let fingerprint = try scene.keys.openPGPKey("Old <old@example.org>", "ed25519", at: "20200101T000000")
        let commit = try scene.commit(openPGP: fingerprint)
        #expect(
            try TrustedSigners(openPGP: keyring(scene.keys.export(fingerprint))).verify(SignedObject(commit: commit)).fingerprint
                == fingerprint)
        try scene.keys.run("gpg", "--batch", "--faked-system-time", "20200102T000000", "--quick-set-expire", fingerprint, "1d")
        #expect(kind(try keyring(scene.keys.export(fingerprint)), commit) == .notAllowed)
    }

    @Test func whatIsNoKeyIsRefused() throws {
        let scene = try SigningScene()
        let fingerprint = try scene.keys.openPGPKey("Ann <ann@example.org>", "ed25519")
        let exported = try scene.keys.export(fingerprint)
        var keyring = OpenPGPKeyring()
        #expect(throws: Diagnostic.self) { try keyring.add("nothing", name: "a.asc") }
        #expect(throws: Diagnostic.self) { try keyring.add(String(exported.prefix(200)), name: "a.asc") }
        // A user ID that the key did not certify makes no key.
        let lines = exported.split(separator: "\n", omittingEmptySubsequences: false)
        let body = try #require(Data(base64Encoded: lines.dropFirst(2).prefix { !$0.hasPrefix("=") }.joined()))
        let name = try #require(body.range(of: Data("Ann".utf8)))
        var forged = body
        forged.replaceSubrange(name, with: Data("Bob".utf8))
        let text = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n\(forged.base64EncodedString())\n-----END PGP PUBLIC KEY BLOCK-----\n"
        #expect(throws: Diagnostic.self) { try keyring.add(text, name: "a.asc") }
        #expect(keyring.isEmpty)
    }
}
