import Diagnostics
import Testing
import YAML

@testable import SOPS

/// Formats told by what is in a file and by what becomes of it, and the ways to encrypt that are less common.
@Suite struct SOPSFormatsTests {
    private func opened(
        _ name: String, as path: String? = nil, for purpose: SOPSFile.Purpose = .content, keys: [String] = ["keys.txt"]
    ) throws -> [UInt8] {
        var keyring = AgeKeyring()
        for name in keys { try keyring.add(file: Secret(SOPSTests.text(name)), name: name) }
        return try SOPSFile(SOPSTests.bytes(name), path: path ?? name, for: purpose).decrypted(with: keyring).bytes
    }

    private func text(_ name: String, as path: String? = nil, for purpose: SOPSFile.Purpose = .content) throws -> String {
        String(decoding: try opened(name, as: path, for: purpose), as: UTF8.self)
    }

    @Test(arguments: [".dockerconfigjson", "ghcr.dockerconfigjson", "config.json", "registry"])
    func `a key's name tells the format where the file's does not`(_ key: String) throws {
        let value = try JSONReader.value(try opened("registry.encrypted", for: .value(key: key)))
        #expect(value == ["auths": ["ghcr.io": ["auth": "YWRhOnBhc3N3b3Jk"]]])
    }

    @Test func `what a format cannot say is refused, never empty`() throws {
        #expect(throws: Diagnostics.self) { try opened("registry.encrypted", for: .value(key: "app.env")) }
        #expect(throws: Diagnostics.self) { try opened("registry.encrypted", for: .environment) }
        let problem = #expect(throws: Diagnostics.self) { try opened("registry.encrypted", for: .value(key: "app.ini")) }
        #expect(problem?.all.first?.cause == "what was encrypted as JSON cannot be written as INI")
        let yaml = try #require(try YAMLReader.values(text("registry.encrypted", for: .value(key: "a.yaml")), file: "a").first)
        #expect(yaml[path: "auths", "ghcr.io", "auth"] == "YWRhOnBhc3N3b3Jk")
    }

    @Test func `an environment is one under any name`() throws {
        for name in ["config.env.encrypted", "config", "config.txt"] {
            #expect(try text("app.env", as: name, for: .environment) == "USER=ada\nPASSWORD=a=b c\n")
        }
        #expect(try text("binary.conf", as: "config", for: .environment) == "any\nbytes\n")
        #expect(try text("app.env", as: "a.encrypted", for: .value(key: "settings")) == "USER=ada\nPASSWORD=a=b c\n")
        #expect(try text("app.ini", as: "a.encrypted", for: .value(key: "app.ini")) == "[server]\nhost = a.example.org\nport = 80\n")
        #expect(try JSONReader.value(try opened("app.env", for: .value(key: "a.json"))) == ["USER": "ada", "PASSWORD": "a=b c"])
    }

    @Test func `bytes that are no text stay what they are`() throws {
        #expect(try opened("store.p12") == [0x30, 0x82, 0xFF, 0x00, 0xFE, 0x0A])
        #expect(try opened("store.p12", for: .value(key: "keystore")) == [0x30, 0x82, 0xFF, 0x00, 0xFE, 0x0A])
        // As JSON it would have to be a text.
        #expect(throws: Diagnostics.self) { try opened("store.p12", for: .value(key: "a.json")) }
        let problem = #expect(throws: Diagnostics.self) { try opened("latin.yaml") }
        #expect(problem?.all.first?.cause == "the value of stringData.name is no text in UTF-8")
    }

    @Test func `a key that is split among groups is put together`() throws {
        let value = try #require(
            try YAMLReader.values(bytes: try opened("groups.yaml", keys: ["keys.txt", "other-keys.txt"]), file: "g").first)
        #expect(value[path: "stringData", "user"] == "ada")
        #expect(String(decoding: try opened("groups.env", keys: ["other-keys.txt", "keys.txt"]), as: UTF8.self) == "USER=ada\n")
        let problem = #expect(throws: Diagnostics.self) { try opened("groups.yaml") }
        #expect(problem?.description.contains("of 3 groups of keys (sops.key_groups) 2 have to open") == true, "\(problem as Any)")
    }

    @Test func `shares are put together as Vault does`() {
        // A polynomial of degree one for each byte: 5 + 3x and 200 + 9x.
        #expect(ShamirShares.combined([[5 ^ 3, 200 ^ 9, 1], [5 ^ 6, 200 ^ 18, 2]]) == [5, 200])
        #expect(ShamirShares.combined([[5 ^ 3, 1], [5 ^ 3, 1]]) == nil && ShamirShares.combined([[1, 1], [1, 2, 3]]) == nil)
    }

    @Test func `documents of several files in one are each opened by themselves`() throws {
        let values = try YAMLReader.values(bytes: try opened("joined.yaml"), file: "j")
        #expect(values.map { $0[path: "metadata", "name"]?.string } == ["one", "plain", "two"])
        #expect(values.allSatisfy { $0["sops"] == nil } && values[2][path: "stringData", "user"] == "ada")
        let together = try YAMLReader.values(bytes: try opened("together.yaml"), file: "t")
        #expect(together.map { $0[path: "stringData", "user"]?.string } == ["ada", "ada"])
        // Each is under its own code.
        for name in ["joined.yaml", "together.yaml"] {
            let changed = try SOPSTests.text(name).replacing("name: \"two\"", with: "name: \"three\"")
            let problem = #expect(throws: Diagnostics.self) {
                try SOPSFile(Array(changed.utf8), path: name).decrypted(with: SOPSTests.keyring())
            }
            #expect(problem?.description.contains("sops.mac does not match") == true)
        }
    }

    @Test func `a document without its section is refused`() throws {
        var text = try SOPSTests.text("joined.yaml")
        text += "---\nkind: Secret\nstringData:\n  a: ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]\n"
        let problem = #expect(throws: Diagnostics.self) {
            try SOPSFile(Array(text.utf8), path: "joined.yaml").decrypted(with: SOPSTests.keyring())
        }
        #expect(problem?.all.first?.cause == "its document 4 has none")
    }

    @Test func `what is not encrypted is read as Go reads it, and stays as kustomize would`() throws {
        let value = try #require(try YAMLReader.values(bytes: try opened("types.yaml"), file: "t", schema: .resource).first)
        #expect(value[path: "metadata", "annotations"] == ["day": "2001-1-2", "word": "yes", "truth": "true"])
        let spec: Value = [
            "word": "on", "letter": "n", "truth": true, "time": "2001-12-14T21:59:43.1Z", "big": 1000, "octal": 15,
        ]
        #expect(value["spec"] == spec)
        #expect(value[path: "data", "when"] == "2001-12-14T21:59:43Z")
    }

    @Test func `a key of another kind does not keep the others from opening`() throws {
        var keyring = AgeKeyring()
        let foreign = "AGE-SECRET-KEY-PQ-1QQQQ\nAGE-PLUGIN-YUBIKEY-1QQQQ\n"
        try keyring.add(file: Secret(foreign + SOPSTests.text("keys.txt")), name: "age.agekey")
        #expect(keyring.identities.count == 1 && keyring.unknown == ["age.agekey, line 1", "age.agekey, line 2"])
        #expect(try !SOPSFile(SOPSTests.bytes("values.json"), path: "values.json").decrypted(with: keyring).bytes.isEmpty)
        var windows = AgeKeyring()
        try windows.add(file: Secret(SOPSTests.text("keys.txt").split(separator: "\n").joined(separator: "\r\n")), name: "age.agekey")
        #expect(windows.identities.count == 1)
        var others = AgeKeyring()
        try others.add(file: Secret(foreign), name: "age.agekey")
        let problem = #expect(throws: Diagnostics.self) {
            try SOPSFile(SOPSTests.bytes("values.json"), path: "values.json").decrypted(with: others)
        }
        #expect(problem?.description.contains("age.agekey, line 1") == true)
    }

    @Test func `what was encrypted is known`() throws {
        let opened = try SOPSFile(SOPSTests.bytes("secret.yaml"), path: "secret.yaml").decrypted(with: SOPSTests.keyring())
        #expect(opened.secrets == ["ada", "pass: \"word\"\nline two"])
    }
}
