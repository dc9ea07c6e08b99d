import Diagnostics
import NodeInventory
import Testing

@testable import NodePlanning

@Suite struct ReachTests {
    private func spec(_ more: String = "") throws -> ClusterSpec {
        try ClusterSpec.load(
            "home.yaml",
            files: [
                "home.yaml": """
                apiVersion: homelab.dev/v1alpha1
                kind: Cluster
                name: home
                k3s:
                  version: v1.33.4+k3s1
                \(more)
                nodes:
                  - {name: s1, role: server, host: 10.0.0.1}
                  - {name: s2, role: server, host: 10.0.0.2}
                  - {name: s3, role: server, host: 10.0.0.3}
                  - {name: a1, role: agent, host: 10.0.0.4}
                """
            ])
    }

    private let addresses = ["s1", "s2", "s3", "a1"].enumerated().reduce(into: [String: IPAddress]()) {
        $0[$1.element] = IPAddress(v4: 0x0A00_0001 + UInt32($1.offset))
    }

    private func ports(_ probes: [ReachProbe], _ from: String, _ to: String) -> Set<String> {
        Set(probes.filter { $0.from == from && $0.to == to }.map { "\($0.transport.rawValue) \($0.port)" })
    }

    @Test func everyNodeNeedsTheApiTheKubeletAndThePodNetworkAndServersAlsoEtcd() throws {
        let probes = ReachPlan.probes(try spec(), addresses: addresses)
        #expect(ports(probes, "a1", "s1") == ["tcp 6443", "tcp 10250", "udp 8472"])
        #expect(ports(probes, "s1", "a1") == ["tcp 10250", "udp 8472"])
        #expect(ports(probes, "s1", "s2") == ["tcp 6443", "tcp 10250", "udp 8472", "tcp 2379", "tcp 2380"])
        #expect(ReachPlan.listeners(probes, on: "a1").count == 2)
    }

    @Test func theBackendDecidesAboutThePodNetworksPort() throws {
        let wireguard = ReachPlan.probes(try spec("  serverConfig: {flannel-backend: wireguard-native}"), addresses: addresses)
        #expect(ports(wireguard, "s1", "a1") == ["tcp 10250", "udp 51820"])
        let six = addresses.mapValues { IPAddress("fd00::\($0.bytes[3])")! }
        let wireguardSix = ReachPlan.probes(try spec("  serverConfig: {flannel-backend: wireguard-native}"), addresses: six)
        #expect(ports(wireguardSix, "s1", "a1") == ["tcp 10250", "udp 51821"])
        let hostGateway = ReachPlan.probes(try spec("  serverConfig: {flannel-backend: host-gw}"), addresses: addresses)
        #expect(ports(hostGateway, "s1", "a1") == ["tcp 10250"])
    }

    @Test func aNodeThatWasNotSeenIsNotTried() throws {
        let probes = ReachPlan.probes(try spec(), addresses: addresses.filter { $0.key != "s2" })
        #expect(probes.allSatisfy { $0.from != "s2" && $0.to != "s2" })
    }

    private func findings(_ spec: ClusterSpec, _ outcome: (ReachProbe) -> ReachOutcome) -> [String] {
        let results = ReachPlan.probes(spec, addresses: addresses).map { ($0, outcome($0)) }
        let found = ReachFindings.findings(results, spec: spec).sorted
        #expect(found.allSatisfy { $0.remedy != nil }, "each has its remedy: \(found)")
        return found.map(\.description)
    }

    @Test func oneFindingForAPortHoweverManyCannotGetThrough() throws {
        let found = findings(try spec()) { probe in
            probe.to == "s2" && probe.port == 8472 ? .silent : .reached(microseconds: 300)
        }
        #expect(found.count == 1)
        #expect(found[0].hasPrefix(#"error: node "s2": UDP 8472, which the pod network (vxlan) needs, gets no answer from s1, s3, a1"#))
        #expect(found[0].contains("tried at 10.0.0.2") && found[0].contains("open udp port 8472 of s2"))
    }

    @Test func refusalsAndSilenceAreToldApart() throws {
        let found = findings(try spec()) { probe in
            guard probe.to == "a1", probe.port == 10250 else { return .reached(microseconds: 300) }
            return probe.from == "s1" ? .refused : .silent
        }
        #expect(found.count == 2)
        #expect(found.contains { $0.contains("is refused from s1") })
        #expect(found.contains { $0.contains("gets no answer from s2, s3") })
    }

    @Test func whatCouldNotBeTriedIsWarnedOfWithItsReason() throws {
        let found = findings(try spec()) { probe in
            guard probe.to == "a1" else { return .reached(microseconds: 300) }
            return .untried(probe.port == 10250 || probe.from == "s1" ? "homelab does not run on a1: killed" : "s2 is not connected")
        }
        #expect(found.count == 3, "\(found)")
        #expect(
            found.contains(
                """
                warning: node "a1": TCP 10250 from s1, s2, s3 could not be tried: homelab does not run on a1: killed
                    put that right and run again; until then see for yourself that tcp port 10250 of a1 at 10.0.0.4 is open for them
                """), "\(found)")
        #expect(found.contains { $0.contains("UDP 8472 from s1 could not be tried: homelab does not run on a1: killed\n") }, "\(found)")
        #expect(found.contains { $0.contains("UDP 8472 from s2, s3 could not be tried: s2 is not connected\n") }, "\(found)")
    }

    @Test func largePacketsThatGetLostAndSlowServersAreTold() throws {
        let found = findings(try spec()) { probe in
            if probe.port == 8472, probe.to == "a1", probe.from == "s1" { return .onlySmall(largest: 9000, microseconds: 300) }
            return .reached(microseconds: probe.from == "s1" && probe.to == "s3" ? 80_000 : 300)
        }
        #expect(found.count == 2)
        #expect(found.contains { $0.contains("packets of 9000 bytes from s1 do not arrive, smaller ones do") })
        #expect(found.contains { $0.hasPrefix(#"warning: node "s3": it is 80 ms away from s1"#) })
    }

    /// What a port of ours cannot find out is noted once, and fails nothing.
    @Test func aPortThatARunningK3sHoldsIsNotedOnce() throws {
        let arrived = ReachOutcome.reached(microseconds: 100)
        let found = findings(try spec()) { $0.transport == .udp ? .held(beside: arrived) : arrived }
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.hasPrefix(#"note: cluster "home": UDP 8472 is in use on s1, s2, s3, a1, as it is where k3s runs"#) == true)
        #expect(found.first?.contains("was tried in its place\n    where pods of two nodes do not reach each other, `tcpdump") == true)
    }

    @Test func onARunningClusterAFreePortTellsOfThePacketsSize() throws {
        let found = findings(try spec()) { probe in
            guard probe.transport == .udp else { return .reached(microseconds: 100) }
            let isNarrow = probe.from == "s1" && probe.to == "a1"
            return .held(beside: isNarrow ? .onlySmall(largest: 1500, microseconds: 90) : .reached(microseconds: 90))
        }
        #expect(found.count == 2, "\(found)")
        #expect(found[0].hasPrefix(#"error: node "a1": packets of 1500 bytes from s1 do not arrive, smaller ones do"#), "\(found)")
    }

    @Test(arguments: [.silent, .refused, nil] as [ReachOutcome?])
    func aFreePortThatDoesNotAnswerOnARunningClusterIsNoError(_ beside: ReachOutcome?) throws {
        let found = findings(try spec()) { probe in
            guard probe.transport == .udp else { return .reached(microseconds: 100) }
            return .held(beside: probe.to == "a1" && probe.from != "s3" ? beside : .reached(microseconds: 90))
        }
        #expect(found.count == 1 && found[0].hasPrefix("note: "), "\(found)")
        #expect(found.first?.contains(": no answer came on a1 from s1, s2, so that it is not known there") == true, "\(found)")
    }
}
