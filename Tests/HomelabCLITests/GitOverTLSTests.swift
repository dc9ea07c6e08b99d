import Foundation
import Git
import HTTP
import HTTPNetworking
import HomelabTestSupport
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
        let repository = RemoteRepository(transport: transport, branch: "main", mirror: host.folder + "/mirror.git") { _ in }
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
        configuration.repository.url = host.bare
        #expect(try AgentRepository.source(of: configuration) { _ in }.localPath == host.bare)
        configuration.repository.url = "ssh://git@git.example/home.git"
        #expect(try AgentRepository.source(of: configuration) { _ in }.url == "ssh://git@git.example/home.git")
    }
}
