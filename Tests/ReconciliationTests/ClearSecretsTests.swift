import Diagnostics
import FileSystem
import Foundation
import KubernetesModel
import Kustomize
import Testing

@testable import Reconciliation

/// What `homelab validate` says of Secrets in the repository that are not encrypted.
@Suite struct ClearSecretsTests {
    private static let setting = RepositoryUnits.Setting(own: Ownership(namespace: "homelab-system", name: "home"))

    private func problems(_ files: [String: String]) -> [Diagnostic] {
        RepositoryUnits(MemoryFileTree(files), path: "clusters/home", Self.setting).problems.sorted
    }

    private func problems(of secret: String) -> [Diagnostic] {
        problems(["clusters/home/keys.yaml": Self.decrypting("keys"), "keys/secret.yaml": secret])
    }

    private static func secret(_ fields: String) -> String {
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: default}\n\(fields)\n"
    }

    private static func decrypting(_ name: String, more: String = "") -> String {
        UnitsTests.unit(name, path: name, more: "decryption: {provider: sops, secretRef: {name: sops-age}}\n" + more)
    }

    private static let sealed = "ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]"
    private static let sops = "sops: {lastmodified: \"2025-01-01T00:00:00Z\", mac: x}"

    @Test func `a Secret in clear is told once, with its place, the remedy and no value`() throws {
        let found = problems([
            "clusters/home/a.yaml": UnitsTests.unit("a", path: "a"), "clusters/home/b.yaml": UnitsTests.unit("b", path: "b"),
            "a/kustomization.yaml": "resources: [../base]\nnamePrefix: a-\n", "b/kustomization.yaml": "resources: [../base]\n",
            "base/kustomization.yaml": "resources: [all.yaml]\n",
            "base/all.yaml": "# of the app\n"
                + Self.secret("data: {password: aHVudGVyMg==, empty: ''}\nstringData: {url: 'x://hunter2', pin: '1'}"),
        ])
        let warning = try #require(found.first)
        #expect(found.count == 1 && warning.severity == .warning, "\(found)")
        #expect(warning.location == SourceLocation(file: "base/all.yaml", line: 2, column: 1))
        #expect(warning.cause == "not encrypted: data.password, stringData.url, stringData.pin")
        #expect(warning.remedy?.contains("sops encrypt --encrypted-regex '^(data|stringData)$' --in-place base/all.yaml") == true)
        #expect(warning.remedy?.contains("spec.decryption: {provider: sops, secretRef: {name: sops-age}}") == true)
        #expect(!warning.description.contains("hunter2") && !warning.description.contains("aHVudGVyMg"))
    }

    @Test func `of a unit that decrypts, files in clear are told, too`() throws {
        let found = problems(of: Self.secret("stringData: {password: hunter2}"))
        #expect(found.count == 1 && found[0].location?.file == "keys/secret.yaml", "\(found)")
        #expect(found.first?.remedy?.contains("sops encrypt") == true && found.first?.remedy?.contains("spec.decryption") == false)
    }

    @Test func `the agent's own directory is looked at like those of units`() {
        let found = problems(["clusters/home/secret.yaml": Self.secret("stringData: {password: hunter2}")])
        #expect(found.map(\.location?.file) == ["clusters/home/secret.yaml"], "\(found)")
    }

    @Test(arguments: [
        "data: {}", "data: {password: ''}\nstringData: {token: \"\\n\", none: }", "type: kubernetes.io/service-account-token",
        "data: {password: '\(sealed)'}\n\(sops)", "stringData: {password: '\(sealed)', hint: none}\n\(sops)",
        "data: {password: '${PASSWORD}'}", "stringData: {url: 'x://user:${PASSWORD}@host'}", "data: {password: JHtQQVNTV09SRH0=}",
        "stringData: {ca.crt: mine, tls.crt: \"-----BEGIN CERTIFICATE-----\\nAA==\", known_hosts: h ssh-ed25519 AA, id.pub: ssh-ed25519 AA}",
    ])
    func `what is encrypted, put in later or for everybody is not told`(fields: String) {
        let found = problems(of: Self.secret(fields))
        #expect(found.isEmpty, "\(found)")
    }

    @Test(arguments: [
        "stringData: {ca.crt: \"-----BEGIN CERTIFICATE-----\\nAA==\\n-----BEGIN PRIVATE KEY-----\"}",
        "stringData: {password: '\(sealed)', other: hunter2}", "data: {script: JHtBfSBodW50ZXIy}",
    ])
    func `a secret beside what may be known is told`(fields: String) { #expect(problems(of: Self.secret(fields)).count == 1) }

    @Test func `other kinds called Secret are none`() {
        let other = Self.secret("data: {password: aHVudGVyMg==}").replacing("apiVersion: v1", with: "apiVersion: example.org/v1")
        #expect(problems(of: other).isEmpty)
    }

    private static let environment = """
        PASSWORD=\(sealed)
        HINT_unencrypted=none
        sops_lastmodified=2025-01-01T00:00:00Z
        sops_mac=\(sealed)
        sops_version=3.9.0

        """

    private func generated(_ entry: String, _ files: [String: String] = [:]) -> [Diagnostic] {
        let inputs = Dictionary(uniqueKeysWithValues: files.map { ("keys/\($0.key)", $0.value) })
        return problems(
            inputs.merging([
                "clusters/home/keys.yaml": Self.decrypting("keys"),
                "keys/kustomization.yaml": "secretGenerator:\n- name: db\n  namespace: default\n  \(entry)\n",
            ]) { $1 })
    }

    @Test(arguments: [
        ("literals: [password=hunter2, user=hunter2, empty=]", 2), ("files: [token.txt]", 1), ("envs: [clear.env]", 2),
        ("envs: [sealed.env]\n  literals: [password=hunter2]", 1), ("files: [sealed.json, key=token.txt]", 1),
    ])
    func `what a generator is given in clear is told at its place`(entry: String, count: Int) throws {
        // The one line is no pair, and its beginning no key that may be told.
        let found = generated(
            entry,
            [
                "token.txt": "hunter2\n", "clear.env": "PASSWORD=hunter2\nhunter2==\n", "sealed.env": Self.environment,
                "sealed.json": "{\"data\": \"\(Self.sealed)\", \"sops\": {\"lastmodified\": \"2025-01-01T00:00:00Z\"}}",
            ])
        let warning = try #require(found.first)
        #expect(found.count == 1 && warning.location?.file == "keys/kustomization.yaml" && warning.location?.line == 2, "\(found)")
        #expect(warning.cause == "not encrypted: \(count) of its values")
        #expect(warning.remedy?.contains("instead of literals") == true && !warning.description.contains("hunter2"))
    }

    @Test func `what a generator is given encrypted is not told, nor what is no secret yet`() {
        let json = "{\"data\": \"\(Self.sealed)\", \"sops\": {\"lastmodified\": \"2025-01-01T00:00:00Z\"}}"
        #expect(generated("envs: [sealed.env]", ["sealed.env": Self.environment]).isEmpty)
        #expect(generated("files: [registry.encrypted]", ["registry.encrypted": json]).isEmpty)
        #expect(generated("literals: ['password=${PASSWORD}', empty=]").isEmpty)
    }

    @Test func `values that a patch or another generator brings are told with it`() throws {
        let files = [
            "clusters/home/keys.yaml": Self.decrypting("keys"), "base/secret.yaml": Self.secret("data: {password: ''}"),
            "base/kustomization.yaml": "resources: [secret.yaml]\n",
        ]
        let lines = Self.secret("stringData: {password: hunter2}").split(separator: "\n")
        let patch = "resources: [../base]\npatches:\n- patch: |-\n" + lines.map { "    \($0)\n" }.joined()
        let patched = problems(files.merging(["keys/kustomization.yaml": patch]) { $1 })
        #expect(
            patched.first?.cause == "not encrypted: stringData.password, as changed by patches[0] at keys/kustomization.yaml:3:3",
            "\(patched)")
        let generator =
            "resources: [../base]\nsecretGenerator:\n- {name: db, namespace: default, behavior: merge, literals: [password=hunter2]}\n"
        let merged = problems(files.merging(["keys/kustomization.yaml": generator]) { $1 })
        #expect(
            merged.first?.cause == "not encrypted: 1 of its values, as changed by generator at keys/kustomization.yaml:3:3", "\(merged)")
        #expect(patched.count == 1 && merged.count == 1)
    }

    @Test func `the variables of a unit are no secrets of its files`() {
        let found = problems([
            "clusters/home/keys.yaml": Self.decrypting("keys", more: "postBuild: {substitute: {PASSWORD: known}}"),
            "keys/secret.yaml": Self.secret("stringData: {password: '${PASSWORD}'}"),
        ])
        #expect(found.isEmpty, "\(found)")
    }

    @Test func `the examples have none`() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let units = RepositoryUnits(try DiskFileTree(root: root.path), path: "clusters/home", Self.setting)
        #expect(!units.all.isEmpty && units.problems.isEmpty, "\(units.problems)")
    }
}
