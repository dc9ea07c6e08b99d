import Diagnostics
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

    @Test(arguments: [
        ("K3S_NODE_NAME=shelf", "K3S_NODE_NAME", "shelf"), ("K3S_RESOLV_CONF=\"/etc/a b\"", "K3S_RESOLV_CONF", "/etc/a b"),
        ("K3S_TOKEN='***'", "K3S_TOKEN", "***"), ("K3S_URL=", "K3S_URL", ""), ("A==", "A", "="),
    ]) func variablesAreReadAsWritten(_ line: String, _ name: String, _ value: String) throws {
        let assignment = try #require(Adoption.assignment(line))
        #expect(assignment.name == name && assignment.value == value)
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
