import Diagnostics
import Foundation
import NodeInventory
import Testing
import YAML

@testable import NodePlanning

@Suite struct AdoptedClusterTests {
    private func machine(_ name: String, _ configurations: [String] = [], _ arguments: [String] = []) throws -> AdoptedMachine {
        let text = try #require(PlanningCase.named("config-change").text("facts/\(name).txt"))
        var machine = AdoptedMachine(
            host: name == "a1" ? "10.0.0.11" : "10.0.0.\(name.dropFirst())", port: 22, user: "ops", identityFiles: [],
            facts: try NodeFacts.parse(text))
        machine.configurations = try configurations.flatMap { try YAMLReader.values($0, file: "config.yaml") }
        machine.arguments = arguments
        return machine
    }

    private func nodes(_ named: [(String, String)]) -> Value {
        [
            "items": .array(
                named.map { name, address in
                    [
                        "metadata": ["name": .string(name)],
                        "status": ["addresses": .array([["type": "InternalIP", "address": .string(address)]])],
                    ]
                })
        ]
    }

    @Test func whatTheMachinesHaveIsWhatTheInventoryWants() throws {
        var cluster = AdoptedCluster(
            name: "home",
            machines: [
                try machine(
                    "s1", ["cluster-init: true\ntls-san: [10.0.0.1, api.example.org]\ndisable: traefik\n", "disable+: [servicelb]\n"]),
                try machine("a1", ["node-name: shelf\nnode-label: [disk=ssd]\nkubelet-arg: [max-pods=60]\ntoken-file: /etc/x\n"]),
            ], nodes: nodes([("attic", "10.0.0.1"), ("shelf", "10.0.0.11")]))
        let text = try cluster.inventory()
        #expect(cluster.findings.isEmpty, "\(cluster.findings)")
        let spec = try ClusterSpec.load("home.yaml", files: ["home.yaml": text])
        #expect(spec.nodes.map(\.role) == [.server, .agent])
        #expect(spec.nodes[1].name == "shelf" && spec.nodes[1].labels == ["disk": "ssd"])
        #expect(spec.k3s.version.description == "v1.33.4+k3s1")
        #expect(spec.k3s.serverConfig["disable"] == .array(["traefik", "servicelb"]))
        #expect(spec.k3s.serverConfig["tls-san"] == .array(["api.example.org"]))
        #expect(spec.k3s.agentConfig["kubelet-arg"] == .array(["max-pods=60"]))
        #expect(spec.k3s.serverConfig["cluster-init"] == nil)
    }

    @Test func theCommandLineCountsToo() {
        let flags = AdoptedCluster.flags([
            "--disable", "traefik", "--disable=servicelb", "--debug", "--flannel-backend=host-gw", "--cluster-cidr", "10.1.0.0/16",
        ])
        let all = Dictionary(uniqueKeysWithValues: flags)
        #expect(all["disable"] == .array(["traefik", "servicelb"]))
        #expect(all["debug"] == true && all["flannel-backend"] == "host-gw" && all["cluster-cidr"] == .array(["10.1.0.0/16"]))
    }

    @Test func whatIsLeftOutIsTold() throws {
        var machine = try machine("s1", ["datastore-endpoint: '***'\nmade-up: 1\n"])
        machine.hasRegistries = true
        var cluster = AdoptedCluster(name: "home", machines: [machine], nodes: nodes([("s1", "10.0.0.1"), ("s9", "10.0.0.9")]))
        _ = try cluster.inventory()
        let found = cluster.findings.sorted.map(\.description).joined(separator: "\n")
        for words in ["datastore-endpoint", "made-up", "registries.yaml", #"node "s9""#] { #expect(found.contains(words), "\(found)") }
    }
}
