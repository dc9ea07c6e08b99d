import Foundation
import Git
import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

/// What the Kustomization that Flux' bootstrap wrote for the agent's own directory says of itself.
extension UnitsTests {
    private static let sync = "clusters/home/flux-system/gotk-sync.yaml"

    /// The repository of a Flux whose own Kustomization says this besides, with one object more in its directory.
    private func files(_ more: String) throws -> [String: String] {
        var files = Self.bootstrappedByFlux
        let plain = try #require(files[Self.sync])
        files[Self.sync] = plain.replacing("path: ./clusters/home, prune: true,", with: "path: ./clusters/home, \(more),")
        try #require(files[Self.sync] != plain)
        files["clusters/home/zone.yaml"] = """
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: zone, namespace: default}
            data: {zone: "${zone:=none}"}
            """
        return files
    }

    private func zone() async -> String? { await bench.api.object(Self.config("zone"))?.value[path: "data", "zone"]?.string }

    @Test func `its variables, patches and common labels count for the agent's own directory, and change with it`() async throws {
        let patch = "patches: [{target: {kind: ConfigMap, name: zone}, patch: \"- {op: add, path: /data/more, value: yes it is}\"}]"
        let more = "prune: true, postBuild: {substitute: {zone: home.arpa}}, commonMetadata: {labels: {from: flux}}, \(patch)"
        try await bench.run { source in
            var commit = bench.repository.push(try files(more))
            source.wake()
            try await bench.phase(.ready, at: commit)
            let object = await bench.api.object(Self.config("zone"))
            #expect(object?.value[path: "data", "zone"] == "home.arpa" && object?.value[path: "data", "more"] == "yes it is")
            #expect(object?.label("from") == "flux")
            #expect(await bench.api.requests.filter { $0.verb == .apply && $0.name == "zone" }.count == 1, "never otherwise")
            commit = bench.repository.push(try files("prune: true, postBuild: {substitute: {zone: example.org}}"))
            source.wake()
            try await bench.phase(.ready, at: commit)
            #expect(await zone() == "example.org")
            #expect(await bench.api.object(Self.config("zone"))?.label("from") == nil)
            commit = bench.repository.push(Self.bootstrappedByFlux)
            source.wake()
            try await bench.phase(.ready, at: commit)
            // Not before the units that might want it have been built from this commit.
            try await eventually("it goes") { await bench.api.object(Self.config("zone")) == nil }
        }
    }

    @Test func `without prune nothing of it is deleted, from the very commit that says so`() async throws {
        try await bench.run { source in
            var commit = bench.repository.push(try files("prune: true, force: true"))
            source.wake()
            try await bench.phase(.ready, at: commit)
            var files = try files("prune: false")
            files["clusters/home/zone.yaml"] = nil
            commit = bench.repository.push(files)
            source.wake()
            try await bench.phase(.ready, at: commit)
            #expect(await zone() != nil)
        }
    }

    @Test func `its decryption opens files of the agent's own directory with the Secret beside it`() async throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        func fixture(_ name: String) throws -> String {
            try String(contentsOf: folder.appendingPathComponent("SOPSTests/Fixtures/" + name), encoding: .utf8)
        }
        let keys = Data(try fixture("keys.txt").utf8).base64EncodedString()
        await bench.api.put(
            Manifest([
                "apiVersion": "v1", "kind": "Secret", "metadata": ["name": "sops-age", "namespace": "flux-system"],
                "data": ["age.agekey": .string(keys)],
            ]))
        var files = try files("prune: true, decryption: {provider: sops, secretRef: {name: sops-age}}")
        files["clusters/home/database/kustomization.yaml"] = "namespace: default\nresources: [secret.yaml]\n"
        files["clusters/home/database/secret.yaml"] = try fixture("secret.yaml")
        try await bench.run { source in
            let commit = bench.repository.push(files)
            source.wake()
            try await bench.phase(.ready, at: commit)
            #expect(await bench.api.keys.contains { $0.kind == "Secret" && $0.name == "db" })
        }
    }
}
