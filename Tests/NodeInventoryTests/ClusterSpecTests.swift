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
        #expect(spec.k3s.serverConfig["secrets-encryption"] == true)
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
