import Diagnostics
import FileSystem
import NodeInventory
import NodePlanning
import Testing

@testable import Provisioning

/// What an agent, to whom nobody gives the operator's secrets, takes in their place.
@Suite struct ServerSecretsTests {
    private func spec(_ more: String) throws -> ClusterSpec {
        try ClusterSpec.load(
            "home.yaml",
            files: [
                "home.yaml": """
                apiVersion: homelab.dev/v1alpha1
                kind: Cluster
                name: home
                k3s:
                  version: v1.33.4+k3s1
                  registries:
                    mirrors: {docker.io: {endpoint: ["https://mirror.home"]}}
                    configs:
                      a.home: {auth: {username: me, password: {file: secrets/a}}}
                      b.home: {auth: {token: {env: HOMELAB_TEST_NOT_SET}}}
                      c.home: {auth: {username: me, password: {file: here}}}
                      d.home: {auth: {username: me, password: {file: secrets/d}}}
                nodes: [{name: s1, role: server, host: 10.0.0.1}]
                \(more)
                """
            ])
    }

    @Test func whatBootstrapBroughtStandsForTheOperatorsFiles() throws {
        let spec = try spec(
            """
            repository: {url: "https://git.home/r.git", token: {env: TOKEN}, ca: {file: ca.crt}, signers: signers}
            agent: {webhook: {secret: {file: hook}}}
            """)
        let all = spec.asServersHoldIt { _ in true }
        #expect(all.repository.token == .file("/etc/homelab/repository-token"))
        #expect(all.repository.ca == .file("/etc/homelab/repository-ca.crt"))
        #expect(all.repository.signers == .file("/etc/homelab/allowed_signers"))
        #expect(all.agent.webhook?.secret == .file("/etc/homelab/webhook-secret"))
        let none = spec.asServersHoldIt { _ in false }
        #expect(none.repository.token == .environment("TOKEN") && none.agent.webhook == spec.agent.webhook)
        #expect(none.repository.ca == spec.repository.ca && none.repository.signers == nil)
        #expect(try self.spec("").asServersHoldIt { _ in true }.agent.webhook == nil)
    }

    @Test func loginsOfRegistriesAreTakenFromTheServersOwnFile() throws {
        let folder = try Files.makeTemporaryDirectory()
        try Files.write("hunter1\n", to: folder + "/here")
        let source = SecretSource(base: folder, prompt: nil)
        let own = """
            # Written by homelab
            configs:
              a.home:
                auth: {username: me, password: "it's \\"hunter2\\""}
              b.home: {auth: {token: "123"}}
              c.home: {auth: {username: me, password: old}}
              e.home: {auth: {username: me, password: other}}
            """
        let borrowed = try spec("").borrowedSecrets(from: own, lackedBy: source)
        #expect(borrowed.mapValues(\.revealed) == [.file("secrets/a"): "it's \"hunter2\"", .environment("HOMELAB_TEST_NOT_SET"): "123"])
        #expect(try spec("").borrowedSecrets(from: nil, lackedBy: source).isEmpty)
        try Files.removeTree(folder)
    }

    /// Two places of one reference that differ: which of them it is nobody can tell.
    @Test func aReferenceWithSeveralValuesIsNotBorrowed() throws {
        let reference: SecretReference = .file("p")
        let login: (String) -> String = { "auth: {username: me, password: \($0)}" }
        let wanted = "configs: {a.home: {\(login("{file: p}"))}, b.home: {\(login("{file: p}"))}}"
        let inventory = """
            {apiVersion: homelab.dev/v1alpha1, kind: Cluster, name: home, k3s: {version: v1.33.4+k3s1, registries: {\(wanted)}},
             nodes: [{name: s1, role: server, host: 10.0.0.1}]}
            """
        let spec = try ClusterSpec.load("home.yaml", files: ["home.yaml": inventory])
        let source = SecretSource(base: "/nowhere", prompt: nil)
        let same = "configs: {a.home: {\(login("x"))}, b.home: {\(login("x"))}}"
        #expect(spec.borrowedSecrets(from: same, lackedBy: source).keys.contains(reference))
        #expect(spec.borrowedSecrets(from: "configs: {a.home: {\(login("x"))}, b.home: {\(login("y"))}}", lackedBy: source).isEmpty)
    }
}
