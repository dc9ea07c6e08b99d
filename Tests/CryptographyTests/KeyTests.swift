import Cryptography
import Foundation
import Testing

/// What OpenSSH's own tools say about keys made and read here.
struct KeyTests {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)

    init() throws { try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true) }

    private func run(_ program: String, _ arguments: String...) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(program) \(arguments)")
        return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test func opensshReadsTheNewKey() throws {
        for _ in 0..<8 {
            let pair = try Ed25519KeyPair.generate(comment: "agent@lab")
            let file = directory.appendingPathComponent(UUID().uuidString).path
            try pair.privateKeyText.write(toFile: file, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
            #expect(try run("/usr/bin/ssh-keygen", "-y", "-f", file) == pair.publicKey.line)
            #expect(try run("/usr/bin/ssh-keygen", "-l", "-f", file).contains(pair.publicKey.fingerprint))
        }
    }

    @Test func publicKeyLinesAreReadStrictly() throws {
        let pair = try Ed25519KeyPair.generate(comment: "")
        let line = pair.publicKey.line
        #expect(OpenSSHPublicKey(line: line + " some comment")?.comment == "some comment")
        #expect(OpenSSHPublicKey(line: String(line.dropLast(8))) == nil, "its end is cut off")
        #expect(OpenSSHPublicKey(line: line + " x") == pair.publicKey, "the comment does not make another key")
        #expect(OpenSSHPublicKey(line: line.replacingOccurrences(of: "ssh-ed25519 ", with: "ssh-rsa ")) == nil)
        #expect(OpenSSHPublicKey(line: "ssh-ed25519") == nil)
        #expect(OpenSSHPublicKey(line: "ssh-ed25519 !!!") == nil)
    }

    @Test(arguments: ["", "PEM", "PKCS8"]) func rsaSignaturesVerify(format: String) throws {
        let file = directory.appendingPathComponent(UUID().uuidString).path
        _ = try run("/usr/bin/ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", file)
        let line = try String(contentsOfFile: file + ".pub", encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        if !format.isEmpty { _ = try run("/usr/bin/ssh-keygen", "-q", "-p", "-m", format, "-N", "", "-f", file) }
        let key = try #require(try RSAPrivateKey(text: String(contentsOfFile: file, encoding: .utf8), passphrase: nil))
        #expect(OpenSSHPublicKey(line: line)?.blob == key.publicBlob())

        let message = directory.appendingPathComponent(UUID().uuidString)
        try Data("signed text".utf8).write(to: message)
        let signature = try Array("signed text".utf8).withUnsafeBytes { try key.signature(of: $0, algorithm: .sha512) }
        try Data(signature).write(to: message.appendingPathExtension("sig"))
        try run("/usr/bin/ssh-keygen", "-e", "-m", "PKCS8", "-f", file).write(toFile: file + ".spki", atomically: true, encoding: .utf8)
        let verdict = try run(
            "/usr/bin/openssl", "dgst", "-sha512", "-verify", file + ".spki", "-signature", message.path + ".sig", message.path)
        #expect(verdict == "Verified OK")
    }

    @Test func keysThatCannotBeUsedAreExplained() throws {
        let file = directory.appendingPathComponent(UUID().uuidString).path
        _ = try run("/usr/bin/ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "secret", "-f", file)
        let encrypted = try String(contentsOfFile: file, encoding: .utf8)
        let error = #expect(throws: CryptographyError.self) { try RSAPrivateKey(text: encrypted, passphrase: "secret") }
        #expect(error?.description.contains("ssh-keygen -p -m PEM") == true)
        _ = try run("/usr/bin/ssh-keygen", "-q", "-p", "-m", "PEM", "-P", "secret", "-N", "secret", "-f", file)
        let pem = try String(contentsOfFile: file, encoding: .utf8)
        #expect(try RSAPrivateKey(text: pem, passphrase: "secret") != nil)
        #expect(throws: CryptographyError.self) { try RSAPrivateKey(text: pem, passphrase: "wrong") }
        #expect(try RSAPrivateKey(text: Ed25519KeyPair.generate(comment: "").privateKeyText, passphrase: nil) == nil)
        #expect(throws: CryptographyError.self) { try RSAPrivateKey(text: "no key at all", passphrase: nil) }
    }
}
