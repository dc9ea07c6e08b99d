import Diagnostics
import Foundation
import Testing
import YAML

@testable import SOPS

/// The fixtures are made by `vectors`, with age itself and code that shares nothing with ours.
@Suite struct SOPSTests {
    static func bytes(_ name: String) throws -> [UInt8] {
        let folder = try #require(Bundle.module.resourceURL?.appendingPathComponent("Fixtures"))
        return Array(try Data(contentsOf: folder.appendingPathComponent(name)))
    }

    static func text(_ name: String) throws -> String { String(decoding: try bytes(name), as: UTF8.self) }

    static func keyring(_ name: String = "keys.txt") throws -> AgeKeyring {
        var keyring = AgeKeyring()
        try keyring.add(file: Secret(text(name)), name: name)
        return keyring
    }

    static func identities(_ name: String = "keys.txt") throws -> [AgeIdentity] { try keyring(name).identities }

    private func decrypted(_ name: String, for purpose: SOPSFile.Purpose = .content) throws -> [UInt8] {
        try SOPSFile(Self.bytes(name), path: name, for: purpose).decrypted(with: Self.keyring()).bytes
    }

    @Test func `a key knows its recipient`() throws {
        let identity = try #require(try Self.identities().first)
        #expect(try Self.text("keys.txt").contains("public key: \(identity.recipient)"))
        #expect(AgeIdentity("AGE-SECRET-KEY-1QQQQ") == nil && AgeIdentity(identity.recipient) == nil)
    }

    @Test func `a line that is no key is named by its number alone`() throws {
        let problem = #expect(throws: Diagnostics.self) {
            var keyring = AgeKeyring()
            try keyring.add(file: Secret("# a comment\n\nAGE-SECRET-KEY-1SECRET\n"), name: "sops-age/a.agekey")
        }
        #expect(problem?.description.contains("line 3") == true && problem?.description.contains("SECRET-KEY-1SECRET") == false)
    }

    @Test(arguments: [("message.age", 12), ("armored.age", 70000)])
    func `age's own files are opened`(_ name: String, _ size: Int) throws {
        let content = try AgeFile(Self.bytes(name)).opened(with: Self.identities())
        #expect(content.count == size && content.starts(with: "0123456789\n".utf8))
        #expect(throws: AgeFile.Problem.noIdentity) { try AgeFile(Self.bytes(name)).opened(with: Self.identities("other-keys.txt")) }
    }

    @Test func `a changed age file is refused`() throws {
        var bytes = try Self.bytes("message.age")
        bytes[bytes.count - 1] ^= 1
        #expect(throws: AgeFile.Problem.changed) { try AgeFile(bytes).opened(with: Self.identities()) }
        #expect(throws: AgeFile.Problem.self) { try AgeFile(Array(bytes.prefix(60))) }
    }

    @Test(arguments: ["secret.yaml", "secret-only-encrypted.yaml"]) func `a Secret is decrypted`(_ name: String) throws {
        let value = try #require(try YAMLReader.values(bytes: try decrypted(name), file: name).first)
        #expect(value["stringData"] == ["password": "pass: \"word\"\nline two", "empty": "", "user": "ada"])
        #expect(value["sops"] == nil && value["kind"] == "Secret")
    }

    @Test func `values keep their kinds, in JSON`() throws {
        let value = try JSONReader.value(try decrypted("values.json"))
        #expect(value["text"] == "é" && value["number"] == 42 && value["share"] == 0.25 && value["flag"] == true)
        #expect(value["list"] == ["a", ["b": "c"]] && value["plain_unencrypted"] == 7)
    }

    @Test func `files without structure are decrypted`() throws {
        #expect(String(decoding: try decrypted("binary.conf"), as: UTF8.self) == "any\nbytes\n")
        #expect(String(decoding: try decrypted("app.env"), as: UTF8.self) == "USER=ada\nPASSWORD=a=b c\n")
        #expect(String(decoding: try decrypted("app.ini"), as: UTF8.self) == "[server]\nhost = a.example.org\nport = 80\n")
    }

    /// What an attacker or an accident could do to a file whose values all stay readable.
    @Test(arguments: [
        ("name: \"db\"", "name: \"other\""), ("kind: \"Secret\"", "kind: \"Secret\"\nextra: \"x\""),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z"),
    ]) func `a file that was changed is refused by its code`(_ old: String, _ new: String) throws {
        let text = try Self.text("secret.yaml")
        let changed = text.replacingOccurrences(of: old, with: new)
        #expect(changed != text)
        let problem = #expect(throws: Diagnostics.self) {
            try SOPSFile(Array(changed.utf8), path: "secret.yaml").decrypted(with: Self.keyring())
        }
        #expect(problem?.description.contains("secret.yaml:1") == true)
        #expect(problem?.description.contains("ada") == false)
    }

    @Test func `a value that was moved is refused`() throws {
        let text = try Self.text("secret.yaml").replacingOccurrences(of: "user:", with: "name:")
        let problem = #expect(throws: Diagnostics.self) {
            try SOPSFile(Array(text.utf8), path: "secret.yaml").decrypted(with: Self.keyring())
        }
        #expect(problem?.description.contains("stringData.name") == true)
    }

    @Test func `without the right key it says whose key is needed`() throws {
        let problem = #expect(throws: Diagnostics.self) {
            try SOPSFile(Self.bytes("values.json"), path: "values.json").decrypted(with: Self.keyring("other-keys.txt"))
        }
        let recipient = try #require(try Self.identities().first).recipient
        #expect(problem?.description.contains(recipient) == true && problem?.description.contains("AGE-SECRET") == false)
    }

    @Test func `an ordinary file is not taken for an encrypted one`() throws {
        #expect(SOPSFile.isEncrypted(try Self.bytes("secret.yaml")))
        #expect(!SOPSFile.isEncrypted(Array("kind: ConfigMap\ndata: {sops: lastmodified}\n".utf8)))
    }
}
