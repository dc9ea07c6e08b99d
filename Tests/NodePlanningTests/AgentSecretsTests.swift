import Diagnostics
import NodeInventory
import Testing
import YAML

@testable import NodePlanning

/// Plans of an agent, which has of the operator's secrets what its own server has, or nothing.
@Suite struct AgentSecretsTests {
    private static let password: SecretReference = .environment("REGISTRY_PASSWORD")
    private static let said = "registries.yaml holds a secret that only homelab bootstrap has"
    private static let kept = "its registries.yaml stays as it is: it holds a secret that only homelab bootstrap has"

    /// - Parameter knows: the agent's own server has the registry's password in its file.
    private func context(_ machines: SimulatedMachines, knows: Bool) -> PlanningContext {
        var context = SimulatedMachines.context(machines.spec, version: 0)
        context.acting = "s1"
        if knows { context.borrowed = [Self.password] } else { context.secrets = [:] }
        return context
    }

    private func plan(_ machines: inout SimulatedMachines, knows: Bool) -> NodePlan {
        let (observed, cluster) = machines.look()
        return NodePlanner.plan(desired: machines.spec, observed: observed, cluster: cluster, context: context(machines, knows: knows))
    }

    /// pi is there, and not of the cluster yet.
    private func withoutPi() throws -> SimulatedMachines {
        var machines = try SimulatedMachines.settled("fresh-three-servers")
        machines.observed["pi"] = try PlanningCase.named("fresh-three-servers").observed()["pi"]
        machines.cluster.nodes.removeAll { $0.name == "pi" }
        return machines
    }

    private func notes(_ plan: NodePlan, _ text: String) -> [String] {
        plan.pending.filter { $0.text == text && $0.remedy == "run `homelab bootstrap`" }.compactMap(\.node)
    }

    private func isToldOfRegistries(_ plan: NodePlan) -> Bool { plan.pending.contains { $0.text.contains("registries.yaml") } }

    @Test func aMachineGetsWhatTheAgentsOwnServerHas() throws {
        var machines = try withoutPi()
        for _ in 0..<3 {
            let plan = plan(&machines, knows: true)
            #expect(!isToldOfRegistries(plan), "\(plan.text)")
            machines.carryOut(plan)
        }
        #expect(machines.cluster.node(named: "pi")?.ready == true)
        #expect(plan(&machines, knows: true).isEmpty)
    }

    /// Refused before anything is done on it, and with words that help: it would fail at the file, again and again.
    @Test func aMachineForWhichNobodyHasThePasswordIsLeftToBootstrap() throws {
        var machines = try withoutPi()
        let plan = plan(&machines, knows: false)
        #expect(notes(plan, "does not join yet: \(Self.said)") == ["pi"], "\(plan.text)")
        #expect(!plan.phases.contains { $0.kind == .agents }, "\(plan.text)")
        let (observed, cluster) = machines.look()
        let findings = Preflight.check(machines.spec, observed: observed, context: context(machines, knows: false))
        let admission = NodeAdmission(
            PlanChanges(plan, desired: machines.spec, cluster: cluster),
            Circumstances(desired: machines.spec, observed: observed, cluster: cluster, findings: findings, own: "s1", now: 0))
        let joining = admission.items.filter { $0.change.node == "pi" }
        #expect(!joining.isEmpty && joining.allSatisfy { $0.verdict == .refused(reason: Self.said, remedy: "run `homelab bootstrap`") })
        #expect(!findings.all.contains { $0.summary == Self.said && $0.subject != "node \"pi\"" }, "those in service go on")
        let operators = Preflight.check(machines.spec, observed: observed, context: SimulatedMachines.context(machines.spec, version: 0))
        #expect(!operators.all.contains { $0.summary == Self.said })
    }

    /// Another machine may have been given a newer password: the agent does not put back its own.
    @Test func anotherMirrorThatIsPushedIsToldAndLeftToBootstrap() throws {
        for knows in [true, false] {
            var machines = try SimulatedMachines.settled("fresh-three-servers")
            machines.spec.k3s.registries?["mirrors"] = ["docker.io": ["endpoint": ["https://mirror.home"]]]
            let plan = plan(&machines, knows: knows)
            #expect(plan.isEmpty && notes(plan, Self.kept) == ["s1", "s2", "s3", "pi", "fed"], "\(plan.text)")
            // Bootstrap has it.
            let (observed, cluster) = machines.look()
            let operators = NodePlanner.plan(
                desired: machines.spec, observed: observed, cluster: cluster, context: SimulatedMachines.context(machines.spec, version: 0))
            machines.carryOut(operators)
            #expect(!isToldOfRegistries(self.plan(&machines, knows: true)), "\(operators.text)")
        }
    }

    @Test func anAgentsSecretThatNoServerHasIsLeftToBootstrap() throws {
        var machines = try SimulatedMachines.settled("fresh-three-servers")
        machines.spec.agent.webhook = WebhookSpec(secret: .file("hook"))
        let plan = plan(&machines, knows: true)
        let steps = plan.phases.flatMap(\.tasks).flatMap(\.steps).map(\.step)
        #expect(!steps.contains { if case .writeSecretFile = $0 { true } else { false } }, "\(plan.text)")
        #expect(!steps.contains { $0.path == NodeLayout.agentConfiguration }, "\(plan.text)")
        let text = "its agent stays as it is: only homelab bootstrap has the webhook's secret"
        #expect(notes(plan, text) == ["s1", "s2", "s3"], "\(plan.text)")
        var context = context(machines, knows: true)
        context.secrets[.file("hook")] = Secret("hunter2")
        let (observed, cluster) = machines.look()
        let known = NodePlanner.plan(desired: machines.spec, observed: observed, cluster: cluster, context: context)
        let written = Step.writeSecretFile(path: NodeLayout.webhookSecret, source: .file("hook"))
        #expect(known.phases.flatMap(\.tasks).filter { $0.steps.contains { $0.step == written } }.map(\.node) == ["s1", "s2", "s3"])
    }
}
