import Diagnostics
import Foundation
import NodeInventory
import Testing
import YAML

@testable import NodePlanning

/// A folder with inventory.yaml, facts/<node>.txt (recorded output of facts.sh; a first line `unreachable: …` stands for a node that
/// was not seen), cluster.json (nodes and tokens, if there is a cluster) and what must come of it: expected-plan.txt and
/// expected-preflight.txt (none: no findings).
struct PlanningCase: CustomTestStringConvertible {
    let folder: URL
    var testDescription: String { folder.lastPathComponent }

    static let root = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent().appending(path: "Fixtures")

    static let all: [PlanningCase] = {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []
        return names.sorted().map { PlanningCase(folder: root.appending(path: $0)) }
            .filter { $0.text("inventory.yaml") != nil }
    }()

    static func named(_ name: String) -> PlanningCase { PlanningCase(folder: root.appending(path: name)) }

    func text(_ name: String) -> String? { try? String(contentsOf: folder.appending(path: name), encoding: .utf8) }

    func spec() throws -> ClusterSpec {
        try ClusterSpec.load("inventory/home.yaml", files: ["inventory/home.yaml": #require(text("inventory.yaml"))])
    }

    func observed() throws -> [String: NodeObservation] {
        var observed: [String: NodeObservation] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "facts").path) where name.hasSuffix(".txt") {
            let text = try #require(self.text("facts/" + name))
            let node = String(name.dropLast(4))
            if text.hasPrefix("unreachable: ") {
                let reason = text.dropFirst("unreachable: ".count).trimmingCharacters(in: .newlines)
                observed[node] = .unreachable(reason: reason)
            } else {
                observed[node] = .facts(try NodeFacts.parse(text))
            }
        }
        return observed
    }

    func cluster() throws -> ClusterFacts {
        guard let text = text("cluster.json"), let value = try YAMLReader.values(text, file: "cluster.json").first else { return .none }
        let tokens = (value["tokens"]?.object ?? Object()).map { ($0.key, $0.value.string ?? "") }
        var facts = ClusterFacts(nodes: value["nodes"] ?? .null, tokens: Dictionary(uniqueKeysWithValues: tokens))
        facts.unavailable = value["unavailable"]?.string
        return facts
    }

    static var context: PlanningContext {
        var context = PlanningContext(
            k3s: [.amd64: String(repeating: "a", count: 64), .arm64: String(repeating: "b", count: 64)],
            homelab: [.amd64: String(repeating: "c", count: 64)])
        context.secrets[.environment("REGISTRY_PASSWORD")] = Secret("it's \"quoted\"")
        return context
    }

    func plan() throws -> NodePlan {
        NodePlanner.plan(desired: try spec(), observed: try observed(), cluster: try cluster(), context: Self.context)
    }
}
