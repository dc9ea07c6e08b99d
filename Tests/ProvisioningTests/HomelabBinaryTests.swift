import Diagnostics
import FileSystem
import Foundation
import NodeInventory
import Testing

@testable import Provisioning

/// The agents' own binary of a version that git names: pinned by `homelab lock`, and never another one.
@Suite struct HomelabBinaryTests {
    private let folder = NSTemporaryDirectory() + "homelab-binary-" + UUID().uuidString
    private let store: BinaryStore
    private var agent = AgentSpec()

    init() throws {
        store = BinaryStore(cache: folder + "/cache", transport: nil)
        agent.version = "0.2.0"
        agent.source = .folder("agents")
        try Files.makeDirectory(folder + "/agents/0.2.0")
        try Files.write("the agent", to: folder + "/agents/0.2.0/homelab-amd64")
        try Files.write("the k3s", to: folder + "/k3s")
    }

    @Test func `lock pins what lies there, beside k3s and what was pinned before`() async throws {
        defer { try? Files.removeTree(folder) }
        var spec = K3sSpec(version: K3sVersion(major: 1, minor: 36))
        spec.source = .folder(folder)
        var lock = try await ReleaseLock(spec, store: store, folderBase: folder)
        try await lock.add(agent, store: store, folderBase: folder)
        let sum = try #require(lock.agentSums[.amd64])
        #expect(lock.agentSums.count == 1 && sum.count == 64)
        let old = String(repeating: "a", count: 64)
        let before = "apiVersion: homelab.dev/v1alpha1\nkind: Lock\nk3s: {}\nhomelab:\n  0.1.0: {amd64: \(old)}\n"
        let text = lock.text(replacing: before)
        let inventory = """
            apiVersion: homelab.dev/v1alpha1
            kind: Cluster
            name: home
            k3s: {version: v1.36.0+k3s1}
            agent: {version: 0.2.0, source: agents}
            nodes: [{name: m1, role: server, host: 192.0.2.1}]
            """
        let read = try ClusterSpec.load("home.yaml", files: ["home.yaml": inventory, "home.lock.yaml": text])
        #expect(read.agent.sha256 == [.amd64: sum] && read.agent.source == .folder("agents"))
        #expect(text.contains(old))
    }

    @Test func `another file than the pinned one is refused`() async throws {
        defer { try? Files.removeTree(folder) }
        var agent = agent
        agent.sha256 = [.amd64: try #require(await store.homelabSum(agent, architecture: .amd64, folderBase: folder))]
        let binary = try await store.homelab(agent, architecture: .amd64, folderBase: folder)
        #expect(binary.path == folder + "/agents/0.2.0/homelab-amd64")
        try Files.write("something else", to: binary.path)
        let refused = await #expect(throws: Diagnostic.self) {
            try await store.homelab(agent, architecture: .amd64, folderBase: folder)
        }
        #expect(refused?.summary == "the homelab binary is not the one that is pinned")
        let unpinned = await #expect(throws: Diagnostic.self) {
            try await store.homelab(agent, architecture: .arm64, folderBase: folder)
        }
        #expect(unpinned?.remedy == "Run `homelab lock` and commit the lock file.")
    }
}
