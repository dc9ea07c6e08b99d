import Foundation
import KubernetesClient
import KubernetesModel
import Reconciliation
import Testing
import YAML

/// Encrypted files in every place and format that they may have, and variables, through to the objects on a real API server.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct SyncBuildingLive {
    let bed: SyncBed

    init() throws {
        bed = try SyncBed.shared.get()
        try bed.startAgent()
    }

    /// Files that SOPS' format was given by another program (Tests/SOPSTests/vectors).
    private func fixture(_ name: String) throws -> String {
        try String(contentsOfFile: Lab.root + "/Tests/SOPSTests/Fixtures/" + name, encoding: .utf8)
    }

    /// What a Secret holds, in clear text.
    private func secret(_ name: String) async throws -> [String: String]? {
        let kind = GroupVersionKind(group: "", version: "v1", kind: "Secret")
        guard let object = try await bed.client.get(kind, namespace: "default", name: name) else { return nil }
        var texts: [String: String] = [:]
        for member in object.value["data"]?.object ?? Object() {
            texts[member.key] = Data(base64Encoded: member.value.string ?? "").map { String(decoding: $0, as: UTF8.self) }
        }
        return texts
    }

    private static let decryption = "targetNamespace: default\ndecryption: {provider: sops, secretRef: {name: sops-keys}}"
    private static let formats = ["values.json", "app.ini", "binary.conf", "app.env"]
    private static let kustomization = """
        resources: [whole.yaml, values.yaml]
        generatorOptions: {disableNameSuffixHash: true}
        secretGenerator:
          - {name: sops-files, files: [values.json, app.ini, binary.conf, store.p12, .dockerconfigjson=registry.encrypted]}
          - {name: sops-env, envs: [app.env]}
        configMapGenerator:
          - {name: sops-open, files: [app.ini]}

        """

    private func encryptedTree() throws -> [String: String] {
        var files = [
            "clusters/sync/u.yaml": SyncFiles.unit("sops", path: "app", more: Self.decryption),
            "app/kustomization.yaml": Self.kustomization, "app/whole.yaml": try fixture("secret.yaml"),
        ]
        for name in ["store.p12", "registry.encrypted"] { files["app/" + name] = try fixture(name) }
        var values = "apiVersion: v1\nkind: Secret\nmetadata: {name: sops-values}\ndata:\n"
        for name in Self.formats {
            files["app/" + name] = try fixture(name)
            values += "  \(name): \(Data(try fixture(name).utf8).base64EncodedString())\n"
        }
        files["app/values.yaml"] = values
        return files
    }

    @Test func t01_whatIsEncryptedInEveryPlaceAndFormat() async throws {
        try await bed.putSecret("sops-keys", ["age.agekey": try fixture("other-keys.txt")])
        var files = try encryptedTree()
        // Somebody else's key opens none of them; each is named, and nothing is applied as it is.
        var commit = try bed.push(files)
        try await bed.awaitUnit("sops", "False", at: commit)
        var message = try await bed.unit("sops")?.ready?.message ?? ""
        #expect(message.contains("none of the keys opens it"), "\(message)")
        // The whole file was encrypted to both.
        for name in Self.formats { #expect(message.contains("app/" + name), "\(name): \(message)") }
        for name in ["db", "sops-files", "sops-env", "sops-values"] { #expect(try await secret(name) == nil) }
        try await bed.putSecret("sops-keys", ["age.agekey": try fixture("keys.txt")])
        try await bed.awaitUnit("sops", at: commit)
        #expect(try await secret("db")?["password"] == "pass: \"word\"\nline two")
        #expect(try await secret("sops-env") == ["USER": "ada", "PASSWORD": "a=b c"])
        for name in ["sops-files", "sops-values"] {
            let found = try #require(try await secret(name))
            let json = try JSONReader.value(Array((found["values.json"] ?? "").utf8))
            #expect(json["text"] == "é" && json["number"] == 42 && json["flag"] == true && json["sops"] == nil)
            #expect(found["app.ini"] == "[server]\nhost = a.example.org\nport = 80\n")
            #expect(found["binary.conf"] == "any\nbytes\n")
            if name == "sops-values" { #expect(found["app.env"] == "USER=ada\nPASSWORD=a=b c\n") }
        }
        let kind = GroupVersionKind(group: "", version: "v1", kind: "Secret")
        let generated = try await bed.client.get(kind, namespace: "default", name: "sops-files")?.value["data"]
        #expect(generated?["store.p12"]?.string == Data([0x30, 0x82, 0xFF, 0x00, 0xFE, 0x0A]).base64EncodedString())
        #expect(try await secret("sops-files")?[".dockerconfigjson"]?.contains("YWRhOnBhc3N3b3Jk") == true)
        #expect(try await bed.configMap("sops-open")?.value[path: "data", "app.ini"] == .string(fixture("app.ini")))
        // What is put over a manifest may be encrypted, too.
        files["clusters/sync/p.yaml"] = SyncFiles.unit("sops-patched", path: "patched", more: Self.decryption)
        files["patched/kustomization.yaml"] = "namePrefix: patched-\nresources: [db.yaml]\npatches: [{path: password.yaml}]\n"
        files["patched/db.yaml"] = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {host: db-1, user: nobody}\n"
        files["patched/password.yaml"] = try fixture("secret.yaml")
        try await bed.awaitUnit("sops-patched", at: try bed.push(files))
        let patched = try await secret("patched-db")
        #expect(patched?["host"] == "db-1" && patched?["password"] == "pass: \"word\"\nline two", "\(patched?.keys.sorted() ?? [])")
        #expect(try await patched?["user"] == secret("db")?["user"])
        try lookForClearText()
        // One letter of what was not even encrypted.
        files["app/whole.yaml"] = try fixture("secret.yaml").replacing("name: \"db\"", with: "name: \"other\"")
        commit = try bed.push(files)
        try await bed.awaitUnit("sops", "False", at: commit)
        message = try await bed.unit("sops")?.ready?.message ?? ""
        #expect(message.contains("app/whole.yaml") && message.contains("sops.mac does not match"), "\(message)")
        let (kept, other) = (try await secret("db"), try await secret("other"))
        #expect(kept != nil && other == nil)
    }

    /// Clear text is in the Secrets and nowhere else: neither on the agent's disk nor in its log, what it tells, or a diff.
    private func lookForClearText() throws {
        let work = bed.folder + "/work"
        try Self.kustomization.replacing("sops-env", with: "sops-new").write(
            toFile: work + "/app/kustomization.yaml", atomically: true, encoding: .utf8)
        let diff = try Shell.run([Lab.binary, "diff", "sops", "--kubeconfig", bed.kubeconfig], in: work, limit: 60)
        #expect(diff.output.contains("Secret/default/sops-new"), "\(diff.text)")
        let told = try bed.kubectl("get", "kustomizations,gitrepositories,events,configmaps", "-A", "-o", "yaml").output
        for clear in ["a=b c", "line two", "a.example.org"] {
            let codes = [clear, Data(clear.utf8).base64EncodedString()]
            for code in codes {
                #expect(!diff.text.contains(code) && !told.contains(code), "\(clear)")
                let found = try Shell.run(["grep", "-rlF", code, bed.folder + "/agent-0"])
                #expect(found.status == 1, "\(clear) is in \(found.output)")
            }
        }
    }

    @Test func t02_variablesOfSeveralOriginsAndTheKindsOfTheirValues() async throws {
        try bed.apply(
            """
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: vars-common, namespace: default}
            data: {count: "3", host: common, zone: common, name: common}

            """)
        try await bed.putSecret("vars-own", ["host": "own", "zone": "own", "network": "true"])
        let more = """
            postBuild:
              substitute: {zone: inline}
              substituteFrom: [{kind: ConfigMap, name: vars-common}, {kind: Secret, name: vars-own}, {kind: Secret, name: vars-none, optional: true}]
            """
        var files = [
            "clusters/sync/u.yaml": SyncFiles.unit("vars", path: "app", more: more),
            "app/d.yaml": """
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: vars, namespace: default, annotations: {count: "${count}"}}
            spec:
              replicas: ${count}
              selector: {matchLabels: {app: vars}}
              template:
                metadata: {labels: {app: vars}}
                spec:
                  hostNetwork: ${network}
                  containers: [{name: web, image: "web:1", env: [{name: COUNT, value: "${count}"}]}]

            """,
            "app/c.yaml": """
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: vars, namespace: default}
            data: {host: "${host}", zone: "${zone}", name: "${name}", absent: "${absent:=fallback}", part: "${host:0:2}", kept: "$${host}"}

            """,
            "app/s.yaml": """
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: vars-script, namespace: default, annotations: {kustomize.toolkit.fluxcd.io/substitute: disabled}}
            data: {run: "echo ${HOME}"}

            """,
        ]
        try await bed.awaitUnit("vars", at: try bed.push(files))
        let deployments = GroupVersionKind(group: "apps", version: "v1", kind: "Deployment")
        let found = try #require(try await bed.client.get(deployments, namespace: "default", name: "vars"))
        let pod = found.value[path: "spec", "template", "spec"]
        #expect(found.value[path: "spec", "replicas"] == 3 && found.annotation("count") == "3" && pod?["hostNetwork"] == true)
        #expect(pod?["containers"]?.array?.first?["env"]?.array?.first?["value"] == "3")
        let data = try await bed.configMap("vars")?.value["data"]
        #expect(
            data == ["host": "own", "zone": "inline", "name": "common", "absent": "fallback", "part": "ow", "kept": "${host}"],
            "\(String(describing: data))")
        #expect(try await bed.configMap("vars-script")?.value[path: "data", "run"] == "echo ${HOME}")
        try await expectStrategies(&files)
        // Strict: whatever nobody sets is told, all of it at once, each with the place that asks for it.
        files["app/c.yaml"]?.replace("${host:0:2}", with: "${first}")
        files["app/d.yaml"]?.replace("value: \"${count}\"", with: "value: \"${second}\"")
        try await bed.awaitUnit("vars", "False", at: try bed.push(files))
        let broken = try #require(try await bed.unit("vars")?.ready)
        for part in ["app/c.yaml:1", "the variable first is not set", "app/d.yaml:1", "the variable second is not set"] {
            #expect(broken.reason == "BuildFailed" && broken.message.contains(part), "\(broken.message)")
        }
        // The directory is another unit's in the next test.
        try bed.push(["clusters/sync/n.yaml": SyncFiles.config("vars-end", "1")])
        try await bed.eventually("the unit is gone") { try await bed.unit("vars") == nil }
    }

    /// Without a variable of its own a unit is substituted only if it says so.
    private func expectStrategies(_ files: inout [String: String]) async throws {
        let file = SyncFiles.config("plain", "${absent:=fallback}")
        for (strategy, title) in [("WithVariables", "${absent:=fallback}"), ("Always", "fallback")] {
            files["clusters/sync/p.yaml"] = SyncFiles.unit("plain", path: "plain", more: "postBuild: {substituteStrategy: \(strategy)}")
            files["plain/c.yaml"] = file
            try await bed.awaitUnit("plain", at: try bed.push(files))
            #expect(try await bed.title("plain") == title, "\(strategy)")
        }
    }

    /// As the server quotes what it refuses, and as what somebody changed is told.
    @Test func t03_whatComesFromASecretIsToldNowhere() async throws {
        let long = "s3cret-" + String(repeating: "x", count: 70)
        try await bed.putSecret("told-values", ["token": long, "host": "s3cret.example.org"])
        let more = "postBuild: {substituteFrom: [{kind: Secret, name: told-values}]}"
        var files = [
            "clusters/sync/u.yaml": SyncFiles.unit("told", path: "app", more: more),
            "app/c.yaml": """
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: told, namespace: default, labels: {token: "${token}"}}
            data: {host: "${host}"}

            """,
        ]
        try await bed.awaitUnit("told", "False", at: try bed.push(files))
        let refused = try await bed.unit("told")?.ready?.message ?? ""
        #expect(refused.contains("Invalid value") && refused.contains("*****"), "\(refused)")
        files["app/c.yaml"]?.replace("labels: {token: \"${token}\"}", with: "labels: {a: b}")
        try await bed.awaitUnit("told", at: try bed.push(files))
        #expect(try await bed.configMap("told")?.value[path: "data", "host"] == "s3cret.example.org")
        try bed.kubectl("patch", "configmap", "told", "--type=merge", "-p", #"{"data":{"host":"by-hand"}}"#)
        try await bed.eventually("the repair is told") {
            try bed.kubectl("get", "events", "-n", "default", "-o", "jsonpath={.items[*].message}").output
                .contains("data.host: \"<another secret>\" instead of \"<secret>\"")
        }
        #expect(try await bed.configMap("told")?.value[path: "data", "host"] == "s3cret.example.org")
        let told = try bed.kubectl("get", "kustomizations,events", "-A", "-o", "yaml").output
        #expect(!told.contains("s3cret"), "\(told)")
        // The directory is another unit's in the next suite.
        try bed.push(["clusters/sync/n.yaml": SyncFiles.config("told-end", "1")])
        try await bed.eventually("the unit is gone") { try await bed.unit("told") == nil }
    }
}
