import Cryptography
package import Diagnostics
import KubernetesModel
import YAML

/// A GitHub App and one installation of it, as a Secret of Flux' names them for `provider: github`.
package struct GitHubApp: Sendable {
    enum Installation: Hashable, Sendable {
        case number(String)
        /// The organisation or user whose installation it is.
        case owner(String)
    }

    let installation: Installation
    /// Where GitHub's REST API is, without a slash at the end.
    let api: String
    /// The App's client ID, or its number.
    private let issuer: String
    private let key: RSAPrivateKey

    private static let fields = (
        app: "githubAppID", client: "githubAppClientID", number: "githubAppInstallationID", owner: "githubAppInstallationOwner",
        key: "githubAppPrivateKey", api: "githubAppBaseURL"
    )

    /// Whether a Secret is meant for an App at all.
    package static func isNamed(in data: [String: String]) -> Bool {
        [fields.app, fields.client].contains { !(data[$0] ?? "").isEmpty }
    }

    /// - Parameter secret: what the data are from, for messages.
    /// - Throws: `Diagnostic` that names the keys which are missing or cannot be used; never what they hold, where that is secret.
    package init(_ data: [String: String], secret: String) throws(Diagnostic) {
        func text(_ field: String) -> String? {
            let text = data[field]?.filter { !$0.isWhitespace } ?? ""
            return text.isEmpty ? nil : text
        }
        func problem(_ cause: String, _ remedy: String) -> Diagnostic {
            Diagnostic(.error, "the GitHub App cannot be used", subject: secret, cause: cause, remedy: remedy)
        }
        let fields = Self.fields
        var missing: [String] = []
        if text(fields.app) == nil, text(fields.client) == nil { missing.append(fields.app) }
        if text(fields.number) == nil, text(fields.owner) == nil { missing.append("\(fields.number) (or \(fields.owner))") }
        if text(fields.key) == nil { missing.append(fields.key) }
        guard missing.isEmpty, let issuer = text(fields.client) ?? text(fields.app), let pem = data[fields.key] else {
            throw problem(
                "it has no " + missing.joined(separator: ", no "),
                "add that to the Secret, as `flux create secret githubapp` makes it")
        }
        for field in [fields.app, fields.number] {
            guard let number = text(field), Int64(number).map({ $0 <= 0 }) ?? true else { continue }
            throw problem("\(field) is \(number), which is no number of GitHub's", "write the number that the App's page shows")
        }
        switch (text(fields.number), text(fields.owner)) {
        case (_?, _?): throw problem("it has \(fields.number) and \(fields.owner)", "keep one of them")
        case (let number?, nil): installation = .number(number)
        case (nil, let owner):
            let owner = owner ?? ""
            guard owner.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "-_".contains($0)) }) else {
                throw problem("\(fields.owner) is \(owner), which is no name on GitHub", "write the name of the organisation or user")
            }
            installation = .owner(owner)
        }
        var api = text(fields.api) ?? "https://api.github.com"
        while api.hasSuffix("/") { api.removeLast() }
        guard api.hasPrefix("https://") || api.hasPrefix("http://"), !api.contains("@") else {
            throw problem("\(fields.api) is no https:// URL", "write it as https://HOST/api/v3, or leave it out for github.com")
        }
        self.api = api
        self.issuer = issuer
        key = try Self.key(pem, problem)
    }

    private static func key(_ pem: String, _ problem: (String, String) -> Diagnostic) throws(Diagnostic) -> RSAPrivateKey {
        let remedy = "put the whole .pem file there that GitHub made on the App's page"
        do throws(CryptographyError) {
            guard let key = try RSAPrivateKey(text: pem, passphrase: nil) else { throw CryptographyError("it is no RSA key") }
            return key
        } catch {
            throw problem("\(fields.key) cannot be read: \(error)", remedy)
        }
    }

    /// What proves to GitHub for some minutes that the App asks: a JSON Web Token (RFC 7519) signed with RS256. GitHub takes none that
    /// begins in its future or lasts ten minutes, so it begins a minute ago, for clocks that differ.
    func assertion(at now: Timestamp) throws(CryptographyError) -> String {
        let second = now.secondsSinceEpoch
        let claims: Value = ["iat": .int(second - 60), "exp": .int(second + 300), "iss": .string(issuer)]
        let text = Self.encoded(JSONWriter.bytes(["alg": "RS256", "typ": "JWT"])) + "." + Self.encoded(JSONWriter.bytes(claims))
        let signature = Array(text.utf8).withUnsafeBytes { message -> Result<[UInt8], CryptographyError> in
            Result { () throws(CryptographyError) in try key.signature(of: message, algorithm: .sha256) }
        }
        return text + "." + Self.encoded(try signature.get())
    }

    /// Base64 with the alphabet for URLs and without padding (RFC 7515, 2).
    private static func encoded(_ bytes: [UInt8]) -> String {
        String(Base64.encode(bytes, padded: false).map { $0 == "+" ? "-" : $0 == "/" ? "_" : $0 })
    }
}
