import Cryptography
import Diagnostics
package import Git
package import HTTP
import KubernetesModel
import YAML

/// The tokens by which an installed GitHub App reads repositories. Each is good for an hour; another is asked for before one ends
/// (https://docs.github.com/en/rest/apps/apps#create-an-installation-access-token-for-an-app).
package actor GitHubInstallationTokens {
    private let app: GitHubApp
    private let transport: any HTTPTransport
    private let clock: any AgentClock
    private let patience: Duration
    private var held: (credential: GitCredential, renewal: Duration)?
    private var request: Task<Result<GitCredential, GitError>, Never>?

    /// - Parameters:
    ///   - transport: must not follow redirects by itself.
    ///   - patience: how long one answer of GitHub's may take.
    package init(_ app: GitHubApp, transport: any HTTPTransport, clock: any AgentClock, patience: Duration) {
        self.app = app
        self.transport = transport
        self.clock = clock
        self.patience = patience
    }

    /// The login that is good for now; whoever asks while one is on its way gets that one.
    package func credential() async throws(GitError) -> GitCredential {
        if let held, clock.now < held.renewal { return held.credential }
        let task = request ?? Task { await self.renewed() }
        request = task
        let result = await task.value
        if request == task { request = nil }
        return try result.get()
    }

    /// The host did not take it: the App may have been installed anew.
    package func forget() { held = nil }

    private func renewed() async -> Result<GitCredential, GitError> {
        do throws(GitError) {
            let start = clock.now
            let (token, lifetime) = try await token()
            let credential = GitCredential(username: "x-access-token", secret: token)
            held = (credential, start + lifetime * 4 / 5)
            return .success(credential)
        } catch {
            return .failure(error)
        }
    }

    // MARK: Asking GitHub

    private func token() async throws(GitError) -> (Secret, lifetime: Duration) {
        let assertion: String
        do throws(CryptographyError) {
            assertion = try app.assertion(at: clock.timestamp)
        } catch {
            throw GitError(.authentication, operation: "", message: "the GitHub App's key cannot sign: \(error)")
        }
        let number = try await number(assertion)
        let (response, answer) = try await ask("POST", "/app/installations/\(number)/access_tokens", assertion)
        guard response.status == 201, let token = answer["token"]?.string, !token.isEmpty else {
            throw refusal(response, answer, assertion, missing: "no installation \(number) of this App")
        }
        // By GitHub's own clock, where it tells.
        let now = response.header("Date").flatMap { Timestamp(httpDate: $0) } ?? clock.timestamp
        let end = answer["expires_at"]?.string.flatMap { Timestamp($0) }
        return (Secret(token), max(end.map { now.duration(to: $0) } ?? .seconds(600), .seconds(1)))
    }

    private func number(_ assertion: String) async throws(GitError) -> String {
        switch app.installation {
        case .number(let number): return number
        case .owner(let owner):
            var (response, answer) = try await ask("GET", "/orgs/\(owner)/installation", assertion)
            if response.status == 404 { (response, answer) = try await ask("GET", "/users/\(owner)/installation", assertion) }
            guard response.status == 200, let number = answer["id"]?.int else {
                throw refusal(response, answer, assertion, missing: "no installation of this App for an organisation or user \(owner)")
            }
            return String(number)
        }
    }

    private func ask(_ method: String, _ path: String, _ assertion: String) async throws(GitError) -> (HTTPResponse, Value) {
        let request = HTTPRequest(
            method: method, url: app.api + path,
            headers: [
                ("accept", "application/vnd.github+json"), ("x-github-api-version", "2022-11-28"), ("user-agent", "homelab"),
                ("authorization", "Bearer " + assertion),
            ])
        do {
            let response = try await transport.send(request, timeout: patience)
            return (response, (try? JSONReader.value(response.body)) ?? .null)
        } catch {
            let error = GitError(http: error)
            throw GitError(error.kind, operation: "", message: "\(app.api) cannot be asked for a token: \(error.message)")
        }
    }

    // MARK: What GitHub says instead

    private func refusal(_ response: HTTPResponse, _ answer: Value, _ assertion: String, missing: String) -> GitError {
        let words = String((answer["message"]?.string ?? "").replacing(assertion, with: "…").filter { !$0.isNewline }.prefix(200))
        let status = "HTTP \(response.status)" + (words.isEmpty ? "" : ": \(words)")
        func error(_ kind: GitError.Kind, _ text: String) -> GitError {
            GitError(kind, operation: "", message: "\(app.api) \(text) (\(status))")
        }
        let isBusy = response.header("x-ratelimit-remaining") == "0" || response.header("retry-after") != nil
        switch response.status {
        case 401:
            let usual = "githubAppID and githubAppPrivateKey have to be of one App, and the key one that GitHub still lists"
            return error(.authentication, "does not believe what the GitHub App has signed: " + (skew(response) ?? usual))
        case 403 where isBusy, 429: return error(.unreachable, "wants fewer requests for a while")
        case 403: return error(.authentication, "lets the GitHub App have no token")
        case 404:
            let place = "a GitHub Enterprise Server's githubAppBaseURL is https://HOST/api/v3"
            return error(.authentication, "knows \(missing)" + (app.api.hasSuffix("/api/v3") ? "" : "; \(place)"))
        case 422: return error(.authentication, "does not give the token that is asked for")
        case 500...: return error(.unreachable, "cannot answer now")
        case 300..<400: return error(.other, "redirects elsewhere; githubAppBaseURL has to be where the API itself is")
        default: return error(.other, "does not answer as GitHub's API does")
        }
    }

    /// When the clocks differ by more than an assertion bears, that is why even a good signature is not believed.
    private func skew(_ response: HTTPResponse) -> String? {
        guard let theirs = response.header("Date").flatMap({ Timestamp(httpDate: $0) }) else { return nil }
        let seconds = theirs.duration(to: clock.timestamp).components.seconds
        guard seconds > 50 || seconds < -280 else { return nil }
        return "this server's clock is \(abs(seconds)) s \(seconds > 0 ? "ahead of" : "behind") GitHub's; set it"
    }
}
