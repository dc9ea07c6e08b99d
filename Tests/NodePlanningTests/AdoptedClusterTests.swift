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
        machine.given.configurations = try configurations.flatMap { try YAMLReader.values($0, file: "config.yaml") }
        machine.given.arguments = arguments
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

    /// Of two machines one was joined by hand: what taking that one over changes is told, and not done.
    @Test func aClusterThatSomebodyInstalledStaysAsItIsWhileItIsPaused() throws {
        let machines = [try machine("s1", ["cluster-init: true\n"]), try machine("a1")]
        let heading = "# Written by homelab from the inventory; a change here is undone by the next run.\n"
        for isOfHand in [true, false] {
            var found = machines
            for index in found.indices {
                found[index].facts.k3s.config = (index == 1 && isOfHand ? "" : heading) + "node-name: \(index == 0 ? "attic" : "shelf")\n"
            }
            var cluster = AdoptedCluster(name: "home", machines: found, nodes: nodes([("attic", "10.0.0.1"), ("shelf", "10.0.0.11")]))
            let text = try cluster.inventory()
            let spec = try ClusterSpec.load("home.yaml", files: ["home.yaml": text])
            #expect(spec.paused == isOfHand && cluster.isOfHomelab == !isOfHand)
            #expect(text.contains("they stay as they were installed") == isOfHand, "\(text)")
            let observed = Dictionary(uniqueKeysWithValues: zip(spec.nodes.map(\.name), found.map { NodeObservation.facts($0.facts) }))
            let plan = NodePlanner.plan(desired: spec, observed: observed, cluster: .none, context: PlanningCase.context)
            #expect(plan.isEmpty == isOfHand, "\(plan.text)")
            let told = plan.pending.compactMap { $0.text.contains("steps are left undone, the first: ") ? $0.node : nil }
            #expect(told == (isOfHand ? ["attic", "shelf"] : []), "\(plan.text)")
        }
    }

    @Test func theCommandLineCountsToo() {
        let flags = K3sSettings.flags([
            "--disable", "traefik", "--disable=servicelb", "--debug", "--flannel-backend=host-gw", "--cluster-cidr", "10.1.0.0/16",
        ])
        let all = Dictionary(uniqueKeysWithValues: flags)
        #expect(all["disable"] == .array(["traefik", "servicelb"]))
        #expect(all["debug"] == true && all["flannel-backend"] == "host-gw" && all["cluster-cidr"] == .array(["10.1.0.0/16"]))
    }

    @Test func shortNamesAndCommasAreUnderstood() {
        let all = Dictionary(uniqueKeysWithValues: K3sSettings.flags(["-d", "/mnt/k3s", "-t=x", "--node-label", "a=b,c=d", "-v", "2"]))
        #expect(all["data-dir"] == "/mnt/k3s" && all["token"] == "x" && all["node-label"] == .array(["a=b,c=d"]) && all["v"] == "2")
    }

    /// The unit's environment counts least, config.yaml and its drop-ins more, the command line most.
    @Test func theEnvironmentCountsToo() throws {
        var shelf = try machine(
            "a1", ["resolv-conf: /etc/b\nkubelet-arg: [max-pods=60]\n"],
            ["--node-label", "disk=ssd,rack=1", "--selinux=false", "--node-ip", "10.0.0.11"])
        shelf.given.environment = [
            "K3S_NODE_NAME": "shelf", "K3S_RESOLV_CONF": "/etc/a", "K3S_SELINUX": "true", "K3S_TOKEN": "***",
            "K3S_URL": "https://10.0.0.1:6443",
        ]
        var attic = try machine(
            "s1", [], ["--cluster-init", "--cluster-dns", "10.53.0.10", "--service-cidr=10.53.0.0/16", "--tls-san", "k3s.home,10.0.0.1"])
        attic.given.environment = ["K3S_KUBECONFIG_MODE": "644"]
        attic.proxies = ["HTTPS_PROXY", "NO_PROXY"]
        var cluster = AdoptedCluster(
            name: "home", machines: [attic, shelf], nodes: nodes([("attic", "10.0.0.1"), ("shelf", "10.0.0.11")]))
        let spec = try ClusterSpec.load("home.yaml", files: ["home.yaml": try cluster.inventory()])
        #expect(spec.nodes.map(\.name) == ["attic", "shelf"] && spec.nodes[1].nodeIP == IPAddress("10.0.0.11"))
        #expect(spec.nodes[1].labels == ["disk": "ssd", "rack": "1"])
        #expect(spec.k3s.agentConfig["resolv-conf"] == "/etc/b" && spec.k3s.agentConfig["selinux"] == false)
        #expect(spec.k3s.serverConfig["write-kubeconfig-mode"] == "644" && spec.k3s.serverConfig["tls-san"] == ["k3s.home"])
        #expect(spec.network.dns == IPAddress("10.53.0.10") && spec.network.services.map(\.description) == ["10.53.0.0/16"])
        let found = cluster.findings.sorted.map(\.description)
        #expect(found.count == 1 && found[0].contains("HTTPS_PROXY, NO_PROXY") && found[0].contains("k3s.service.d/proxy.conf"), "\(found)")
    }

    /// Taking such a k3s over would begin a new, empty cluster in its place.
    @Test(
        arguments: [
            (["--data-dir", "/mnt/k3s"], [:], "data-dir /mnt/k3s"), (["-d=/mnt/k3s"], [:], "data-dir /mnt/k3s"),
            ([], ["K3S_DATASTORE_ENDPOINT": "***"], "datastore-endpoint ***"), (["--https-listen-port=443"], [:], "https-listen-port 443"),
            (["--disable-agent"], [:], "disable-agent true"), ([], ["K3S_CONFIG_FILE": "/etc/k3s.yaml"], "config /etc/k3s.yaml"),
        ] as [([String], [String: String], String)])
    func whatCannotBeKeptIsRefused(_ arguments: [String], _ environment: [String: String], _ words: String) throws {
        var machine = try machine("s1", [], arguments)
        machine.given.environment = environment
        var cluster = AdoptedCluster(name: "home", machines: [machine], nodes: nodes([("s1", "10.0.0.1")]))
        let error = try #require(throws: Diagnostics.self) { try cluster.inventory() }
        #expect(error.description.contains("k3s has \(words), with which homelab cannot keep it"), "\(error)")
        #expect(error.description.contains("\n    "), "with its remedy: \(error)")
    }

    /// Its version is not known either then, and would be told as different ones.
    @Test func aK3sThatIsElsewhereIsRefused() throws {
        var machine = try machine("s1")
        machine.given.program = "/opt/bin/k3s"
        machine.facts.k3s.binary = nil
        var cluster = AdoptedCluster(name: "home", machines: [machine], nodes: nodes([("s1", "10.0.0.1")]))
        let error = try #require(throws: Diagnostics.self) { try cluster.inventory() }
        #expect(
            error.all.map(\.description) == [
                "error: host 10.0.0.1: k3s is at /opt/bin/k3s, and homelab keeps it in /usr/local/bin\n"
                    + "    install it there first: run k3s' installer again with INSTALL_K3S_BIN_DIR=/usr/local/bin"
            ])
        machine.given.program = NodeLayout.k3s
        cluster = AdoptedCluster(name: "home", machines: [machine], nodes: nodes([("s1", "10.0.0.1")]))
        let untold = try #require(throws: Diagnostics.self) { try cluster.inventory() }
        #expect(untold.description.contains("host 10.0.0.1: its k3s does not tell its version"), "\(untold)")
    }

    /// A k3s that was installed by hand has no token where homelab's config.yaml says that it is.
    @Test func whoIsRestartedWithoutATokenGetsOneFirst() throws {
        let scene = PlanningCase.named("config-change")
        var observed = try scene.observed()
        for name in observed.keys {
            guard var facts = observed[name]?.facts else { continue }
            facts.files[NodeLayout.token] = .absent
            facts.k3s.joinTokenID = nil
            observed[name] = .facts(facts)
        }
        let plan = NodePlanner.plan(
            desired: try scene.spec(), observed: observed, cluster: try scene.cluster(), context: PlanningCase.context)
        var checked = 0
        for task in plan.phases.filter({ $0.kind == .configuration }).flatMap(\.tasks) {
            let restart = task.steps.firstIndex { if case .restartUnit = $0.step { true } else { false } }
            let token = task.steps.firstIndex { if case .writeToken = $0.step { true } else { false } }
            guard let restart else { continue }
            #expect(token.map { $0 < restart } == true, "\(task.node)")
            checked += 1
        }
        #expect(checked >= 2, "\(plan.phases.map(\.kind))")
        let agents = try scene.spec().agents.map(\.name)
        let deleted = plan.phases.flatMap(\.tasks).flatMap(\.steps).compactMap { planned in
            if case .revokeToken(_, let node, _) = planned.step { node } else { nil }
        }
        #expect(Set(deleted).isSubset(of: agents) && !deleted.isEmpty, "\(deleted)")
    }

    @Test func whatIsUsualIsKept() throws {
        let machine = try machine("s1", ["data-dir: /var/lib/rancher/k3s\n"], ["--https-listen-port", "6443", "--disable-etcd=false"])
        var cluster = AdoptedCluster(name: "home", machines: [machine], nodes: nodes([("s1", "10.0.0.1")]))
        _ = try cluster.inventory()
        #expect(cluster.findings.isEmpty, "\(cluster.findings)")
    }

    @Test func whatIsLeftOutIsTold() throws {
        var machine = try machine("s1", ["vpn-auth: '***'\nmade-up: 1\n"])
        machine.hasRegistries = true
        var cluster = AdoptedCluster(name: "home", machines: [machine], nodes: nodes([("s1", "10.0.0.1"), ("s9", "10.0.0.9")]))
        _ = try cluster.inventory()
        let found = cluster.findings.sorted.map(\.description).joined(separator: "\n")
        for words in ["vpn-auth", "made-up", "registries.yaml", #"node "s9""#] { #expect(found.contains(words), "\(found)") }
    }
}
