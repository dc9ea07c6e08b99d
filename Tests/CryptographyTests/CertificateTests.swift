import Cryptography
import Foundation
import Testing

/// Certificates made by openssl, read here.
@Suite struct CertificateTests {
    private func certificate(_ options: String) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = [
            "-c",
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /dev/null -subj /CN=test \(options) 2>/dev/null",
        ]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }

    @Test(arguments: [1, 365, 3650, 36500]) func saysWhenItEnds(_ days: Int) throws {
        let before = Int(Date().timeIntervalSince1970)
        let validity = try #require(CertificateValidity(pem: try certificate("-days \(days)")))
        let after = Int(Date().timeIntervalSince1970)
        #expect((before...after).contains(validity.notBefore))
        // Beyond 2049 the date has four digits for the year (RFC 5280).
        #expect(validity.notAfter - validity.notBefore == days * 86400)
    }

    @Test func takesNothingElseForACertificate() throws {
        #expect(CertificateValidity(pem: "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n") == nil)
        #expect(CertificateValidity(pem: "no certificate") == nil)
        let whole = try #require(PEM.decode(try certificate("-days 1"), label: "CERTIFICATE"))
        for count in stride(from: 0, to: whole.count, by: 7) { #expect(CertificateValidity(der: Array(whole[..<count])) == nil) }
    }
}
