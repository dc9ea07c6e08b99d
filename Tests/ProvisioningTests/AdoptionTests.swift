import Diagnostics
import Foundation
import NodeInventory
import NodePlanning
import Testing
import YAML

@testable import Provisioning

@Suite struct AdoptionTests {
    @Test func theCommandLineIsFoundInWhatSystemdSays() {
        let line =
            "{ path=/usr/local/bin/k3s ; argv[]=/usr/local/bin/k3s server --disable traefik --kubelet-arg=max-pods=50 ; ignore_errors=no ; "
            + "start_time=[n/a] ; stop_time=[n/a] ; pid=1 ; code=(null) ; status=0/0 }"
        #expect(Adoption.arguments(line) == ["--disable", "traefik", "--kubelet-arg=max-pods=50"])
        #expect(
            Adoption.arguments("argv[]=k3s agent --node-name shelf ; ") == ["--node-name", "shelf"], "as it is printed of OpenRC's service")
        #expect(Adoption.arguments("something else").isEmpty)
    }

    @Test(
        arguments: [
            ("{ path=/opt/bin/k3s ; argv[]=/opt/bin/k3s server --disable agent ; ignore_errors=no ; }", "/opt/bin/k3s"),
            ("{ path=/usr/bin/env ; argv[]=/usr/bin/env GOGC=50 /opt/bin/k3s agent ; ignore_errors=no ; }", "/opt/bin/k3s"),
            ("argv[]=k3s server ; ", nil), ("{ path=/bin/sh ; argv[]=/bin/sh -c exec k3s server ; }", nil), ("something else", nil),
        ] as [(String, String?)])
    func theProgramIsWhatStandsBeforeTheRole(_ line: String, _ program: String?) {
        #expect(Adoption.program(line) == program)
    }

    /// Where it is not, a k3s that answers would be said not to.
    @Test func theApiIsAskedWithTheK3sThatRuns() async throws {
        let host = FakeHost("10.0.0.1").on("/opt/bin/k3s kubectl", .ok("{}")).on("/usr/local/bin/k3s kubectl", .fails("not found"))
        #expect(try await Adoption.nodes(through: host, program: "/opt/bin/k3s").output == "{}")
        #expect(try await Adoption.nodes(through: host, program: nil).complaint == "not found")
    }

    @Test(arguments: [
        ("K3S_NODE_NAME=shelf", "K3S_NODE_NAME", "shelf"), ("K3S_RESOLV_CONF=\"/etc/a b\"", "K3S_RESOLV_CONF", "/etc/a b"),
        ("K3S_TOKEN='***'", "K3S_TOKEN", "***"), ("K3S_URL=", "K3S_URL", ""), ("A==", "A", "="),
    ]) func variablesAreReadAsWritten(_ line: String, _ name: String, _ value: String) throws {
        let assignment = try #require(Adoption.assignment(line))
        #expect(assignment.name == name && assignment.value == value)
    }
}

/// The script that reads a machine beside its facts, run over files as homelab leaves them.
@Suite struct MachineReadingTests {
    private func reading(_ files: [String: String]) throws -> (reading: MachineReading, printed: String) {
        let folder = NSTemporaryDirectory() + "homelab-reading-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for (path, text) in files {
            let file = folder + path
            try FileManager.default.createDirectory(
                atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            try text.write(toFile: file, atomically: true, encoding: .utf8)
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        let script = Adoption.script.replacingOccurrences(of: "/etc/", with: folder + "/etc/")
        process.arguments = ["-c", script.replacingOccurrences(of: "/run/systemd/", with: folder + "/run/systemd/")]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let printed = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            .replacingOccurrences(of: folder, with: "")
        process.waitUntilExit()
        return (try MachineReading(printed, host: "s1"), printed)
    }

    private static let heading = "# Written by homelab from the inventory; a change here is undone by the next run.\n"

    @Test func whatHomelabLeftIsRead() throws {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"
        var agent = AgentConfiguration(cluster: "attic", node: "s1", repository: .init(url: NodeLayout.repository, branch: "trunk"))
        agent.pollInterval = 90
        let read = try reading([
            NodeLayout.k3sConfig: Self.heading + "node-name: s1\n",
            NodeLayout.k3sRegistration: Self.heading + "node-label:\n- disk=ssd\n",
            "/etc/rancher/k3s/config.yaml.d/zz.yaml": "debug: true\n", NodeLayout.agentConfiguration: agent.encoded,
            NodeLayout.knownHosts: "# Written by homelab from the inventory's pins.\n[s1.home]:2222,[10.0.0.1]:2222 \(key)\n",
            NodeLayout.registries: "{}\n",
        ]).reading
        #expect(read.record.agent == agent && read.record.agentProblem == nil)
        #expect(read.record.registration?["node-label"] == ["disk=ssd"])
        #expect(read.settings.configurations.count == 3 && read.settings.merged["debug"] == true)
        let known = try #require(read.record.knownHosts.first)
        #expect(known.names == ["s1.home", "10.0.0.1"] && known.port == 2222 && known.key.description == key)
        #expect(read.record.knownHosts.count == 1 && read.record.registries == nil && !read.hasRegistries)
    }

    @Test func theProgramOfAServiceIsRead() throws {
        let service = "command=\"/opt/bin/k3s\"\ncommand_args=\"server \\\n    --debug \\\n    >>/var/log/k3s.log 2>&1\"\n"
        let read = try reading(["/etc/init.d/k3s": service])
        #expect(read.reading.settings.program == "/opt/bin/k3s" && read.reading.settings.merged["debug"] == true, "\(read.printed)")
    }

    @Test func whatIsOfOthersIsOnlyTold() throws {
        let read = try reading([
            NodeLayout.registries: "configs: {r: {auth: {password: hunter2}}}\n", NodeLayout.knownHosts: "10.0.0.1 ssh-ed25519 AAAA\n",
            NodeLayout.agentConfiguration: "cluster: attic\n", NodeLayout.k3sConfig: "token: hunter2\n",
        ])
        #expect(read.reading.hasRegistries && read.reading.record.registries == nil && read.reading.record.knownHosts.isEmpty)
        #expect(read.reading.record.agent == nil && read.reading.record.agentProblem != nil)
        #expect(!read.printed.contains("hunter2"), "\(read.printed)")
    }

    /// Also one that a person wrote into homelab's own file, in whatever style.
    @Test(arguments: [
        "    auth:\n      password: \"hunter2\"\n      username: me\n", "    auth:\n      username: me\n      password: hunter2\n",
        "    auth:\n      password: |-\n        hunter2\n        hunter2\n      username: me\n",
        "    auth:\n      password:    >-\n\n        hunter2\n      username: me\n", "    auth: {username: me, password: hunter2}\n",
        "    {auth: {username: me, 'password': 'hunter2, hunter2'}}\n",
        "    auth:\n      \"auth\": hunter2\n      'token': hunter2\n      username: me\n",
    ]) func noSecretOfARegistryLeavesTheMachine(_ login: String) throws {
        let text =
            Self.heading + "configs:\n  registry.home:5000:\n\(login)mirrors:\n  docker.io:\n    endpoint:\n"
            + "    - https://me:hunter2@mirror.home\n"
        let read = try reading([NodeLayout.registries: text])
        #expect(!read.printed.contains("hunter2"), "\(read.printed)")
        #expect(read.reading.hasRegistries && read.reading.record.registries == nil, "the mirror's cannot be named again")
    }

    @Test func registriesOfHomelabsAreReadWithoutTheirSecrets() throws {
        let text =
            Self.heading + "configs:\n  other.home:\n    auth: {}\n  registry.home:5000:\n    auth:\n"
            + "      password: \"it's: \\\"hunter2\\\"\"\n"
            + "      username: me\nmirrors:\n  docker.io:\n    endpoint:\n    - https://me@mirror.home\n"
        let read = try reading([NodeLayout.registries: text])
        let registries = try #require(read.reading.record.registries, "\(read.printed)")
        #expect(registries["configs"]?["registry.home:5000"]?["auth"] == ["username": "me", "password": "***"], "\(read.printed)")
        #expect(registries["configs"]?["other.home"]?["auth"] == .object(Object()) && !read.reading.hasRegistries)
        #expect(registries["mirrors"]?["docker.io"]?["endpoint"] == ["https://me@mirror.home"])
        #expect(!read.printed.contains("hunter2"), "\(read.printed)")
    }
}

@Suite struct AdoptedServerTests {
    private func machine(_ host: String, id: String, role: NodeRole?, server: String? = nil) -> AdoptedMachine {
        var facts = NodeFacts()
        facts.system.machineID = id
        if let role { facts.units[role.unit] = UnitFact(active: "active", enabled: true) }
        var machine = AdoptedMachine(host: host, port: 22, user: "root", identityFiles: [], facts: facts)
        if let server { machine.given.configurations = [["server": .string(server)]] }
        return machine
    }

    private func complaints(_ machines: [AdoptedMachine], silent: [String: String] = [:], hasNodes: Bool = false) -> [String] {
        do {
            try Adoption.requireServer(machines, silent: silent, hasNodes: hasNodes)
            return []
        } catch { return error.all.map(\.description) }
    }

    @Test func eachMachineSaysWhatItIsInsteadOfAServerThatAnswers() {
        let all = [
            machine("10.0.0.1", id: "a", role: .server), machine("10.0.0.2", id: "b", role: nil),
            machine("10.0.0.3", id: "c", role: .agent, server: "https://10.0.0.9:6443"),
        ]
        let said = complaints(all, silent: ["10.0.0.1": "connection refused"])
        #expect(
            said.count == 3 && said[0].hasPrefix("error: host 10.0.0.1: its API does not answer: connection refused\n    wait until k3s"))
        #expect(
            said.dropFirst() == [
                "error: host 10.0.0.2: no k3s runs on it\n    name only machines of the cluster",
                "error: host 10.0.0.3: it is an agent of https://10.0.0.9:6443\n    name at least one server of the cluster too",
            ])
        #expect(complaints(all, hasNodes: true).isEmpty)
    }

    @Test func aMachineThatIsNamedTwiceIsTold() {
        let twice = [machine("10.0.0.1", id: "a", role: .server), machine("home.lan", id: "a", role: .server)]
        #expect(
            complaints(twice, hasNodes: true) == [
                "error: host home.lan: it is the same machine as 10.0.0.1, or a copy of it: both have the machine-id a\n"
                    + "    name each machine once; a copy needs a machine-id of its own"
            ])
    }
}

@Suite struct ServerReviewTests {
    @Test func whatTheSurveyPrintsIsRead() {
        let review = ServerReview(
            printed: """
                -- readyz
                [+]ping ok
                readyz check passed
                -- etcd
                etcd_mvcc_db_total_size_in_bytes 2.0971520e+07
                etcd_server_quota_backend_bytes 2.147483648e+09

                -- snapshots
                1795400000
                1795300000
                -- certificates
                """)
        #expect(review.readiness == "ok" && review.newestSnapshot == 1_795_400_000)
        #expect(review.etcdComplaint == nil && review.etcdSize == 20 << 20 && review.etcdQuota == 2048 << 20)
        let ill = ServerReview(
            printed: "-- readyz\n[-]etcd failed: reason withheld\n-- etcd\n{\"health\":\"false\",\"reason\":\"ALARM NOSPACE\"}\n")
        #expect(ill.readiness == "[-]etcd failed: reason withheld" && ill.etcdComplaint == "ALARM NOSPACE" && ill.etcdSize == nil)
        #expect(ServerReview(printed: "-- etcd\n{\"health\":\"false\"}\n").etcdComplaint == "an alarm, or no leader")
        #expect(ServerReview(printed: "-- readyz\nok\n-- etcd\n").etcdComplaint == nil, "a k3s that does not tell is not ill")
    }
}
