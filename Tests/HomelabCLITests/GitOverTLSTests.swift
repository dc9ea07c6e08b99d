import Diagnostics
import Foundation
import Git
import HTTP
import HTTPNetworking
import HomelabTestSupport
import KubernetesModel
import NodeInventory
import Reconciliation
import Testing

@testable import HomelabCLI

/// The agent's own client, its transport and a real `git http-backend`, over TLS.
@Suite(.serialized) struct GitOverTLSTests {
    let host: GitHost
    let root: String
    let certificate: String

    init() throws {
        host = try GitHost()
        let (certificate, key) = try host.makeCertificate()
        self.certificate = try String(contentsOfFile: certificate, encoding: .utf8)
        root = try host.serve(certificate: certificate, key: key)
    }

    @Test func `a repository is fetched with a token, after a redirect, and a second time only what is new`() async throws {
        let first = try host.push(["a.yaml": "a: 1\n"])
        try "s3cret\n".write(toFile: host.folder + "/token", atomically: true, encoding: .utf8)
        let client = try AsyncHTTPTransport(tls: TLSOptions(trustRoots: certificate), followsRedirects: false)
        let transport = HTTPGitTransport(
            url: root + "/moved/home.git", username: "ada", tokenFile: host.folder + "/token", transport: client)
        let repository = RemoteRepository(transport: transport, following: .branch("main"), mirror: host.folder + "/mirror.git") { _ in }
        #expect(try await repository.fetch()?.id.hex == first)
        let second = try host.push(["b.yaml": "b: 2\n"])
        let commit = try #require(try await repository.fetch())
        #expect(commit.id.hex == second)
        #expect(try await repository.tree(of: commit.id, under: []).text("a.yaml") == "a: 1\n")
        await client.shutdown()
    }

    @Test func `the agent's configuration gives a source, and a certificate nobody vouches for is refused`() async throws {
        try host.push(["a.yaml": "a: 1\n"])
        var configuration = AgentConfiguration(cluster: "home", node: "m1", repository: .init(url: root + "/open/home.git"))
        configuration.stateDirectory = host.folder
        let source = try AgentRepository.source(of: configuration) { _ in }
        #expect(source.localPath == nil)
        let problem = await #expect(throws: SourceProblem.self) { try await source.head() }
        #expect(problem?.kind == .untrusted, "\(problem?.message ?? "")")
        #expect(problem?.message.hasSuffix("nobody who is trusted vouches for the server's certificate") == true)
        try certificate.write(toFile: host.folder + "/ca.crt", atomically: true, encoding: .utf8)
        configuration.repository.caFile = host.folder + "/ca.crt"
        #expect(try await AgentRepository.source(of: configuration) { _ in }.head() != nil)
        configuration.repository.url = host.bare
        #expect(try AgentRepository.source(of: configuration) { _ in }.localPath == host.bare)
        configuration.repository.url = "ssh://git@git.example/home.git"
        #expect(try AgentRepository.source(of: configuration) { _ in }.url == "ssh://git@git.example/home.git")
    }

    private func head(_ spec: GitRepositorySpec, _ secret: [String: String], proxy: [String: String] = [:]) async throws -> String? {
        var configuration = AgentConfiguration(cluster: "home", node: "m1", repository: .init(url: "/nowhere"))
        configuration.stateDirectory = host.folder
        let factory = AgentRepository.factory(configuration) { _ in }
        let source = try #require(
            try await factory(
                spec, RepositorySecrets(login: secret.mapValues { Array($0.utf8) }, proxy: proxy.mapValues { Array($0.utf8) })))
        return try await source.head()?.hex
    }

    @Test func `a GitRepository is reached with what its Secret holds`() async throws {
        let first = try host.push(["a.yaml": "a: 1\n"])
        func spec(_ path: String) -> GitRepositorySpec {
            GitRepositorySpec(namespace: "apps", name: "tools", url: root + path, branch: "main")
        }
        #expect(try await head(spec("/open/home.git"), ["ca.crt": certificate]) == first)
        #expect(
            try await head(spec("/basic/home.git"), ["caFile": certificate, "username": "ada", "password": "s3cret"]) == first)
        #expect(try await head(spec("/bearer/home.git"), ["ca.crt": certificate, "bearerToken": "s3cret"]) == first)
        let refused = await #expect(throws: SourceProblem.self) {
            try await head(spec("/basic/home.git"), ["ca.crt": certificate, "username": "ada", "password": "wrong"])
        }
        #expect(refused?.kind == .authentication && refused?.message.contains("wrong") == false, "\(refused?.message ?? "")")
    }

    @Test func `a GitRepository is reached through a proxy`() async throws {
        let first = try host.push(["a.yaml": "a: 1\n"])
        let proxy = try ConnectProxy(log: host.folder + "/tunnels")
        var spec = GitRepositorySpec(namespace: "apps", name: "tools", url: root + "/open/home.git", branch: "main")
        spec.proxySecret = "way-out"
        let data = ["address": "http://localhost:\(proxy.port)", "username": "ada", "password": "s3cret"]
        #expect(try await head(spec, ["ca.crt": certificate], proxy: data) == first)
        #expect(
            try String(contentsOfFile: host.folder + "/tunnels", encoding: .utf8).contains(
                "localhost:\(root.split(separator: ":").last ?? "")"))
        let refused = await #expect(throws: SourceProblem.self) {
            try await head(spec, ["ca.crt": certificate], proxy: data.merging(["password": "wrong"]) { $1 })
        }
        #expect(refused?.message.contains("proxy") == true && refused?.message.contains("wrong") == false, "\(refused?.message ?? "")")
        let useless = await #expect(throws: (any Error).self) { try await head(spec, [:], proxy: ["address": "localhost"]) }
        #expect("\(String(describing: useless))".contains("Secret/apps/way-out"))
    }

    @Test func `a GitHub App reads a repository by tokens of its own, which the proxy carries, too`() async throws {
        let first = try host.push(["a.yaml": "a: 1\n"])
        let proxy = try ConnectProxy(log: host.folder + "/tunnels")
        var spec = GitRepositorySpec(namespace: "apps", name: "tools", url: root + "/app/home.git", branch: "main")
        spec.provider = .github
        spec.secret = "app"
        let secret = [
            "ca.crt": certificate, "githubAppID": "7", "githubAppInstallationOwner": "ada", "githubAppPrivateKey": try host.makeApp(),
            "githubAppBaseURL": root + "/api/v3",
        ]
        spec.proxySecret = "way-out"
        let data = ["address": "http://localhost:\(proxy.port)", "username": "ada", "password": "s3cret"]
        #expect(try await head(spec, secret, proxy: data) == first)
        let tunnels = try String(contentsOfFile: host.folder + "/tunnels", encoding: .utf8)
        #expect(tunnels.split(separator: "\n").count >= 2, "to the API and to the repository: \(tunnels)")
        #expect(host.tokenCount == 1)
        spec.proxySecret = nil
        spec.provider = .generic
        let unsaid = await #expect(throws: Diagnostic.self) { try await head(spec, secret) }
        #expect(unsaid?.remedy?.hasPrefix("write spec.provider: github") == true, "\(String(describing: unsaid))")
        spec.provider = .github
        let login = await #expect(throws: Diagnostic.self) { try await head(spec, ["username": "ada", "password": "s3cret"]) }
        #expect(login?.cause?.hasPrefix("it has no githubAppID") == true && login?.subject == "Secret/apps/app")
    }

    @Test(arguments: [
        ("http://proxy:3128", "http://proxy:3128"), ("http://proxy", "http://proxy:80"), ("socks5://10.0.0.1/", "socks5://10.0.0.1:1080"),
        ("http://[fd00::1]:8080", "http://fd00::1:8080"), ("https://proxy:3128", nil), ("proxy:3128", nil), ("http://", nil),
        ("http://a:b@proxy:1", nil), ("http://proxy:0", nil), ("http://proxy:3128/path", nil),
    ])
    func `a proxy's address`(text: String, meaning: String?) { #expect(HTTPProxy(address: text)?.description == meaning) }

    @Test func `a repository over ssh wants a Secret with a key and pins`() async throws {
        let spec = GitRepositorySpec(namespace: "apps", name: "tools", url: "ssh://git@git.example/tools.git", branch: "main")
        let problem = await #expect(throws: (any Error).self) { try await head(spec, ["identity": "key"]) }
        #expect("\(String(describing: problem))".contains("known_hosts"))
    }
}

/// A proxy on loopback that tunnels by CONNECT for user `ada` with password `s3cret`, and writes down where to.
private final class ConnectProxy {
    let port: Int
    private let process: pid_t

    init(log: String) throws {
        port = try Loopback.freePort()
        let script = log + ".py"
        try Self.program.write(toFile: script, atomically: true, encoding: .utf8)
        process = try Loopback.spawn("/usr/bin/python3", [script, "\(port)", log])
        for _ in 0..<6000 {
            if let socket = try? Loopback.connect(port) {
                close(socket)
                return
            }
            usleep(10_000)
        }
        throw POSIXError(.ETIMEDOUT)
    }

    deinit {
        kill(process, SIGKILL)
        waitpid(process, nil, 0)
    }

    private static let program = """
        import base64, http.server, socket, sys, threading
        LOGIN = "Basic " + base64.b64encode(b"ada:s3cret").decode()

        def pump(source, target):
            while data := source.recv(65536): target.sendall(data)
            try: target.shutdown(socket.SHUT_WR)
            except OSError: pass

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_): pass

            def do_CONNECT(self):
                if self.headers.get("Proxy-Authorization") != LOGIN:
                    self.send_response(407)
                    self.send_header("Content-Length", "0")
                    return self.end_headers()
                with open(sys.argv[2], "a") as log: log.write(self.path + chr(10))
                host, port = self.path.rsplit(":", 1)
                with socket.create_connection((host, int(port))) as far:
                    self.send_response(200)
                    self.end_headers()
                    back = threading.Thread(target=pump, args=(far, self.connection), daemon=True)
                    back.start()
                    pump(self.connection, far)
                    back.join()

        http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
        """
}
