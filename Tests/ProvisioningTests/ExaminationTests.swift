import Diagnostics
import NodeInventory
import NodePlanning
import Testing

@testable import Provisioning

/// What the doctor finds out about nodes, whose machines are played by fake hosts.
@Suite struct ExaminationTests {
    private func machines() throws -> Machines {
        let spec = try ClusterSpec.load(
            "home.yaml",
            files: [
                "home.yaml": """
                {apiVersion: homelab.dev/v1alpha1, kind: Cluster, name: home, k3s: {version: v1.33.4+k3s1}, nodes: [
                  {name: s1, role: server, host: 10.0.0.1}, {name: a1, role: agent, host: 10.0.0.11}]}
                """
            ])
        return try Machines(spec, inventoryDirectory: ".", logDirectory: nil, interaction: BootstrapInteraction(events: { _ in }))
    }

    private func examine(_ hosts: FakeHost...) async throws -> (examinations: [Examination], unreached: Diagnostics) {
        let machines = try machines()
        let byName = Dictionary(uniqueKeysWithValues: hosts.map { ($0.name, $0 as any Host) })
        return try await machines.examine(machines.spec.nodes.filter { byName[$0.name] != nil }, byName, Diagnostics())
    }

    private func node(_ name: String, _ address: String, ready: String, message: String = "") -> String {
        #"{"metadata":{"name":"\#(name)"},"status":{"addresses":[{"type":"InternalIP","address":"\#(address)"}],"#
            + #""conditions":[{"type":"Ready","status":"\#(ready)","message":"\#(message)"}]}}"#
    }

    private func server(_ nodes: String...) -> FakeHost {
        FakeHost("s1").on("get nodes", .ok(#"{"items":[\#(nodes.joined(separator: ","))]}"#)).on("-p ActiveState", look("active"))
            .on("/readyz", .ok()).on("ip -o addr", .ok("2: eth0    inet 10.0.0.1/24 brd 10.0.0.255 scope global eth0\n"))
    }

    private func agent(_ look: FakeHost.Answer, address: String = "10.0.0.11") -> FakeHost {
        FakeHost("a1").on("-p ActiveState", look).on(
            "ip -o addr", .ok("1: lo    inet 127.0.0.1/8 scope host lo\n2: eth0    inet \(address)/24 scope global eth0\n"))
    }

    private func look(_ state: String, _ journal: String...) -> FakeHost.Answer {
        .ok("ActiveState=\(state)\nNRestarts=3\n-- journal\n" + journal.map { "Nov 24 10:00:00 a1 \($0)\n" }.joined())
    }

    private var s1: String { node("s1", "10.0.0.1", ready: "True") }

    @Test func nodesThatAreWellHaveNoFinding() async throws {
        let (found, unreached) = try await examine(
            server(s1, node("a1", "10.0.0.11", ready: "True")), agent(look("active", "k3s[1]: an old word")))
        #expect(found.map(\.isWell) == [true, true] && unreached.isEmpty, "\(found)")
        #expect(found[1].lastWords == "an old word" && found[1].restarts == 3)
    }

    @Test func aNodeThatCannotBeReadToTheEndIsToldAndNotLeftOut() async throws {
        let (found, unreached) = try await examine(server(s1), FakeHost("a1").on("-p ActiveState", .lost))
        #expect(found.map(\.node) == ["s1"])
        #expect(unreached.all.map(\.summary) == ["the connection was lost"] && unreached.hasErrors)
    }

    @Test func aK3sThatRunsIsNotWellWhenItsNodeIsNotReady() async throws {
        let (found, _) = try await examine(
            server(s1, node("a1", "10.0.0.11", ready: "Unknown", message: "Kubelet stopped posting node status.")), agent(look("active")))
        #expect(found[1].finding?.summary == "k3s runs, but its node is not Ready" && !found[1].isWell)
        #expect(found[1].finding?.cause == "Kubelet stopped posting node status.")
        #expect(found[1].finding?.remedy?.contains("`homelab preflight` tries the ways between the nodes") == true)
    }

    /// An agent that OpenRC has started is active while it still waits for its server.
    @Test func anActiveAgentThatHasNotJoinedIsExplainedByItsJournal() async throws {
        let words =
            #"k3s[1]: level=info msg="Waiting to retrieve agent configuration; server is not ready: Node password rejected, duplicate hostname""#
        let (found, _) = try await examine(server(s1), agent(look("active", words)))
        #expect(found[1].finding?.summary == "the cluster knows a node of this name with another node password")
        let (silent, _) = try await examine(server(s1), agent(look("active")))
        #expect(silent[1].finding?.summary == "k3s runs, but the cluster has no node of this name")
    }

    @Test func aLeaseThatChangedTheAddressIsNamed() async throws {
        let (found, _) = try await examine(
            server(s1, node("a1", "10.0.0.11", ready: "True")), agent(look("active"), address: "10.0.0.73"))
        #expect(found[1].finding?.summary == "its address has changed: the cluster knows it at 10.0.0.11")
        #expect(found[1].finding?.cause == "the machine has 10.0.0.73")
        #expect(found[1].finding?.remedy?.contains("a fixed lease, or a static address") == true)
    }

    @Test func aStoppedK3sIsSaidToBeStopped() async throws {
        let words = "systemd[1]: Stopped k3s-agent.service - Lightweight Kubernetes, agent."
        let (found, _) = try await examine(server(s1), agent(look("inactive", words)))
        #expect(found[1].finding?.summary == "k3s is stopped" && found[1].finding?.remedy == "`homelab bootstrap` starts it")
        let (none, _) = try await examine(server(s1), agent(look("inactive")))
        #expect(none[1].finding?.summary == "k3s is not running")
        #expect(none[1].finding?.remedy == "`homelab bootstrap` installs or starts it")
    }

    @Test func whatANodeSaysIsShownWithoutItsTokens() async throws {
        let token = "K10" + String(repeating: "ab", count: 32) + "::server:0123456789"
        let (found, _) = try await examine(
            server(s1), agent(look("failed", #"k3s[1]: level=fatal msg="the server \#(token) is unknown""#)))
        #expect(found[1].finding?.cause == "the server K10<secret> is unknown", "\(found[1])")
        #expect(found[1].lastWords == "the server K10<secret> is unknown")
    }

    @Test func whatTheUnitSaidCountsBeforeWhatSystemdSaysOfIt() {
        var watch = UnitWatch(unit: "k3s.service", cursor: nil)
        _ = watch.read("ActiveState=activating\n-- journal\nNov 24 10:00:00 m1 systemd[1]: Starting k3s.service...\n")
        #expect(watch.lastWords == "Starting k3s.service...")
        _ = watch.read(
            """
            ActiveState=activating
            -- journal
            Nov 24 10:00:01 m1 k3s[7]: time="t" level=fatal msg="etcd exited"
            Nov 24 10:00:01 m1 systemd[1]: k3s.service: Failed with result 'exit-code'.
            """)
        #expect(watch.lastWords == "etcd exited")
    }

    @Test func whatAProcessThatMadeWayForTheStartSaidAtItsEndIsNoReason() {
        var watch = UnitWatch(unit: "k3s.service", cursor: "s=1;i=2")
        _ = watch.read(
            """
            ActiveState=activating
            -- journal
            Nov 24 10:00:00 m1 systemd[1]: Stopping k3s.service...
            Nov 24 10:00:01 m1 k3s[7]: time="t" level=error msg="no space left on device"
            Nov 24 10:00:01 m1 systemd[1]: Starting k3s.service...
            Nov 24 10:00:02 m1 systemd[1]: k3s.service: Control process exited, code=exited, status=1/FAILURE
            """)
        #expect(watch.lastWords == "k3s.service: Control process exited, code=exited, status=1/FAILURE" && watch.diagnosis == nil)
        _ = watch.read(
            """
            ActiveState=activating
            -- journal
            Nov 24 10:00:07 m1 k3s[9]: time="t" level=fatal msg="etcd exited"
            Nov 24 10:00:08 m1 systemd[1]: Starting k3s.service...
            """)
        #expect(watch.lastWords == "etcd exited", "further starts are of the same try")
    }
}

/// When k3s' certificates end.
@Suite struct CertificateFindingTests {
    private static let now = 1_800_000_000

    private func certificates(_ days: Int...) -> NodeCertificates {
        NodeCertificates(
            node: "m1",
            certificates: days.enumerated().map { ServerReview.Certificate(path: "/tls/\($0).crt", notAfter: Self.now + $1 * 86400 + 60) })
    }

    @Test func onlyThoseNearTheirEndAreToldWithWhatToDo() throws {
        #expect(certificates(364, 31).finding(at: Self.now) == nil)
        let near = try #require(certificates(364, 29, 12).finding(at: Self.now))
        #expect(near.severity == .warning && near.summary == "certificates expire in 12 days" && near.cause == "/tls/2.crt and 1 more")
        #expect(near.remedy?.contains("homelab certs rotate") == true)
        let ended = try #require(certificates(364, -3).finding(at: Self.now))
        #expect(ended.severity == .error && ended.summary == "certificates have expired" && ended.cause == "/tls/1.crt")
        #expect(certificates().finding(at: Self.now)?.summary == "there are no certificates of k3s on it")
    }
}
