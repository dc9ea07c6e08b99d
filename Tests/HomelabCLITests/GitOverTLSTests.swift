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
        try certificate.write(toFile: host.folder + "/ca.crt", atomically: true, encoding: .utf8)
        configuration.repository.caFile = host.folder + "/ca.crt"
        #expect(try await AgentRepository.source(of: configuration) { _ in }.head() != nil)
        configuration.repository.url = host.bare
        #expect(try AgentRepository.source(of: configuration) { _ in }.localPath == host.bare)
        configuration.repository.url = "ssh://git@git.example/home.git"
        #expect(try AgentRepository.source(of: configuration) { _ in }.url == "ssh://git@git.example/home.git")
    }

    private func head(_ spec: GitRepositorySpec, _ secret: [String: String]) async throws -> String? {
        var configuration = AgentConfiguration(cluster: "home", node: "m1", repository: .init(url: "/nowhere"))
        configuration.stateDirectory = host.folder
        let factory = AgentRepository.factory(configuration) { _ in }
        let source = try #require(try await factory(spec, secret.mapValues { Array($0.utf8) }))
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

    @Test func `a repository over ssh wants a Secret with a key and pins`() async throws {
        let spec = GitRepositorySpec(namespace: "apps", name: "tools", url: "ssh://git@git.example/tools.git", branch: "main")
        let problem = await #expect(throws: (any Error).self) { try await head(spec, ["identity": "key"]) }
        #expect("\(String(describing: problem))".contains("known_hosts"))
    }
}
