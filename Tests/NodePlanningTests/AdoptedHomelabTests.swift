import Diagnostics
import NodeInventory
import Testing
import YAML

@testable import NodePlanning

/// A cluster that homelab made and whose inventory was lost: the one that is written from its machines leaves nothing to do.
@Suite struct AdoptedHomelabTests {
    private static let place = SourceLocation(file: "home.yaml", line: 1)
    private static let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"

    /// What every inventory may say that leaves a trace, over a fixture.
    struct Scene: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let fixture: String
        var change: @Sendable (inout ClusterSpec) -> Void = { _ in }
    }

    private static func config(_ text: String) -> Object {
        (try? YAMLReader.values(text, file: "config.yaml"))?.first?.object ?? Object()
    }

    static let scenes = [
        Scene(testDescription: "one server with SQLite", fixture: "fresh-single-server"),
        Scene(testDescription: "one server with etcd and another name", fixture: "fresh-single-server") { spec in
            spec.name = "attic"
            spec.k3s.datastore = .etcd
            spec.k3s.serverConfig = config(
                "{etcd-snapshot-schedule-cron: '0 */6 * * *', etcd-snapshot-retention: 9, secrets-encryption: true, "
                    + "write-kubeconfig-mode: '0640'}")
            spec.network.pods = [CIDR("10.52.0.0/16")].compactMap { $0 }
            spec.network.services = [CIDR("10.53.0.0/16")].compactMap { $0 }
            spec.network.domain = "attic.local"
            spec.agent.pollInterval = 90
            spec.agent.listen = "0.0.0.0:9797"
            spec.repository.branch = "trunk"
            spec.repository.path = "apps/attic"
            spec.repository.unit = UnitName(namespace: "flux-system", name: "flux-system")
            spec.repository.signers = .file("signers")
            spec.nodes[0].labels = ["disk": "ssd", "node-role.kubernetes.io/edge": ""]
            spec.nodes[0].config = config("kubelet-arg: [max-pods=200]")
        },
        Scene(testDescription: "three servers, agents, registries, labels, taints", fixture: "fresh-three-servers"),
        Scene(testDescription: "three servers, some of them pinned, behind a jump host", fixture: "fresh-three-servers") { spec in
            let jump = JumpHost(host: "bastion.home.arpa", port: 2200, user: "jump", location: place)
            for index in spec.nodes.indices where spec.nodes[index].name != "s2" { spec.nodes[index].jumps = [jump] }
            spec.nodes[1].hostKeys = [HostKey(key)].compactMap { $0 }
            spec.nodes[2].hostKeys = []
            spec.nodes[2].config = config("tls-san+: [third.home.arpa, 10.0.0.3]")
            spec.nodes[0].config = config("node-external-ip: 192.0.2.1")
            spec.nodes[4].labels = ["node-role.kubernetes.io/worker": "yes", "rack": "1"]
            spec.k3s.serverConfig["tls-san"] = ["10.0.0.1", "api.home.arpa"]
            spec.endpoint = nil
        },
        Scene(testDescription: "a repository elsewhere, by ssh", fixture: "repository-elsewhere"),
        Scene(testDescription: "a repository elsewhere, by https", fixture: "repository-over-https"),
    ]

    private struct Adopted {
        var text: String
        var spec: ClusterSpec
        var findings: [String]
    }

    /// The facts of the machines and what homelab wrote there, as `homelab adopt` reads them.
    private func adopted(_ machines: SimulatedMachines, name: String? = nil, hosts: [NodeSpec]? = nil) throws -> Adopted {
        var found: [AdoptedMachine] = []
        for node in hosts ?? machines.spec.nodes {
            let facts = try #require(machines.observed[node.name]?.facts)
            var machine = AdoptedMachine(
                host: node.host, port: node.role == .server ? 22 : node.port, user: node.user, identityFiles: [], facts: facts)
            machine.jumps = node.jumps
            var files: [String: PlannedFile] = [:]
            for case (node.name, .writeFile(let file)) in machines.trace { files[file.path] = file }
            let text = { (path: String) -> String? in
                guard let file = files[path] else { return nil }
                return file.resolved(Dictionary(uniqueKeysWithValues: file.secrets.values.map { ($0, Secret(HomelabRecord.blank)) }))
            }
            let values = { (path: String) in try text(path).map { try YAMLReader.values($0, file: path).first?.object ?? Object() } }
            machine.given.configurations = try [NodeLayout.k3sConfig, NodeLayout.k3sRegistration].compactMap(values).map { .object($0) }
            machine.record.registration = try values(NodeLayout.k3sRegistration)
            machine.record.registries = try values(NodeLayout.registries)
            machine.record.agent = try text(NodeLayout.agentConfiguration).map { try AgentConfiguration.decode($0, file: node.name) }
            machine.record.knownHosts = (text(NodeLayout.knownHosts) ?? "").split(separator: "\n").compactMap { KnownHost(String($0)) }
            found.append(machine)
        }
        let items = machines.cluster.nodes.map { node -> Value in
            let taints = node.taints.map { taint -> Value in
                ["key": .string(taint.key), "value": .string(taint.value), "effect": .string(taint.effect.rawValue)]
            }
            let texts = { (all: [String: String]) in
                Value.object(Object(all.map { Object.Member(key: $0.key, value: .string($0.value)) }))
            }
            return [
                "metadata": ["name": .string(node.name), "labels": texts(node.labels), "annotations": texts(node.annotations)],
                "spec": ["taints": .array(taints)],
            ]
        }
        var cluster = AdoptedCluster(name: name, machines: found, nodes: ["items": .array(items)])
        let text = try cluster.inventory()
        let spec = try ClusterSpec.load("inventory/home.yaml", files: ["inventory/home.yaml": text])
        return Adopted(text: text, spec: spec, findings: cluster.findings.sorted.map(\.description))
    }

    private func plan(_ spec: ClusterSpec, _ machines: SimulatedMachines) -> NodePlan {
        var machines = machines
        let (observed, cluster) = machines.look()
        var context = SimulatedMachines.context(spec, version: 0)
        // What the operator is told to give.
        context.secrets[.environment("REGISTRY_REGISTRY_HOME_PASSWORD")] = context.secrets[.environment("REGISTRY_PASSWORD")]
        return NodePlanner.plan(desired: spec, observed: observed, cluster: cluster, context: context)
    }

    @Test(arguments: scenes) func thereIsNothingToDoAfterwards(_ scene: Scene) throws {
        let machines = try SimulatedMachines.settled(scene.fixture, scene.change)
        let before = plan(machines.spec, machines)
        #expect(before.isEmpty, "\(before.text)")
        // In another order than the inventory's: that of the servers is in a file.
        for hosts in [machines.spec.nodes, machines.spec.nodes.reversed()] {
            let adopted = try adopted(machines, hosts: hosts)
            let after = plan(adopted.spec, machines)
            #expect(after.isEmpty && after.pending == before.pending, "\(after.text)\n\(adopted.text)")
            #expect(adopted.spec.name == machines.spec.name && !adopted.text.contains(HomelabRecord.blank), "\(adopted.text)")
            #expect(adopted.findings.last?.hasPrefix("note: no machine knows policy, maintenanceWindows, mac,") == true)
            #expect(adopted.spec.nodes.allSatisfy { !$0.hostKeys.isEmpty }, "\(adopted.text)")
        }
    }

    private func scene(_ index: Int) throws -> SimulatedMachines {
        try SimulatedMachines.settled(Self.scenes[index].fixture, Self.scenes[index].change)
    }

    @Test func theSectionsAreThoseOfTheLostInventory() throws {
        let machines = try scene(1)
        let spec = try adopted(machines).spec
        #expect(spec.repository.url == nil && spec.repository.branch == "trunk" && spec.repository.path == "apps/attic")
        #expect(spec.repository.unit == machines.spec.repository.unit && spec.repository.signers == .file("allowed_signers"))
        #expect(spec.agent.pollInterval == 90 && spec.agent.listen == "0.0.0.0:9797" && spec.agent.webhook == nil)
        #expect(spec.network == machines.spec.network && spec.k3s.datastore == .etcd)
        #expect(spec.nodes[0].labels == machines.spec.nodes[0].labels)
        let elsewhere = try scene(4)
        #expect(try adopted(elsewhere).spec.repository == elsewhere.spec.repository)
    }

    @Test func theConfigurationIsSplitByWhomItIsFor() throws {
        let spec = try adopted(scene(2)).spec
        #expect(spec.k3s.config == Self.config("kubelet-arg: [max-pods=150]") && spec.k3s.agentConfig.isEmpty)
        #expect(spec.k3s.serverConfig == Self.config("{disable: [traefik], tls-san: [k3s.home.arpa]}"))
        #expect(spec.nodes.allSatisfy { $0.config.isEmpty })
        let pi = try #require(spec.node(named: "pi"))
        #expect(pi.labels == ["disk": "sd", "topology.kubernetes.io/zone": "attic"] && pi.taints == [Taint("slow=yes:PreferNoSchedule")])
        #expect(pi.port == 2222 && pi.nodeIP == IPAddress("10.0.0.4"))
    }

    @Test func secretsAreNamedAndWhatToGiveIsTold() throws {
        let registries = try adopted(scene(2))
        let auth = registries.spec.k3s.registries?["configs"]?["registry.home"]?["auth"]
        #expect(auth == ["username": "me", "password": ["env": "REGISTRY_REGISTRY_HOME_PASSWORD"]], "\(registries.text)")
        #expect(registries.findings.contains { $0.contains("set the environment variable REGISTRY_REGISTRY_HOME_PASSWORD to it") })
        let https = try adopted(scene(5))
        #expect(https.spec.repository.token == .environment("REPOSITORY_TOKEN") && https.spec.repository.ca == .file("repository-ca.crt"))
        #expect(https.spec.agent.webhook == WebhookSpec(secret: .environment("WEBHOOK_SECRET")) && https.spec.agent.allowsRemoteBases)
        let told = https.findings.joined(separator: "\n")
        for words in [
            "the repository's token was not copied; /etc/homelab/repository-token has it", "copy that file to inventory/repository-ca.crt",
            "set the environment variable WEBHOOK_SECRET to it",
        ] { #expect(told.contains(words), "\(told)") }
    }

    /// The agents' keys are let in from anywhere where jump hosts are in between, and from the servers' addresses only where none are.
    @Test func aJumpHostIsWrittenWhereTheLostInventoryHadOne() throws {
        let machines = try scene(3)
        var hosts = machines.spec.nodes
        hosts[1].jumps = hosts[0].jumps
        let spec = try adopted(machines, hosts: hosts).spec
        #expect(spec.node(named: "s2")?.jumps.isEmpty == true, "that one is from ~/.ssh/config")
        #expect(spec.node(named: "s1")?.jumps.map(\.text) == ["jump@bastion.home.arpa:2200"])
        hosts[0].jumps = []
        let told = try adopted(machines, hosts: hosts).findings.joined(separator: "\n")
        #expect(told.contains("host 10.0.0.1: its inventory led to it through a jump host\n    give that with --jump"), "\(told)")
    }

    @Test func pinsAreThoseThatTheAgentsHave() throws {
        let spec = try adopted(scene(3)).spec
        #expect(spec.node(named: "s2")?.hostKeys.map(\.description) == [Self.key], "pinned as a whole")
        #expect(spec.node(named: "s3")?.hostKeys.map(\.isWhole) == [false], "in no known_hosts")
    }

    @Test func anotherNameIsRefusedAndAnotherHostIsTold() throws {
        let machines = try scene(1)
        let error = try #require(throws: Diagnostics.self) { try adopted(machines, name: "home") }
        #expect(error.description.contains("the cluster is called attic, not home: /etc/homelab/agent.yaml"), "\(error)")
        var hosts = machines.spec.nodes
        hosts[0].host = "s1.home.arpa"
        let told = try adopted(machines, name: "attic", hosts: hosts).findings.joined(separator: "\n")
        #expect(told.contains("host s1.home.arpa: the agents know it as 10.0.0.1\n    name it 10.0.0.1 here"), "\(told)")
    }

    /// A node that joins by an address of no machine joins by the endpoint.
    @Test func theEndpointIsFoundWhereANodeJoinsByIt() throws {
        var machines = try scene(2)
        for (name, observation) in machines.observed {
            guard var facts = observation.facts, name != "s1" else { continue }
            facts.k3s.config = facts.k3s.config?.replacing("https://10.0.0.1:6443", with: "https://k3s.home.arpa:6443")
            machines.observed[name] = .facts(facts)
        }
        #expect(try adopted(machines).spec.endpoint == Endpoint(host: "k3s.home.arpa"))
    }

    /// What k3s is given beside homelab's own file stays there and is not copied into it.
    @Test func dropInsOfOthersStayWhereTheyAre() throws {
        let machines = try scene(0)
        var machine = AdoptedMachine(
            host: "10.0.0.1", port: 22, user: "ops", identityFiles: [], facts: try #require(machines.observed["s1"]?.facts))
        machine.given.configurations = try YAMLReader.values("kubelet-arg+: [v=1]\n", file: "10-more.yaml")
        machine.given.environment = ["K3S_RESOLV_CONF": "/etc/resolv.conf"]
        var cluster = AdoptedCluster(name: nil, machines: [machine], nodes: .null)
        let text = try cluster.inventory()
        #expect(!text.contains("v=1") && !text.contains("resolv"), "\(text)")
    }
}
