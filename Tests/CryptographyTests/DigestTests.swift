import Cryptography
import Foundation
import Testing

struct DigestTests {
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ])
    func hashesAsTheStandardSays(text: String, digest: String) {
        #expect(SHA256.hex(of: text) == digest)
    }

    @Test func hashesInPiecesAndFromFiles() throws {
        let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var hash = SHA256()
        for start in stride(from: 0, to: bytes.count, by: 77_777) { hash.update(bytes[start..<min(start + 77_777, bytes.count)]) }
        let digest = Hex.encode(hash.finalize())
        #expect(digest == SHA256.hex(of: bytes))
        let file = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try Data(bytes).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        #expect(try SHA256.hex(ofFile: file.path) == digest)
        #expect(throws: CryptographyError.self) { try SHA256.hex(ofFile: "/nowhere") }
    }

    @Test func authenticatesMessages() {
        // RFC 4231, test case 2.
        let code = HMACSHA256.code(for: Array("what do ya want for nothing?".utf8), key: Array("Jefe".utf8))
        #expect(Hex.encode(code) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        #expect(HMACSHA256.isValid(code, for: Array("what do ya want for nothing?".utf8), key: Array("Jefe".utf8)))
        #expect(!HMACSHA256.isValid(code, for: Array("what do you want".utf8), key: Array("Jefe".utf8)))
        #expect(
            Hex.encode(HMACHash.sha512.code(for: Array("what do ya want for nothing?".utf8), key: Array("Jefe".utf8)))
                == "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
        )
        #expect(
            HMACHash.sha1.code(for: Array("what do ya want for nothing?".utf8), key: Array("Jefe".utf8))
                == SHA1.hmac(of: Array("what do ya want for nothing?".utf8), key: Array("Jefe".utf8)))
        // RFC 2202, test case 2.
        let old = SHA1.hmac(of: Array("what do ya want for nothing?".utf8), key: Array("Jefe".utf8))
        #expect(Hex.encode(old) == "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")
        #expect(Hex.encode(SHA1.digest(of: Array("abc".utf8))) == "a9993e364706816aba3e25717850c26c9cd0d89d")
    }

    @Test func base64AgreesWithFoundationForEveryLength() {
        for count in 0..<200 {
            let bytes = SecureRandom.bytes(count)
            let text = Base64.encode(bytes)
            #expect(text == Data(bytes).base64EncodedString())
            #expect(Base64.decode(text) == bytes)
            #expect(Base64.decode(Base64.encode(bytes, padded: false)) == bytes)
        }
    }

    @Test(arguments: ["A", "AA=A", "A===", "AAAA=", "A*AA", "äää"])
    func base64RefusesWhatIsNone(text: String) {
        #expect(Base64.decode(text) == nil)
    }

    @Test func hexReadsWhatItWrites() {
        #expect(Hex.decode("00ff7A") == [0, 255, 122])
        #expect(Hex.decode("0") == nil)
        #expect(Hex.decode("0g") == nil)
        #expect(SecureRandom.hex(bytes: 16).count == 32)
        #expect(SecureRandom.hex(bytes: 16) != SecureRandom.hex(bytes: 16))
    }
}
