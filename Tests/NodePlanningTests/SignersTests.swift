import Diagnostics
import NodeInventory
import Testing

@testable import NodePlanning

/// The list of people whose inventory counts, on its way to the servers.
@Suite struct SignersTests {
    @Test func `bootstrap puts the list on a server, and the agent is told of it`() throws {
        let example = PlanningCase.named("fresh-single-server")
        let repository = "\nrepository:\n  signers: signers\n  unit: {namespace: flux, name: root}\n"
        let inventory = try #require(example.text("inventory.yaml")) + repository
        let spec = try ClusterSpec.load("inventory/home.yaml", files: ["inventory/home.yaml": inventory])
        #expect(spec.repository.signers == .file("signers"))
        var context = PlanningCase.context
        context.secrets[.file("signers")] = Secret("ada@example.org ssh-ed25519 AAAA")
        let plan = NodePlanner.plan(desired: spec, observed: try example.observed(), cluster: .none, context: context)
        var machines = SimulatedMachines(spec: spec, observed: try example.observed(), cluster: .none)
        machines.carryOut(plan)
        let (observed, cluster) = machines.look()
        let next = NodePlanner.plan(desired: spec, observed: observed, cluster: cluster, context: context)
        let steps = (plan.phases + next.phases).flatMap(\.tasks).flatMap(\.steps).map(\.step)
        #expect(steps.contains(.writeSecretFile(path: "/etc/homelab/allowed_signers", source: .file("signers"))))
        let configurations = steps.compactMap { step -> String? in
            if case .writeFile(let file) = step, file.path == NodeLayout.agentConfiguration { file.text } else { nil }
        }
        #expect(!configurations.isEmpty && configurations.allSatisfy { $0.contains("signersFile: /etc/homelab/allowed_signers") })
        let read = try AgentConfiguration.decode(#require(configurations.first), file: "agent.yaml")
        #expect(read.repository.signersFile == NodeLayout.allowedSigners)
        #expect(read.unit == UnitName(namespace: "flux", name: "root"))
    }
}
