import Diagnostics
import NodeInventory
import Testing
import YAML

@testable import NodePlanning

@Suite struct FoundingTests {
    /// A cluster of three servers whose files homelab wrote, and what becomes of it when the inventory is changed.
    private func plan(_ founded: (inout ClusterSpec) -> Void = { _ in }, _ change: (inout ClusterSpec) -> Void) throws -> NodePlan {
        let fixture = PlanningCase.named("config-change")
        var (spec, observed) = (try fixture.spec(), try fixture.observed())
        founded(&spec)
        for node in spec.servers {
            guard case .facts(var facts)? = observed[node.name] else { continue }
            facts.k3s.config = K3sConfiguration(spec: spec, node: node, entry: .cluster(initializesEtcd: true)).config.text
            observed[node.name] = .facts(facts)
        }
        change(&spec)
        return NodePlanner.plan(desired: spec, observed: observed, cluster: try fixture.cluster(), context: PlanningCase.context)
    }

    private func writtenConfigurations(_ plan: NodePlan) -> [String] {
        plan.phases.flatMap(\.tasks).flatMap(\.steps).compactMap { planned in
            if case .writeFile(let file) = planned.step, file.path == NodeLayout.k3sConfig { file.text } else { nil }
        }
    }

    @Test func whatTheClusterWasFoundedWithStaysAndIsToldAsAnError() throws {
        let plan = try plan { spec in
            spec.network.pods = [CIDR("10.50.0.0/16")!]
            spec.network.domain = "home.arpa"
            spec.k3s.serverConfig["secrets-encryption"] = true
        }
        #expect(
            plan.refusals(of: []).all.map(\.summary) == [
                "the cluster was founded with cluster-cidr 10.42.0.0/16 and is to have 10.50.0.0/16: it keeps what it has",
                "the cluster was founded with cluster-domain cluster.local and is to have home.arpa: it keeps what it has",
                "the cluster was founded with secrets-encryption false and is to have true: it keeps what it has",
            ])
        #expect(plan.refusals(of: []).all.allSatisfy { $0.severity == .error && $0.remedy?.contains("homelab reset") == true })
        let written = writtenConfigurations(plan)
        #expect(!written.isEmpty && written.allSatisfy { !$0.contains("10.50") && !$0.contains("home.arpa") && !$0.contains("encryption") })
    }

    @Test func aSettingThatIsTakenOutStaysToo() throws {
        let plan = try plan({ $0.network.services = [CIDR("10.60.0.0/16")!] }, { $0.network.services = [NetworkSpec.defaultServices] })
        #expect(plan.refusals(of: []).all.map(\.summary).first?.contains("cluster-dns 10.60.0.10 and is to have 10.43.0.10") == true)
        #expect(writtenConfigurations(plan).contains { $0.contains("service-cidr: 10.60.0.0/16") })
    }

    @Test func writingOutWhatIsSoAnywayIsNoDifference() throws {
        let plan = try plan { spec in
            spec.network.dns = IPAddress("10.43.0.10")
            spec.k3s.serverConfig["cluster-domain"] = "cluster.local"
            spec.k3s.serverConfig["secrets-encryption"] = false
        }
        #expect(plan.refusals(of: []).isEmpty)
    }

    @Test func refusalsAreErrorsAndWaitsAreNot() throws {
        for (name, isRefused) in [("downgrade", true), ("upgrade-skips-a-minor", true), ("removal-refused", true), ("upgrade", false)] {
            #expect(try PlanningCase.named(name).plan().refusals(of: []).hasErrors == isRefused, "\(name)")
        }
    }
}
