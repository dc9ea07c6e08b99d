import Diagnostics
import Foundation
import Git
import HTTP
import HomelabTestSupport
import KubernetesModel
import Synchronization
import Testing
import YAML

@testable import Reconciliation

/// What a GitHub App's Secret may say, and how tokens are had with it.
struct GitHubAppTests {
    /// GitHub's API, as far as a test says.
    private final class API: HTTPTransport {
        let requests = Mutex<[HTTPRequest]>([])
        let answers = Mutex<[String: HTTPResponse]>([:])

        func on(_ line: String, _ status: Int, _ body: String, _ headers: [(name: String, value: String)] = []) {
            answers.withLock { $0[line] = HTTPResponse(status: status, headers: headers, body: Array(body.utf8)) }
        }

        var lines: [String] { requests.withLock { $0.map { "\($0.method) \($0.url)" } } }

        func send(_ request: HTTPRequest, timeout: Duration) async throws -> HTTPResponse {
            requests.withLock { $0.append(request) }
            let line = "\(request.method) \(request.url)"
            guard let answer = answers.withLock({ $0[line] }) else {
                throw HTTPError(.unreachable, url: request.url, detail: "nobody listens at \(line)")
            }
            return answer
        }

        func stream(_ request: HTTPRequest, timeout: Duration, idleTimeout: Duration?) async throws -> HTTPStreamingResponse {
            throw HTTPError(.invalidRequest, url: request.url, detail: "not in this test")
        }
    }

    private static let key: (private: String, public: String) = {
        let folder = NSTemporaryDirectory() + "homelab-app-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try Loopback.run("/usr/bin/openssl", ["genrsa", "-traditional", "-out", folder + "/key", "2048"])
            try Loopback.run("/usr/bin/openssl", ["rsa", "-in", folder + "/key", "-pubout", "-out", folder + "/pub"])
            return (
                try String(contentsOfFile: folder + "/key", encoding: .utf8), try String(contentsOfFile: folder + "/pub", encoding: .utf8)
            )
        } catch {
            Issue.record("openssl makes no key: \(error)")
            return ("", "")
        }
    }()

    private static let whole = ["githubAppID": "7", "githubAppInstallationID": "42\n", "githubAppPrivateKey": key.private]
    private static let place = "POST https://api.github.com/app/installations/42/access_tokens"
    private let api = API()
    private let clock = ManualClock()

    private func tokens(_ more: [String: String?] = [:]) throws -> GitHubInstallationTokens {
        var data = Self.whole
        for (key, text) in more { data[key] = text }
        return GitHubInstallationTokens(try GitHubApp(data, secret: "Secret/a/b"), transport: api, clock: clock, patience: .seconds(5))
    }

    private func answer(_ token: String, until seconds: Int) {
        let end = Timestamp(secondsSinceEpoch: clock.timestamp.secondsSinceEpoch + Int64(seconds))
        api.on(Self.place, 201, #"{"token": "\#(token)", "expires_at": "\#(end)"}"#)
    }

    @Test(arguments: [
        ([:] as [String: String?], "none"), (["githubAppID": nil], "it has no githubAppID"),
        (
            ["githubAppInstallationID": nil, "githubAppPrivateKey": nil],
            "no githubAppInstallationID (or githubAppInstallationOwner), no githubApp"
        ),
        (["githubAppID": "seven"], "githubAppID is seven"), (["githubAppInstallationID": "0"], "githubAppInstallationID is 0"),
        (["githubAppInstallationOwner": "ada"], "it has githubAppInstallationID and githubAppInstallationOwner"),
        (["githubAppInstallationID": nil, "githubAppInstallationOwner": "a/../b"], "which is no name on GitHub"),
        (["githubAppBaseURL": "github.example"], "githubAppBaseURL is no https:// URL"),
        (
            ["githubAppPrivateKey": "-----BEGIN RSA PRIVATE KEY-----\ns3cret\n-----END RSA PRIVATE KEY-----\n"],
            "githubAppPrivateKey cannot be read"
        ),
        (["githubAppPrivateKey": "s3cret"], "githubAppPrivateKey cannot be read"),
        (["githubAppID": nil, "githubAppClientID": "Iv23abc"], "none"),
    ])
    func `what a Secret lacks is named, and nothing of its key`(more: [String: String?], cause: String) {
        do {
            _ = try tokens(more)
            #expect(cause == "none")
        } catch {
            let text = String(describing: error)
            #expect(text.contains(cause) && text.contains("Secret/a/b"), "\(text)")
            #expect(!text.contains("s3cret"), "\(text)")
        }
    }

    @Test func `a key of another kind is told so`() throws {
        let folder = NSTemporaryDirectory() + "homelab-app-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Loopback.run("/usr/bin/openssl", ["genpkey", "-algorithm", "ed25519", "-out", folder + "/key"])
        let pem = try String(contentsOfFile: folder + "/key", encoding: .utf8)
        let problem = #expect(throws: Diagnostic.self) { try tokens(["githubAppPrivateKey": pem]) }
        #expect(problem?.cause == "githubAppPrivateKey cannot be read: it is no RSA key")
    }

    @Test func `the App signs what GitHub believes for some minutes`() throws {
        let app = try GitHubApp(Self.whole.merging(["githubAppClientID": "Iv23abc"]) { $1 }, secret: "s")
        let parts = try app.assertion(at: Timestamp(secondsSinceEpoch: 1000)).split(separator: ".").map(String.init)
        func bytes(_ text: String) -> Data? {
            let text = text.replacing("-", with: "+").replacing("_", with: "/")
            return Data(base64Encoded: text + String(repeating: "=", count: (4 - text.count % 4) % 4))
        }
        try #require(parts.count == 3)
        #expect(!parts.joined().contains { "+/=".contains($0) })
        #expect(try JSONReader.value(Array(bytes(parts[0]) ?? Data())) == ["alg": "RS256", "typ": "JWT"])
        #expect(try JSONReader.value(Array(bytes(parts[1]) ?? Data())) == ["iat": 940, "exp": 1300, "iss": "Iv23abc"])
        let folder = NSTemporaryDirectory() + "homelab-app-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Self.key.public.write(toFile: folder + "/pub", atomically: true, encoding: .utf8)
        try #require(bytes(parts[2])).write(to: URL(fileURLWithPath: folder + "/signature"))
        try (parts[0] + "." + parts[1]).write(toFile: folder + "/text", atomically: true, encoding: .utf8)
        try Loopback.run(
            "/usr/bin/openssl", ["dgst", "-sha256", "-verify", folder + "/pub", "-signature", folder + "/signature", folder + "/text"])
    }

    @Test func `a token is kept for four fifths of its time, and given up when the host refuses it`() async throws {
        let tokens = try tokens()
        answer("one", until: 3600)
        let credential = try await tokens.credential()
        #expect(credential.username == "x-access-token" && credential.secret.revealed == "one" && !credential.isBearer)
        let head = Dictionary(api.requests.withLock { $0 }.first?.headers.map { ($0.name, $0.value) } ?? []) { $1 }
        #expect(head["accept"] == "application/vnd.github+json" && head["authorization"]?.hasPrefix("Bearer ey") == true)
        answer("two", until: 7200)
        clock.advance(by: .seconds(2879))
        #expect(try await tokens.credential().secret.revealed == "one")
        clock.advance(by: .seconds(1))
        answer("two", until: 3600)
        #expect(try await tokens.credential().secret.revealed == "two")
        answer("three", until: 3600)
        await tokens.forget()
        #expect(try await tokens.credential().secret.revealed == "three")
        #expect(api.lines.count == 3)
    }

    @Test func `how long a token holds is read off GitHub's clock`() async throws {
        let tokens = try tokens()
        // It is 17 minutes later there.
        api.on(
            Self.place, 201, #"{"token": "one", "expires_at": "2027-01-15T08:27:00Z"}"#,
            [("date", "Fri, 15 Jan 2027 08:17:00 GMT")])
        _ = try await tokens.credential()
        clock.advance(by: .seconds(481))
        answer("two", until: 600)
        #expect(try await tokens.credential().secret.revealed == "two")
    }

    @Test func `an installation is found by its owner, a user or an organisation`() async throws {
        let tokens = try tokens(["githubAppInstallationID": nil, "githubAppInstallationOwner": "ada"])
        answer("one", until: 3600)
        api.on("GET https://api.github.com/orgs/ada/installation", 404, #"{"message": "Not Found"}"#)
        api.on("GET https://api.github.com/users/ada/installation", 200, #"{"id": 42}"#)
        #expect(try await tokens.credential().secret.revealed == "one")
        api.on("GET https://api.github.com/users/ada/installation", 404, #"{"message": "Not Found"}"#)
        await tokens.forget()
        let error = await #expect(throws: GitError.self) { try await tokens.credential() }
        #expect(error?.message.contains("no installation of this App for an organisation or user ada") == true)
    }

    @Test func `an enterprise server is asked where the Secret says`() async throws {
        let tokens = try tokens(["githubAppBaseURL": "https://git.example/api/v3/"])
        api.on("POST https://git.example/api/v3/app/installations/42/access_tokens", 201, #"{"token": "one"}"#)
        #expect(try await tokens.credential().secret.revealed == "one")
        clock.advance(by: .seconds(481))
        _ = try await tokens.credential()
        #expect(api.lines.count == 2, "without a word about its end it is kept for some minutes")
    }

    @Test(arguments: [
        (401, #"{"message": "A JSON web token could not be decoded"}"#, [], GitError.Kind.authentication, "have to be of one App"),
        (401, "{}", ["Fri, 15 Jan 2027 08:10:00 GMT"], .authentication, "this server's clock is 600 s behind GitHub's; set it (HTTP 401)"),
        (401, "{}", ["Fri, 15 Jan 2027 07:58:20 GMT"], .authentication, "this server's clock is 100 s ahead of GitHub's"),
        (401, "{}", ["Fri, 15 Jan 2027 08:00:20 GMT"], .authentication, "have to be of one App"),
        (404, #"{"message": "Not Found"}"#, [], .authentication, "knows no installation 42 of this App; a GitHub Enterprise Server's"),
        (403, #"{"message": "This installation has been suspended"}"#, [], .authentication, "has been suspended"),
        (429, "", [], .unreachable, "wants fewer requests"), (503, "<html>", [], .unreachable, "cannot answer now (HTTP 503)"),
        (302, "", [], .other, "redirects elsewhere"), (200, "<p>Welcome", [], .other, "does not answer as GitHub's API does"),
        (201, #"{"token": ""}"#, [], .other, "does not answer as GitHub's API does"),
    ])
    func `what GitHub says instead is told`(status: Int, body: String, date: [String], kind: GitError.Kind, words: String) async throws {
        api.on(Self.place, status, body, date.map { ("Date", $0) })
        let error = await #expect(throws: GitError.self) { try await tokens().credential() }
        #expect(error?.kind == kind && error?.message.contains(words) == true, "\(String(describing: error))")
        #expect(error?.message.contains("https://api.github.com") == true)
    }

    @Test func `a host that repeats what it was sent does not get it into a status`() async throws {
        let tokens = try tokens()
        api.on(Self.place, 401, "{}")
        _ = try? await tokens.credential()
        let sent = api.requests.withLock { $0 }.last?.headers.first { $0.name == "authorization" }?.value.dropFirst(7) ?? ""
        try #require(!sent.isEmpty)
        api.on(Self.place, 401, #"{"message": "bad \#(sent)"}"#)
        let error = await #expect(throws: GitError.self) { try await tokens.credential() }
        #expect(error?.message.contains("bad …") == true && error?.message.contains(sent) == false, "\(String(describing: error))")
    }

    @Test func `an API that cannot be reached keeps its kind`() async throws {
        let error = await #expect(throws: GitError.self) { try await tokens().credential() }
        #expect(error?.kind == .unreachable && error?.message.contains("cannot be asked for a token: nobody listens") == true)
    }

    @Test(arguments: [
        ("Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z"), ("Fri, 15 Jan 2027 08:00:00 GMT", "2027-01-15T08:00:00Z"),
        ("Sunday, 06-Nov-94 08:49:37 GMT", nil), ("Sun, 06 Now 1994 08:49:37 GMT", nil), ("", nil),
    ])
    func `a date of a web server`(text: String, meaning: String?) { #expect(Timestamp(httpDate: text)?.description == meaning) }
}
