import Diagnostics
import Foundation
import Testing
import YAML

@testable import NodeInventory

/// A folder with `inventory/…` and what must come of it: `expected.json` or `expected-errors.txt`.
struct InventoryCase: CustomTestStringConvertible {
    let folder: URL
    var testDescription: String { folder.lastPathComponent }

    static let all: [InventoryCase] = {
        let fixtures = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent().appending(path: "Fixtures")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: fixtures.path)) ?? []
        return names.sorted().map { InventoryCase(folder: fixtures.appending(path: $0)) }
    }()

    /// The text of each YAML file by its path from the folder.
    func files() throws -> [String: String] {
        var files: [String: String] = [:]
        for case let url as URL in FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil) ?? .init() {
            guard url.pathExtension == "yaml" else { continue }
            files[String(url.path.dropFirst(folder.path.count + 1))] = try String(contentsOf: url, encoding: .utf8)
        }
        return files
    }

    func expectation(_ name: String) -> String? { try? String(contentsOf: folder.appending(path: name), encoding: .utf8) }
}

@Suite struct ClusterSpecTests {
    @Test func thereAreCases() { #expect(InventoryCase.all.count >= 6) }

    @Test(arguments: InventoryCase.all) func `case`(_ inventory: InventoryCase) throws {
        let found: String
        do {
            let (spec, warnings) = try ClusterSpec.loadWithWarnings("inventory/home.yaml", files: inventory.files())
            #expect(inventory.expectation("expected-errors.txt") == nil, "was to be refused")
            found = warnings.description
            if let name = inventory.expectation("expected-name.txt") { #expect(spec.name + "\n" == name) }
        } catch let error as Diagnostics {
            found = error.description
        }
        let expected = inventory.expectation("expected-errors.txt") ?? inventory.expectation("expected-warnings.txt") ?? ""
        #expect(found == expected.trimmingCharacters(in: .newlines))
    }

    @Test func exampleIsValid() throws {
        let root = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: root.appending(path: "inventory/home.yaml"), encoding: .utf8)
        let (spec, warnings) = try ClusterSpec.loadWithWarnings("inventory/home.yaml", files: ["inventory/home.yaml": text])
        #expect(warnings.isEmpty)
        #expect(spec.servers.map(\.name) == ["ada"])
        #expect(spec.agents.map(\.name) == ["bell", "curie"])
        let curie = try #require(spec.node(named: "curie"))
        #expect(curie.user == "ops")
        #expect(curie.port == 2222)
        #expect(curie.jumps.map(\.host) == ["192.168.20.1"])
        #expect(curie.address == "192.168.20.13")
        #expect(curie.sudoPassword == .environment("CURIE_SUDO"))
        #expect(curie.taints.map(\.description) == ["dedicated=gpu:NoSchedule"])
        #expect(spec.maintenanceWindows.first?.start == 120)
        #expect(spec.datastore == .sqlite)
        #expect(spec.secretFiles.isEmpty)
        #expect(spec.k3s.serverConfig["secrets-encryption"] == true)
    }

    /// Each field of the schema is in this case, so that none is forgotten when one is added.
    @Test func everyFieldIsRead() throws {
        let inventory = try #require(InventoryCase.all.first { $0.folder.lastPathComponent == "every-field" })
        let spec = try ClusterSpec.load("inventory/home.yaml", files: inventory.files())
        #expect(spec.k3s.source == .mirror("https://mirror.example/k3s") && spec.k3s.datastore == .etcd)
        #expect(spec.k3s.sha256 == [.arm64: String(repeating: "b", count: 64), .amd64: String(repeating: "a", count: 64)])
        #expect(spec.k3s.bringsImages && spec.k3s.imageSHA256.count == 3 && spec.k3s.pinnedImages(.arm)?.ending == ".tar.zst")
        #expect(spec.k3s.pinnedImages(.arm64)?.sha256 == String(repeating: "e", count: 64))
        #expect(spec.k3s.config["kubelet-arg"] == ["max-pods=50"] && spec.k3s.agentConfig["kube-proxy-arg"] == ["v=1"])
        #expect(spec.k3s.serverConfig["disable"] == ["traefik"] && spec.k3s.registries?["mirrors"] != nil)
        #expect(spec.endpoint == Endpoint(host: "k3s.home.arpa", port: 7443))
        #expect(spec.network.pods.map(\.description) == ["10.52.0.0/16", "fd52::/48"])
        #expect(spec.network.services.map(\.description) == ["10.53.0.0/16", "fd53::/112"] && spec.network.nodes.count == 3)
        #expect(spec.network.dns == IPAddress("10.53.0.10") && spec.network.domain == "attic.home.arpa")
        #expect(spec.repository.url == "https://git.example/me/home.git" && spec.repository.branch == "trunk")
        #expect(spec.repository.path == "clusters/other" && spec.repository.username == "me")
        #expect(spec.repository.unit == UnitName(namespace: "flux-system", name: "root"))
        #expect(spec.repository.token == .environment("GIT_TOKEN") && spec.repository.ca == .file("ca.pem"))
        #expect(spec.policy.concurrency == 3 && spec.policy.servers == .automatic && spec.policy.upgrades == .approve)
        #expect(spec.policy.removals == 2 && spec.policy.approved == ["0123456789ab"])
        let drain = spec.policy.drain
        #expect(drain.enabled && drain.timeout == 300 && drain.gracePeriod == 30 && !drain.deleteEmptyDirData && drain.force)
        #expect(spec.maintenanceWindows.map(\.start) == [1350, 720] && spec.maintenanceWindows[0].days == [.saturday, .sunday])
        #expect(spec.maintenanceWindows[0].timeZone == "Europe/Berlin" && spec.maintenanceWindows[1].days.count == 7)
        #expect(spec.agent.version == "1.2.3" && spec.agent.source == .folder("/srv/homelab") && spec.agent.pollInterval == 90)
        #expect(spec.agent.sha256 == [.amd64: String(repeating: "c", count: 64)] && spec.agent.listen == "127.0.0.1:9898")
        #expect(spec.agent.webhook?.listen == "0.0.0.0:9393" && spec.agent.webhook?.secret == .file("hook"))
        #expect(spec.agent.allowsRemoteBases && !spec.paused)
        #expect(
            spec.nodes.map(\.name) == ["ada", "bell", "curie", "dahl"] && spec.nodes.map(\.state) == [.present, .paused, .absent, .present])
    }

    /// Of the inventory's pin and the lock file's the inventory's counts, and of several archives of a folder the one that is unpacked first.
    @Test func archivesOfImagesArePinnedByTheirNames() throws {
        let pins = ["a", "b", "c", "d"].map { String(repeating: $0, count: 64) }
        let name = "k3s-airgap-images-amd64"
        let inventory = """
            apiVersion: homelab.dev/v1alpha1
            kind: Cluster
            name: home
            k3s: {version: v1.33.4+k3s1, source: SOURCE, sha256: {\(name).tar.zst: \(pins[0])}}
            nodes: [{name: s1, role: server, host: 10.0.0.1}]
            """
        let lock = """
            apiVersion: homelab.dev/v1alpha1
            kind: Lock
            k3s:
              v1.33.4+k3s1: {amd64: \(pins[1]), \(name).tar.zst: \(pins[1]), \(name).tar: \(pins[2]), k3s-airgap-images-arm64.tar.gz: \(pins[3])}
            """
        func spec(_ source: String) throws -> K3sSpec {
            let text = inventory.replacingOccurrences(of: "SOURCE", with: source)
            return try ClusterSpec.load("home.yaml", files: ["home.yaml": text, "home.lock.yaml": lock]).k3s
        }
        let folder = try spec("/srv/k3s")
        #expect(!folder.bringsImages && folder.sha256 == [.amd64: pins[1]])
        #expect(folder.imageSHA256["\(name).tar"] == pins[2] && folder.imageSHA256.count == 3)
        #expect(folder.pinnedImages(.amd64)?.sha256 == pins[0] && folder.pinnedImages(.amd64)?.ending == ".tar.zst")
        #expect(folder.pinnedImages(.arm64)?.ending == ".tar.gz" && folder.pinnedImages(.arm) == nil)
        let release = try spec("release")
        #expect(release.pinnedImages(.amd64)?.sha256 == pins[0])
        #expect(release.pinnedImages(.arm64) == nil, "a release page is asked for .tar.zst only")
    }

    @Test func everyFieldOfANodeIsRead() throws {
        let inventory = try #require(InventoryCase.all.first { $0.folder.lastPathComponent == "every-field" })
        let spec = try ClusterSpec.load("inventory/home.yaml", files: inventory.files())
        let ada = try #require(spec.node(named: "ada"))
        #expect(ada.role == .server && ada.host == "ada.home.arpa" && ada.nodeIPs == [IPAddress("192.168.1.1"), IPAddress("fd00::1")])
        #expect(ada.port == 22 && ada.user == "root" && ada.login.identityFiles == ["~/.ssh/ada"] && !ada.login.agent)
        #expect(ada.login.passphrase == .environment("ADA_PASSPHRASE") && ada.login.password == .file("/run/ada"))
        #expect(ada.sudoPassword == .prompt && ada.hostKeys.count == 2 && ada.mac == "52:54:00:aa:bb:cc")
        #expect(ada.jumps.map(\.host) == ["gate.example", "10.9.0.1"] && ada.jumps.map(\.port) == [2200, 2201])
        #expect(ada.jumps.map(\.user) == ["ops", "me"] && ada.jumps[1].login.identityFiles == ["~/.ssh/c"])
        #expect(ada.jumps[1].login.password == .environment("JUMP") && ada.jumps[1].hostKeys.count == 1)
        #expect(ada.labels == ["disk": "ssd", "rack.example/row": "1", "fast": "true"])
        #expect(ada.taints.map(\.description) == ["dedicated=gpu:NoSchedule", "old:PreferNoSchedule"])
        #expect(ada.config["kubelet-arg+"] == ["max-pods=20"])
        let dahl = try #require(spec.node(named: "dahl"))
        #expect(dahl.user == "ops" && dahl.port == 2222 && dahl.login.identityFiles == ["~/.ssh/a", "~/.ssh/b"])
        #expect(dahl.sudoPassword == .file("~/.config/homelab/sudo") && dahl.login.agent && dahl.jumps.isEmpty)
    }

    @Test func filesWithSecretsKnowWhereTheyAreNamed() throws {
        let inventory = try #require(InventoryCase.all.first { $0.folder.lastPathComponent == "every-field" })
        var files = try inventory.files()
        let mirrors = "registries: {mirrors: {docker.io: {endpoint: [https://mirror.example]}}"
        files["inventory/home.yaml"] = files["inventory/home.yaml"]?
            .replacing(mirrors, with: mirrors + ", configs: {r.example: {auth: {username: u, password: {file: r.txt}}}}")
            .replacing("password: {env: JUMP}", with: "password: {file: /run/jump}")
        let found = try ClusterSpec.load("inventory/home.yaml", files: files).secretFiles
        #expect(
            found.map { "\($0.field) \($0.path)" } == [
                "k3s.registries.configs.r.example.auth.password r.txt", "agent.webhook.secret hook",
                "defaults.sudoPassword ~/.config/homelab/sudo", "nodes[0].password /run/ada", "nodes[0].jump[1].password /run/jump",
            ])
        #expect(found.map(\.location.file).allSatisfy { $0 == "inventory/home.yaml" } && found[0].location.line == 18)
        #expect(found[3].location.line == 67)
        let node = "inventory/home/nodes/dahl.yaml"
        files[node]? += "sudoPassword: {file: ./dahl}\n"
        let last = try #require(try ClusterSpec.load("inventory/home.yaml", files: files).secretFiles.last)
        #expect(last.field == "sudoPassword" && last.path == "./dahl" && last.location.file == node)
    }

    @Test func missingInventory() {
        #expect(throws: Diagnostics.self) { try ClusterSpec.load("inventory/home.yaml", files: [:]) }
    }

    @Test func schemaKnowsEveryField() throws {
        let schema = JSONSchema.inventory
        let cluster = try #require(schema["oneOf"]?.array?.first)
        #expect(cluster["required"]?.array?.contains("k3s") == true)
        #expect(cluster[path: "properties", "nodes", "items", "properties", "hostKeys"] != nil)
        #expect(cluster["additionalProperties"] == false)
        let read = try YAMLReader.values(JSONSchema.text, file: "schema.json")
        #expect(read == [schema])
    }
}

/// What editors are told of the format, against what homelab itself takes.
@Suite struct JSONSchemaTests {
    private static let example: [String: String] = {
        let root = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return ["inventory/home.yaml": (try? String(contentsOf: root.appending(path: "inventory/home.yaml"), encoding: .utf8)) ?? ""]
    }()

    private func problem(_ text: String) throws -> String? {
        try SchemaValidator.problem(#require(YAMLReader.values(text, file: "home.yaml").first), JSONSchema.inventory)
    }

    /// Inventories, and files of nodes, in which homelab finds nothing wrong.
    @Test(arguments: InventoryCase.all) func acceptsWhatHomelabTakes(_ inventory: InventoryCase) throws {
        guard inventory.expectation("expected-errors.txt") == nil else { return }
        for (path, text) in try inventory.files() where !path.hasSuffix(".lock.yaml") {
            #expect(try problem(text) == nil, "\(path)")
        }
    }

    @Test func acceptsTheExample() throws {
        for (path, text) in Self.example { #expect(try problem(text) == nil, "\(path)") }
    }

    /// One mistake each, in the example that is right without it: refused by both.
    @Test(arguments: [
        ("kind: Cluster", "kind: Clustr"), ("apiVersion: homelab.dev/v1alpha1", "apiVersion: v1"), ("name: home\n", "name: Home\n"),
        ("v1.33.4+k3s1", "v1.33.4"), ("policy:\n", "polcy:\n"), ("concurrency: 3", "concurrency: 0"),
        ("concurrency: 3", "concurrency: some"),
        ("role: server", "role: master"), ("    role: agent\n", ""), ("host: 192.168.20.12", "hots: 192.168.20.12"),
        ("port: 2222", "port: 70000"),
        ("nodeIP: 192.168.20.13", "nodeIP: here"), ("nodes: 192.168.20.0/24", "nodes: 192.168.20.0"), ("{env: CURIE_SUDO}", "hunter2"),
        ("{env: CURIE_SUDO}", "{env: A, file: b}"), ("start: \"02:00\"", "start: \"2 o'clock\""), ("[saturday, sunday]", "[caturday]"),
        ("mac: 52:54:00:aa:bb:cc", "mac: 52-54"), ("SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", "nonsense"),
        ("- dedicated=gpu:NoSchedule", "- dedicated=gpu:Never"), ("disk: ssd", "disk: [ssd]"),
        ("  config:\n    kubelet-arg:\n      - max-pods=150", "  config: [1]"),
    ]) func refusesWhatHomelabRefuses(_ right: String, _ wrong: String) throws {
        let text = try #require(Self.example["inventory/home.yaml"])
        let broken = text.replacingOccurrences(of: right, with: wrong)
        #expect(broken != text)
        #expect(try problem(broken) != nil, "the schema takes \(wrong)")
        #expect(throws: Diagnostics.self) { try ClusterSpec.load("inventory/home.yaml", files: ["inventory/home.yaml": broken]) }
    }
}
