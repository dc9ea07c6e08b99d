import Foundation
import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

/// What of secrets gets into the cluster, and what is told of them.
extension UnitsTests {
    private func encrypted(_ name: String) throws -> Data {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return try Data(contentsOf: folder.appendingPathComponent("SOPSTests/Fixtures/" + name))
    }

    private func encryptedText(_ name: String) throws -> String { String(decoding: try encrypted(name), as: UTF8.self) }

    private func put(_ name: String, _ texts: [String: String]) async {
        let data = texts.map { Object.Member(key: $0.key, value: .string(Data($0.value.utf8).base64EncodedString())) }
        await bench.api.put(
            Manifest([
                "apiVersion": "v1", "kind": "Secret", "metadata": ["name": .string(name), "namespace": "default"],
                "data": .object(Object(data)),
            ]))
    }

    /// All that is told of units: their objects and Events.
    private func told() async -> String {
        var result = ""
        for key in await bench.api.keys where ["Event", "Kustomization"].contains(key.kind) || key.name.hasPrefix("homelab-status") {
            if let object = await bench.api.object(key) { result += JSONWriter.text(object.value) + "\n" }
        }
        return result
    }

    private static let decryption = "targetNamespace: default\ndecryption: {provider: sops, secretRef: {name: sops-age}}"

    @Test func `files of generators are opened for Secrets alone, as their keys say`() async throws {
        await put("sops-age", ["age.agekey": "AGE-PLUGIN-YUBIKEY-1QQQQ\n" + (try encryptedText("keys.txt"))])
        let kustomization = """
            generatorOptions: {disableNameSuffixHash: true}
            secretGenerator:
            - {name: files, files: [.dockerconfigjson=registry.encrypted, store.p12, config.json=registry.encrypted]}
            - {name: envs, envs: [app.env.encrypted]}
            configMapGenerator:
            - {name: open, files: [values.json]}

            """
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit("a", path: "a", more: Self.decryption), "a/kustomization.yaml": kustomization,
            "a/registry.encrypted": try encryptedText("registry.encrypted"), "a/store.p12": try encryptedText("store.p12"),
            "a/app.env.encrypted": try encryptedText("app.env"), "a/values.json": try encryptedText("values.json"),
        ])
        try await bench.run { _ in
            try await awaitReady("a")
            func data(_ name: String, _ key: String) async -> Data? {
                let object = await bench.api.object(ObjectKey(group: "", kind: "Secret", namespace: "default", name: name))
                return Data(base64Encoded: object?.value["data"]?[key]?.string ?? "", options: .ignoreUnknownCharacters)
            }
            for key in [".dockerconfigjson", "config.json"] {
                let text = try #require(await data("files", key))
                #expect(try JSONReader.value(Array(text)) == ["auths": ["ghcr.io": ["auth": "YWRhOnBhc3N3b3Jk"]]])
            }
            #expect(await data("files", "store.p12") == Data([0x30, 0x82, 0xFF, 0x00, 0xFE, 0x0A]))
            #expect(await data("envs", "PASSWORD") == Data("a=b c".utf8))
            let map = await bench.api.object(Self.config("open"))
            #expect(try map?.value[path: "data", "values.json"] == .string(encryptedText("values.json")))
            #expect(await ready("a")?.message.contains("age.agekey, line 1") == true)
        }
    }

    @Test func `what is put in from a Secret is told nowhere`() async throws {
        let refused = ClusterError(.invalid, subject: "ConfigMap/default/c", message: "data: Invalid value: \"host-s3cret\": too long")
        await bench.api.fail(.apply, name: "c", with: refused)
        await put("values", ["password": "s3cret"])
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit("a", path: "a", more: "postBuild: {substituteFrom: [{kind: Secret, name: values}]}"),
            "a/c.yaml": Files.config("${password}", name: "c", namespace: "default"),
        ])
        try await bench.run { _ in
            try await eventually("the refusal") { await ready("a")?.message.contains("Invalid value: \"host-*****\"") == true }
            try await awaitReady("a")
            let live = try #require(await bench.api.object(Self.config("c")))
            #expect(live.value[path: "data", "title"] == "s3cret")
            var changed = live
            changed.value["data"] = ["title": "by hand"]
            await bench.api.put(changed)
            try await eventually("the repair") { await events(of: "c", "DriftRepaired").count == 1 }
            #expect(await bench.api.object(Self.config("c"))?.value[path: "data", "title"] == "s3cret")
            let repair = await events(of: "c", "DriftRepaired").first
            #expect(repair?.contains("data.title: \"<another secret>\" instead of \"<secret>\"") == true)
            #expect(await !told().contains("s3cret"))
            // One that breaks the object.
            await put("values", ["password": "*s3cretword"])
            try await awaitReady("a", "False")
            #expect(await ready("a")?.message.contains("data.title: with its variables put in it is no YAML any more") == true)
            #expect(await !told().contains("s3cret"))
        }
    }

    @Test func `what a file had encrypted is told nowhere`() async throws {
        await put("sops-age", ["age.agekey": try encryptedText("keys.txt")])
        let thing = ObjectKey(group: "example.org", kind: "Thing", namespace: "default", name: "a")
        await bench.api.register(
            APIResource(kind: GroupVersionKind(group: "example.org", version: "v1", kind: "Thing"), plural: "things", isNamespaced: true))
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit("a", path: "a", more: Self.decryption), "a/thing.yaml": try encryptedText("types.yaml"),
        ])
        try await bench.run { _ in
            try await awaitReady("a")
            var changed = try #require(await bench.api.object(thing))
            changed.value["data"] = ["when": "never"]
            changed.value["spec"]?["octal"] = 8
            await bench.api.put(changed)
            try await eventually("the repair") { await events(of: "a", "DriftRepaired").count == 1 }
            let repair = await events(of: "a", "DriftRepaired").first ?? ""
            for path in ["data.when", "spec.octal"] {
                #expect(repair.contains("\(path): \"<another secret>\" instead of \"<secret>\""), "\(repair)")
            }
        }
    }

    @Test func `a number where only texts are is an error, not lost`() async throws {
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit("a", path: "a"),
            "a/s.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: default}\nstringData: {PIN: 12345, NAME: ada}\n",
        ])
        try await bench.run { _ in
            try await awaitReady("a", "False")
            let message = await ready("a")?.message ?? ""
            #expect(
                message.contains("a/s.yaml:1:1") && message.contains("stringData.PIN is a number") && message.contains("in quotes"),
                "\(message)")
        }
    }
}
