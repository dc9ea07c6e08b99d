import Foundation
import HomelabTestSupport
import KubernetesModel
import Reconciliation
import Testing
import YAML

/// How a GitRepository's host is asked with what its Secret holds, against a real `git http-backend` over TLS and a real sshd, and what
/// its status says when it does not let the agent in.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct SyncLoginsLive {
    let bed: SyncBed

    init() throws {
        bed = try SyncBed.shared.get()
        try bed.startAgent()
    }

    private func text(_ file: String) throws -> String { try String(contentsOfFile: file, encoding: .utf8) }

    /// Those that are let in have applied the commit.
    private func awaitApplied(_ repositories: [FollowedRepository], at commit: String) async throws {
        for repository in repositories {
            do {
                try await bed.awaitUnit(repository.name, at: commit)
            } catch {
                let ready = try await bed.repository(repository.name)["Ready"]
                throw Lab.Timeout(
                    what: "\(repository.name): \(ready?.reason ?? "") \(ready?.message ?? "nothing")", seconds: 30 * Lab.patience)
            }
            #expect(try await bed.title("\(repository.name)-read") == "1")
        }
    }

    /// Each is told so, and nothing of it is applied.
    /// - Parameter reasons: of those that are not refused for their login.
    private func awaitRefused(_ repositories: [(FollowedRepository, words: [String])], reasons: [String: String] = [:]) async throws {
        for (repository, words) in repositories {
            try await bed.awaitTrouble(repository.name, reason: reasons[repository.name] ?? "AuthenticationFailed", words)
            try await bed.eventually("\(repository.name): the unit") {
                try await bed.unit(repository.name)?.ready?.reason == "ArtifactFailed"
            }
            #expect(try await bed.configMap("\(repository.name)-read") == nil)
            let message = try await bed.repository(repository.name)["Ready"]?.message ?? ""
            #expect(!message.contains("s3cret") && !message.contains("wr0ng") && !message.contains("PRIVATE KEY"), "\(message)")
            let isOfTheAgents = ["repository.hostKeys", "inventory", "bootstrap"].contains { message.contains($0) }
            #expect(!isOfTheAgents, "it is about another repository: \(message)")
        }
    }

    @Test func t01_overTLSByPasswordTokenAndCertificate() async throws {
        let host = try GitHost()
        let (server, client) = (try host.makeCertificate(), try host.makeCertificate("client"))
        let stranger = try host.makeCertificate("stranger")
        let root = try host.serve(certificate: server.certificate, key: server.key, client: client.certificate)
        let commit = try host.push(["app/a.yaml": SyncFiles.config("read", "1")])
        let authority = ["ca.crt": try text(server.certificate)]
        func repository(_ name: String, _ area: String, _ more: [String: String]) -> FollowedRepository {
            FollowedRepository(name: name, url: "\(root)/\(area)/home.git", secret: authority.merging(more) { $1 })
        }
        let certificate = ["tls.crt": try text(client.certificate), "tls.key": try text(client.key)]
        let known = [
            repository("tls-basic", "basic", ["username": "ada", "password": "s3cret"]),
            repository("tls-bearer", "bearer", ["bearerToken": "s3cret"]),
            repository("tls-authority", "open", [:]),
            repository("tls-certificate", "certificate", certificate),
            FollowedRepository(
                name: "tls-former-names", url: "\(root)/certificate/home.git",
                secret: ["caFile": try text(server.certificate), "certFile": try text(client.certificate), "keyFile": try text(client.key)]),
        ]
        var wrong = repository("tls-wrong", "basic", ["username": "ada", "password": "wr0ng"])
        let refused = [
            (wrong, words: ["it refuses the token (HTTP 401)", "the Secret"]),
            (repository("tls-wrong-token", "bearer", ["bearerToken": "wr0ng"]), ["it refuses the token (HTTP 401)", "the Secret"]),
            (repository("tls-no-login", "basic", [:]), ["it wants a token, and none is given", "spec.secretRef"]),
            (
                FollowedRepository(name: "tls-no-authority", url: "\(root)/open/home.git"),
                ["nobody who is trusted vouches for the server's certificate", "ca.crt"]
            ),
            (repository("tls-other-authority", "open", ["ca.crt": try text(stranger.certificate)]), ["vouches", "ca.crt"]),
            (repository("tls-broken", "open", ["ca.crt": "none\n"]), ["Secret/default/tls-broken", "PEM is expected", "correct ca.crt"]),
            (repository("tls-no-certificate", "certificate", [:]), ["HTTP 403", "the Secret"]),
            (
                repository("tls-stranger", "certificate", ["tls.crt": try text(stranger.certificate), "tls.key": try text(stranger.key)]),
                ["the server does not believe the certificate that it is shown", "the Secret"]
            ),
        ]
        try await bed.follow(known + refused.map { $0.0 })
        try await awaitApplied(known, at: commit)
        try await awaitRefused(refused, reasons: ["tls-no-authority": "GitOperationFailed", "tls-other-authority": "GitOperationFailed"])
        // What its owner corrects in the Secret counts at once.
        wrong.secret["password"] = "s3cret"
        try await bed.putSecret(wrong.name, wrong.secret)
        try await awaitApplied([wrong], at: commit)
        // And what is spoiled there is told; what was good stays.
        try await bed.putSecret("tls-basic", authority.merging(["username": "ada", "password": "wr0ng"]) { $1 })
        try await bed.awaitTrouble("tls-basic", reason: "AuthenticationFailed", ["it refuses the token"])
        #expect(try bed.kubectl("delete", "configmap", "tls-basic-read").succeeded)
        try await bed.eventually("what is gone comes back") { try await bed.title("tls-basic-read") == "1" }
    }

    @Test func t02_overSSHByKeyAndKnownHosts() async throws {
        let host = try GitHost()
        let server = try LoopbackServer(hostKeys: ["ed25519", "ecdsa"])
        let commit = try host.push(["app/a.yaml": SyncFiles.config("read", "1")])
        let name = "[127.0.0.1]:\(server.port)"
        func pin(_ key: String, of host: String) throws -> String {
            "\(host) \(try server.publicLine(key).split(separator: " ").prefix(2).joined(separator: " "))\n"
        }
        func repository(_ key: String, _ type: String, pin: String, passphrase: String = "", authorized: Bool = true) throws
            -> FollowedRepository
        {
            let file = try server.makeKey(key, type: type, passphrase: passphrase, authorized: authorized)
            var secret = ["identity": try text(file), "identity.pub": try server.publicLine(key) + "\n", "known_hosts": pin]
            if !passphrase.isEmpty { secret["password"] = passphrase }
            return FollowedRepository(name: key, url: "ssh://root@127.0.0.1:\(server.port)\(host.bare)", secret: secret)
        }
        let (edwards, elliptic) = (try pin("host_ed25519", of: name), try pin("host_ecdsa", of: name))
        let known = [
            try repository("ssh-ed25519", "ed25519", pin: edwards), try repository("ssh-ecdsa", "ecdsa", pin: elliptic),
            try repository("ssh-rsa", "rsa", pin: edwards + elliptic),
            try repository("ssh-locked", "ed25519", pin: edwards, passphrase: "s3cret"),
        ]
        let stranger = try repository("ssh-stranger", "ed25519", pin: edwards, authorized: false)
        var locked = try repository("ssh-wrong-phrase", "ed25519", pin: edwards, passphrase: "s3cret")
        locked.secret["password"] = "wr0ng"
        var bare = try repository("ssh-unpinned", "ed25519", pin: edwards)
        bare.secret["known_hosts"] = nil
        try server.makeKey("host_other", type: "ed25519")
        let refused = [
            (stranger, words: ["login refused", "its key is \(try server.publicLine("ssh-stranger"))", "register the key"]),
            (locked, ["wrong passphrase", "the Secret"]),
            (
                try repository("ssh-changed", "ed25519", pin: try pin("host_other", of: name)),
                ["its host key changed: it shows ssh-ed25519", "known_hosts"]
            ),
            (
                try repository("ssh-unknown", "ed25519", pin: try pin("host_ed25519", of: "git.example.org")),
                ["nobody vouches for its host key", "known_hosts"]
            ),
            (bare, ["needs a Secret with `identity` and `known_hosts`"]),
        ]
        try await bed.follow(known + refused.map { $0.0 })
        try await awaitApplied(known, at: commit)
        try await awaitRefused(refused, reasons: ["ssh-changed": "GitOperationFailed", "ssh-unknown": "GitOperationFailed"])
        // A key that is registered counts at the next look, a known_hosts that is completed at once.
        let keys = server.directory.appendingPathComponent("authorized_keys")
        try (text(keys.path) + server.publicLine("ssh-stranger") + "\n").write(to: keys, atomically: true, encoding: .utf8)
        bare.secret["known_hosts"] = edwards
        try await bed.putSecret(bare.name, bare.secret)
        try await awaitApplied([stranger, bare], at: commit)
    }

    @Test func t03_aHostThatTakesConnectionsAndNeverAnswers() async throws {
        let (socket, port) = try Loopback.listen()
        defer { close(socket) }
        let keys = try SigningKeys()
        let line = try keys.sshKey("id", "ed25519")
        let secret = ["identity": try keys.text("id"), "known_hosts": "[127.0.0.1]:\(port) \(line)\n"]
        let start = Date()
        try await bed.follow([
            FollowedRepository(name: "mute-http", url: "http://127.0.0.1:\(port)/home.git", more: "timeout: 2s"),
            FollowedRepository(name: "mute-ssh", url: "ssh://git@127.0.0.1:\(port)/home.git", secret: secret, more: "timeout: 2s"),
        ])
        for name in ["mute-http", "mute-ssh"] {
            try await bed.awaitTrouble(name, ["the agent keeps trying; see what the host is busy with"])
        }
        #expect(Date().timeIntervalSince(start) < 15, "spec.timeout is two seconds")
    }

    /// A host that is GitHub to an App, and what the App's Secret says.
    private func githubHost(_ rules: GitHubAppRules = GitHubAppRules()) throws -> (host: GitHost, url: String, secret: [String: String]) {
        let host = try GitHost()
        let server = try host.makeCertificate()
        let root = try host.serve(certificate: server.certificate, key: server.key)
        let secret = [
            "ca.crt": try text(server.certificate), "githubAppID": "7", "githubAppInstallationID": "42",
            "githubAppPrivateKey": try host.makeApp(rules), "githubAppBaseURL": root + "/api/v3",
        ]
        return (host, root + "/app/home.git", secret)
    }

    @Test func t04_byAGitHubApp() async throws {
        let (host, url, secret) = try githubHost()
        let commit = try host.push(["app/a.yaml": SyncFiles.config("read", "1")])
        func repository(_ name: String, _ more: [String: String?] = [:], provider: String = "provider: github") -> FollowedRepository {
            var data = secret
            for (key, text) in more { data[key] = text }
            return FollowedRepository(name: name, url: url, secret: data, more: provider)
        }
        let known = [
            repository("app-number"), repository("app-owner", ["githubAppInstallationID": nil, "githubAppInstallationOwner": "ada"]),
        ]
        let stranger = try GitHost()
        var wrong = repository("app-wrong-key", ["githubAppPrivateKey": try stranger.makeApp()])
        var rules = GitHubAppRules()
        rules.skew = 1000
        let ahead = try githubHost(rules)
        let late = FollowedRepository(name: "app-late", url: ahead.url, secret: ahead.secret, more: "provider: github")
        let refused = [
            (wrong, words: ["does not believe what the GitHub App has signed", "HTTP 401", "have to be of one App", "the Secret"]),
            (repository("app-wrong-place", ["githubAppInstallationID": "43"]), ["knows no installation 43 of this App (HTTP 404"]),
            (repository("app-no-key", ["githubAppPrivateKey": nil]), ["Secret/default/app-no-key", "it has no githubAppPrivateKey"]),
            (
                repository("app-no-pem", ["githubAppPrivateKey": "-----BEGIN RSA PRIVATE KEY-----\ns3cret\n"]),
                ["githubAppPrivateKey cannot be read"]
            ),
            (repository("app-unsaid", provider: ""), ["spec.provider of the GitRepository is not github"]),
            (late, ["this server's clock is ", "behind GitHub's; set it"]),
            (repository("app-azure", provider: "provider: azure"), ["spec.provider azure wants credentials"]),
        ]
        try await bed.follow(known + refused.map { $0.0 })
        try await awaitApplied(known, at: commit)
        let reason = "InvalidProviderConfiguration"
        try await awaitRefused(refused, reasons: ["app-unsaid": reason, "app-azure": reason])
        // What its owner corrects in the Secret counts at once.
        wrong.secret["githubAppPrivateKey"] = secret["githubAppPrivateKey"]
        try await bed.putSecret(wrong.name, wrong.secret)
        try await awaitApplied([wrong], at: commit)
        let log = try text(bed.folder + "/agent-0/log")
        let told = ["s3cret", "PRIVATE KEY", "Bearer", "eyJ"].filter { log.contains($0) }
        #expect(told.isEmpty, "\(told) in the agent's log")
    }

    @Test func t05_tokensOfAGitHubAppEndAndAreTakenBack() async throws {
        var rules = GitHubAppRules()
        rules.life = 10
        let (host, url, secret) = try githubHost(rules)
        var commit = try host.push(["app/a.yaml": SyncFiles.config("read", "1")])
        let repository = FollowedRepository(name: "app-short", url: url, secret: secret, more: "provider: github")
        try await bed.follow([repository])
        try await awaitApplied([repository], at: commit)
        // Two of them end meanwhile, and no look fails.
        let (tokens, start) = (host.tokenCount, Date())
        while Date().timeIntervalSince(start) < 20 {
            let ready = try await bed.repository(repository.name)["Ready"]
            #expect(ready?.status == "True", "\(ready?.message ?? "")")
            try await Task.sleep(for: .milliseconds(500))
        }
        let given = host.tokenCount - tokens
        #expect((2...3).contains(given), "\(given) tokens in 20 s, each good for 10")
        #expect(host.requests.count { $0.hasPrefix("GET /app/home.git/info/refs") } >= 10, "it is looked at all the time")
        // Another, once the one that is held is taken back.
        try host.revokeTokens()
        commit = try host.push(["app/a.yaml": SyncFiles.config("read", "2")])
        try await bed.awaitUnit(repository.name, at: commit)
        #expect(try await bed.title("app-short-read") == "2")
    }
}
