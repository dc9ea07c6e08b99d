import Diagnostics
import Git
import HTTP
import HTTPNetworking
import KubernetesModel
import Reconciliation
import SSH

/// How the repository of a GitRepository is reached, and the submodules in it, with what its Secret holds.
struct RepositoryAccess: Sendable {
    private let spec: GitRepositorySpec
    private let data: [String: String]
    private let client: AsyncHTTPTransport
    /// Without the login and the certificates, for other hosts.
    private let stranger: AsyncHTTPTransport
    /// Where a GitHub App stands for a login.
    private let tokens: GitHubInstallationTokens?

    init(_ spec: GitRepositorySpec, _ data: [String: String], proxy: [String: String]) throws {
        self.spec = spec
        self.data = data
        let tls = TLSOptions(
            trustRoots: data["ca.crt"] ?? data["caFile"], clientCertificate: data["tls.crt"] ?? data["certFile"],
            clientKey: data["tls.key"] ?? data["keyFile"])
        let app = try Self.app(spec, data)
        let way = try Self.proxy(spec, proxy)
        do throws(HTTPError) {
            client = try AsyncHTTPTransport(tls: tls, followsRedirects: false, connectionsPerHost: 2, proxy: way)
        } catch {
            throw Diagnostic(
                .error, error.detail, subject: "Secret/\(spec.namespace)/\(spec.secret ?? "")",
                remedy: "correct ca.crt, tls.crt or tls.key in it")
        }
        stranger = try AsyncHTTPTransport(followsRedirects: false, connectionsPerHost: 2, proxy: way)
        tokens = app.map { [client] app in
            GitHubInstallationTokens(app, transport: client, clock: SystemClock(), patience: min(spec.timeout, .seconds(60)))
        }
    }

    private static func app(_ spec: GitRepositorySpec, _ data: [String: String]) throws(Diagnostic) -> GitHubApp? {
        let secret = "Secret/\(spec.namespace)/\(spec.secret ?? "")"
        if spec.provider == .github { return try GitHubApp(data, secret: secret) }
        guard !GitHubApp.isNamed(in: data) else {
            throw Diagnostic(
                .error, "\(spec.plainURL) cannot be reached with a GitHub App as it is written", subject: secret,
                cause: "the Secret names an App, and spec.provider of the GitRepository is not github",
                remedy: "write spec.provider: github, or put a login into the Secret")
        }
        return nil
    }

    private static func proxy(_ spec: GitRepositorySpec, _ data: [String: String]) throws -> HTTPProxy? {
        guard let name = spec.proxySecret else { return nil }
        let login = data["username"].map { HTTPProxy.Login(username: $0, password: data["password"] ?? "") }
        let address = data["address"] ?? ""
        guard let proxy = HTTPProxy(address: address, login: login) else {
            throw Diagnostic(
                .error, "the proxy's address cannot be used", subject: "Secret/\(spec.namespace)/\(name)",
                cause: address.isEmpty ? "the Secret has no `address`" : "`address` is \(address)",
                remedy: "write it as http://HOST:PORT or socks5://HOST:PORT, and the login under `username` and `password`")
        }
        if proxy.kind == .socks, login != nil {
            throw Diagnostic(
                .error, "a SOCKS proxy with a login cannot be used", subject: "Secret/\(spec.namespace)/\(name)",
                remedy: "let the proxy take this server without one, or give the address of an HTTP proxy")
        }
        return proxy
    }

    /// nil when there is no way to such a URL.
    func transport(to url: String) throws -> (any GitTransport)? {
        // The user that git hosts are spoken to with, where neither the Secret nor the URL names another.
        if let remote = SSHRemote(url, login: text("username"), fallback: "git") {
            let login = try login()
            return SSHGitTransport(remote) { login }
        }
        guard url.hasPrefix("https://") || url.hasPrefix("http://") else { return nil }
        if let tokens {
            return HTTPGitTransport(
                url: url, transport: client, credential: { () throws(GitError) in try await tokens.credential() },
                refused: { await tokens.forget() })
        }
        let credential = credential
        return HTTPGitTransport(url: url, transport: client) { credential }
    }

    /// The login is for the repository's own host and for no other that a commit may name.
    func submodule(_ url: String) throws -> any GitTransport {
        let url = RemoteBases.sshURL(url)
        if Self.origin(url) == Self.origin(spec.url), let transport = try transport(to: url) { return transport }
        guard url.hasPrefix("https://") else {
            throw Diagnostic(
                .error, "\(RepositoryURL(url).plain) is not on the host of \(spec.plainURL)",
                cause: "the login of the GitRepository is for its own host",
                remedy: "give the submodule an https:// URL that needs no login, or keep it on the same host")
        }
        return HTTPGitTransport(url: url, transport: stranger) { nil }
    }

    /// `https://host:port`, without a user's name.
    private static func origin(_ url: String) -> String {
        let parts = url.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count >= 3 else { return url }
        return parts[0] + "//" + (parts[2].split(separator: "@").last ?? "")
    }

    private var credential: GitCredential? {
        if let token = text("bearerToken") { return GitCredential(secret: Secret(token), isBearer: true) }
        let login = RepositoryURL(spec.url)
        return (text("password") ?? login.password).map { GitCredential(username: text("username") ?? login.user, secret: Secret($0)) }
    }

    /// nil for an empty value, too.
    private func text(_ key: String) -> String? { data[key].flatMap { $0.isEmpty ? nil : $0 } }

    private func login() throws -> GitLogin {
        guard let identity = data["identity"], let knownHosts = data["known_hosts"] else {
            throw Diagnostic(
                .error, "\(spec.url) needs a Secret with `identity` and `known_hosts`", subject: "\(spec.namespace)/\(spec.name)",
                remedy: "name it in spec.secretRef, as `flux create secret git` makes it")
        }
        let passphrase = data["password"]
        return GitLogin(
            authentication: [
                .key(text: identity, name: "the Secret \(spec.namespace)/\(spec.secret ?? "")", passphrase: { _ in passphrase })
            ],
            knownHosts: KnownHosts(text: knownHosts), publicKey: data["identity.pub"])
    }
}
