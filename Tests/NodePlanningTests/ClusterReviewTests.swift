import Diagnostics
import NodeInventory
import Testing
import YAML

@testable import NodePlanning

@Suite struct ClusterReviewTests {
    private let now = 2_000_000_000

    private func spec(_ nodes: String) throws -> ClusterSpec {
        try ClusterSpec.load(
            "home.yaml",
            files: [
                "home.yaml":
                    "apiVersion: homelab.dev/v1alpha1\nkind: Cluster\nname: home\nk3s: {version: v1.33.4+k3s1, datastore: etcd}\nnodes:\n"
                    + nodes
            ])
    }

    private func node(_ name: String, _ address: String, server: Bool, voter: String? = nil, ready: String = "True") -> Value {
        var labels: Value = [:]
        var annotations: Value = [:]
        var conditions: [Value] = [["type": "Ready", "status": .string(ready), "message": "kubelet stopped"]]
        if server {
            labels = ["node-role.kubernetes.io/control-plane": "true", "node-role.kubernetes.io/etcd": "true"]
            annotations = ["etcd.k3s.cattle.io/node-address": .string(address)]
        }
        if let voter { conditions.append(["type": "EtcdIsVoter", "status": .string(voter), "message": "it is a learner"]) }
        return [
            "metadata": ["name": .string(name), "labels": labels, "annotations": annotations],
            "status": [
                "conditions": .array(conditions), "nodeInfo": ["kubeletVersion": "v1.33.4+k3s1"],
                "addresses": .array([["type": "InternalIP", "address": .string(address)]]),
            ],
        ]
    }

    private func server(_ change: (inout ServerReview) -> Void = { _ in }) -> ServerReview {
        var review = ServerReview()
        review.readiness = "ok"
        review.newestSnapshot = now - 3600
        review.certificates = [ServerReview.Certificate(path: "/tls/a.crt", notAfter: now + 300 * 86400)]
        change(&review)
        return review
    }

    private func findings(
        _ spec: ClusterSpec, _ nodes: [Value], budgets: [Value] = [], servers: [String: ServerReview]? = nil, strangers: [EtcdMember] = []
    ) -> [String] {
        ClusterReview.findings(
            spec, nodes: ["items": .array(nodes)], budgets: ["items": .array(budgets)], servers: servers ?? ["s1": server()],
            strangers: strangers, observed: [:], now: now
        ).sorted.map(\.description)
    }

    @Test func aHealthyClusterHasNothingAgainstIt() throws {
        let spec = try spec("  - {name: s1, role: server, host: 10.0.0.1}\n  - {name: a1, role: agent, host: 10.0.0.2}\n")
        #expect(findings(spec, [node("s1", "10.0.0.1", server: true, voter: "True"), node("a1", "10.0.0.2", server: false)]).isEmpty)
    }

    @Test func inventoryNodesAndMembersAreCompared() throws {
        let spec = try spec("  - {name: s1, role: server, host: 10.0.0.1}\n  - {name: a1, role: agent, host: 10.0.0.2}\n")
        let found = findings(
            spec,
            [
                node("s1", "10.0.0.9", server: true, voter: "True"), node("a1", "10.0.0.2", server: true, voter: "True"),
                node("ghost", "10.0.0.7", server: false),
            ])
        #expect(found.contains { $0.contains(#"node "ghost": the cluster has this node, the inventory does not"#) })
        #expect(found.contains { $0.hasPrefix(#"error: node "s1": the cluster knows it as 10.0.0.9, the inventory as 10.0.0.1"#) })
        #expect(found.contains { $0.contains(#"node "a1": the cluster has it as server, the inventory as agent"#) })
        #expect(found.contains { $0.contains("it is a member of etcd, but an agent in the inventory") })
    }

    @Test func membersThatDoNotVoteAndALostMajorityAreErrors() throws {
        let spec = try spec((1...3).map { "  - {name: s\($0), role: server, host: 10.0.0.\($0)}\n" }.joined())
        let learning = findings(
            spec,
            [
                node("s1", "10.0.0.1", server: true, voter: "True"), node("s2", "10.0.0.2", server: true, voter: "True"),
                node("s3", "10.0.0.3", server: true, voter: "False"),
            ])
        #expect(learning.contains { $0.contains(#"node "s3": its etcd member does not vote yet: it is a learner"#) })
        #expect(learning.contains { $0.hasPrefix(#"warning: cluster "home": 2 of 3 members"#) })
        let lost = findings(
            spec,
            [
                node("s1", "10.0.0.1", server: true, voter: "True"), node("s2", "10.0.0.2", server: true, voter: "True", ready: "Unknown"),
                node("s3", "10.0.0.3", server: true, voter: "True", ready: "Unknown"),
            ])
        #expect(
            lost.contains { $0.hasPrefix(#"error: cluster "home": 1 of 3 members of etcd vote and are healthy: there is no majority"#) })
        #expect(lost.contains { $0.contains(#"node "s2": it is not Ready: kubelet stopped"#) })
    }

    @Test func aMemberThatNoNodeStandsForIsNamedAndCounts() throws {
        let spec = try spec((1...3).map { "  - {name: s\($0), role: server, host: 10.0.0.\($0)}\n" }.joined())
        let nodes = (1...3).map { node("s\($0)", "10.0.0.\($0)", server: true, voter: "True", ready: $0 < 3 ? "True" : "Unknown") }
        let found = findings(spec, nodes, strangers: [EtcdMember(name: "s4-1a2b3c4d", peerURLs: ["https://10.0.0.4:2380"])])
        let stranger = #"error: node "s4-1a2b3c4d": etcd has this member, and the cluster no node for it: https://10.0.0.4:2380"#
        #expect(found.contains { $0.hasPrefix(stranger) && $0.contains("member remove ID") }, "\(found)")
        let lost = #"error: cluster "home": 2 of 4 members of etcd vote and are healthy: there is no majority"#
        #expect(found.contains { $0.hasPrefix(lost) }, "\(found)")
    }

    @Test func rolesVersionsAndRunsUnderWayAreTold() throws {
        let spec = try spec("  - {name: s1, role: server, host: 10.0.0.1}\n  - {name: a1, role: agent, host: 10.0.0.2}\n")
        var old = node("a1", "10.0.0.2", server: false)
        old["status"]?["nodeInfo"] = ["kubeletVersion": "v1.32.9+k3s1"]
        let found = findings(spec, [node("s1", "10.0.0.1", server: true, voter: "True"), old])
        #expect(
            found.contains {
                $0.hasPrefix(#"note: node "a1": it runs v1.32.9+k3s1, the inventory says v1.33.4+k3s1"#) && $0.contains("`homelab plan`")
            }, "\(found)")
        var facts = try NodeFacts.parse(#require(PlanningCase.named("add-agent").text("facts/a1.txt")))
        facts.access.lock = "homelab bootstrap of ada@laptop"
        let looked = { (facts: NodeFacts) in
            ClusterReview.findings(
                spec, nodes: ["items": .array([node("s1", "10.0.0.1", server: true, voter: "True")])], budgets: nil,
                servers: ["s1": server()], observed: ["a1": .facts(facts)], now: now
            ).sorted.map(\.description)
        }
        let busy = looked(facts)
        let held = #"warning: node "a1": another run is working on it: homelab bootstrap of ada@laptop"#
        #expect(busy.contains { $0.hasPrefix(held) && $0.contains("wait until") }, "\(busy)")
        #expect(busy.contains { $0.contains("k3s is installed on it, but the cluster has no Node of this name") }, "\(busy)")
    }

    @Test func certificatesSnapshotsReadinessAndBudgets() throws {
        let spec = try spec("  - {name: s1, role: server, host: 10.0.0.1}\n")
        let nodes = [node("s1", "10.0.0.1", server: true, voter: "True")]
        let soon = findings(
            spec, nodes,
            servers: [
                "s1": server {
                    $0.certificates.append(ServerReview.Certificate(path: "/tls/b.crt", notAfter: now + 86400))
                    $0.newestSnapshot = now - 3 * 86400
                }
            ])
        #expect(soon.contains { $0.hasPrefix(#"warning: node "s1": certificates expire in 1 day: /tls/b.crt"#) })
        #expect(soon.contains { $0.contains("the newest snapshot of etcd is 3 days old") })
        let late = findings(
            spec, nodes,
            servers: [
                "s1": server {
                    $0.certificates = [ServerReview.Certificate(path: "/tls/b.crt", notAfter: now - 1)]
                    $0.readiness = "[-]etcd failed"
                    $0.newestSnapshot = nil
                }
            ])
        #expect(late.contains { $0.hasPrefix(#"error: node "s1": certificates have expired: /tls/b.crt"#) })
        #expect(late.contains { $0.hasPrefix(#"error: node "s1": its API is not ready: [-]etcd failed"#) })
        #expect(late.contains { $0.contains("there is no snapshot of etcd") })
        let full = findings(
            spec, nodes,
            servers: [
                "s1": server {
                    $0.etcdComplaint = "ALARM NOSPACE"
                    ($0.etcdSize, $0.etcdQuota) = (1900 << 20, 2048 << 20)
                }
            ])
        #expect(
            full.contains {
                $0.hasPrefix(#"error: node "s1": its etcd member is not healthy: ALARM NOSPACE"#) && $0.contains("quota-backend-bytes")
            })
        #expect(full.contains { $0.hasPrefix(#"warning: node "s1": its etcd holds 1900 of the 2048 MiB that it may"#) })
        let tight: Value = [
            "metadata": ["name": "db", "namespace": "apps"],
            "status": ["disruptionsAllowed": 0, "expectedPods": 1, "currentHealthy": 1, "desiredHealthy": 1],
        ]
        #expect(findings(spec, nodes, budgets: [tight]).contains { $0.contains("PodDisruptionBudget apps/db") })
    }
}
