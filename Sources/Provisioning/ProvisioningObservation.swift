package import Diagnostics
package import NodeInventory
package import NodePlanning
internal import YAML

/// Everything that was looked at before a plan, and the plan that follows from it.
package struct ProvisioningObservation: Sendable {
    package var nodes: NodeObservations
    package var cluster: ClusterFacts
    package var context: PlanningContext
    /// Findings of the preflight checks and of what could not be had; errors forbid to go on.
    package var findings: Diagnostics
    package var plan: NodePlan

    package init(
        nodes: NodeObservations, cluster: ClusterFacts, context: PlanningContext, findings: Diagnostics, plan: NodePlan
    ) {
        self.nodes = nodes
        self.cluster = cluster
        self.context = context
        self.findings = findings
        self.plan = plan
    }
}

extension ProvisioningObservation {
    /// The servers that can be asked for the cluster's Lease, those first whose k3s runs; none that is to leave: a kubectl there would
    /// unpack k3s' tools anew while they are being taken off it.
    func leaseServers(_ spec: ClusterSpec, first: String? = nil) -> [String] {
        let reached = spec.nodes.filter { node in
            node.role == .server && node.state != .absent && nodes.hosts[node.name] != nil
                && nodes.observed[node.name]?.facts?.keepsClusterElsewhere != true
        }.map(\.name)
        let running = reached.filter { nodes.observed[$0]?.facts?.isActive(NodeRole.server.unit) == true }
        let ordered = running + reached.filter { !running.contains($0) }
        return ordered.filter { $0 == first } + ordered.filter { $0 != first }
    }

    /// What is said of nodes whose k3s is on its way back by itself: it ends when etcd is slow for too long, and its unit begins it anew.
    func comingBack(_ spec: ClusterSpec) -> [ProvisioningEvent] {
        let tasks = plan.phases.flatMap { phase in phase.tasks.map { (node: $0.node, isWait: phase.isWait($0)) } }
        return spec.nodes.filter { node in
            let isMoving = ["activating", "deactivating"].contains(state(node))
            return tasks.contains { $0.node == node.name && ($0.isWait || isMoving) }
        }.map { .note(node: $0.name, text: "its k3s began anew by itself; waits for it") }
    }

    /// What is said while no API answers although enough servers run or start: they have just been switched on, or were cut off until now.
    func awaitedAPI(_ spec: ClusterSpec) -> [ProvisioningEvent] {
        guard let reason = cluster.unavailable else { return [] }
        let servers = spec.servers.filter { $0.state != .absent }
        let running = servers.filter { ["active", "activating"].contains(state($0)) }
        if running.count * 2 <= servers.count { return [] }
        return [.note(node: nil, text: "the cluster's API does not answer yet (\(reason)); waits for it")]
    }

    private func state(_ node: NodeSpec) -> String { nodes.observed[node.name]?.facts?.units[node.role.unit]?.active ?? "" }
}

/// Looks at nodes and cluster and plans: the part of a run that changes nothing, shared by the CLI and the agent.
package struct ProvisioningObserver: Sendable {
    let spec: ClusterSpec
    let artifacts: Artifacts
    let secrets: SecretSource
    let recorder: RunRecorder
    /// The operator's kubeconfig file; nil when none is wanted.
    var kubeconfig: KubeconfigFile?
    /// See `PlanningContext.replacesHomelab`.
    var replacesHomelab = true
    /// See `PlanningContext.only` and `.acting`.
    var only: Set<String> = []
    var acting: String?
    /// See `PlanningContext.borrowed`.
    var borrowed: [SecretReference: Secret] = [:]

    package init(spec: ClusterSpec, artifacts: Artifacts, secrets: SecretSource, recorder: RunRecorder) {
        self.spec = spec
        self.artifacts = artifacts
        self.secrets = secrets
        self.recorder = recorder
    }

    /// - Parameter connect: gives a connected host for a node; throws `HostError` or `Diagnostic`.
    package func observe(connect: @escaping @Sendable (NodeSpec) async throws -> any Host) async throws -> ProvisioningObservation {
        let gatherer = FactGatherer(recorder: recorder)
        let nodes = try await gatherer.gather(spec, nodes: spec.nodes, connect: connect)
        return try await plan(nodes)
    }

    /// Looks again over the connections that are there.
    package func observeAgain(_ hosts: [String: any Host]) async throws -> ProvisioningObservation {
        try await observe { node in
            guard let host = hosts[node.name] else {
                throw Diagnostic(.error, "is not connected", subject: "node \"\(node.name)\"")
            }
            return host
        }
    }

    /// A node that is paused or to be removed need not answer.
    private func softened(_ problem: Diagnostic) -> Diagnostic {
        var problem = problem
        let idle = spec.nodes.filter { $0.state != .present }.map { "node \"\($0.name)\"" }
        if let subject = problem.subject, idle.contains(subject) { problem.severity = .warning }
        return problem
    }

    private func plan(_ nodes: NodeObservations) async throws -> ProvisioningObservation {
        let look = try await ClusterObserver(recorder: recorder).look(spec, nodes)
        let cluster = look.facts
        let architectures = Set(nodes.observed.values.compactMap { $0.facts?.system.architecture })
        let k3s = await artifacts.k3sHashes(architectures)
        let images = await artifacts.imageArchives(architectures)
        try Task.checkCancellation()
        var context = PlanningContext(k3s: k3s.hashes, homelab: artifacts.homelabHashes)
        context.images = images.archives
        context.wantsKubeconfig = kubeconfig != nil
        context.replacesHomelab = replacesHomelab
        context.only = only
        context.acting = acting
        if let kubeconfig {
            // While the API does not answer nobody can tell whether the file's entry is of an earlier cluster of this name.
            context.hasKubeconfig =
                look.certificateAuthority.map { kubeconfig.holds(cluster: spec.name, certificateAuthority: $0) }
                ?? (cluster.unavailable != nil && kubeconfig.holds(cluster: spec.name, certificateAuthority: nil))
        }
        var findings = Diagnostics(nodes.problems.map(softened) + k3s.problems + images.problems.filter { !k3s.problems.contains($0) })
        context.secrets = borrowed
        context.borrowed = Set(borrowed.keys)
        for reference in spec.fileSecrets where borrowed[reference] == nil {
            do throws(Diagnostic) {
                context.secrets[reference] = try secrets.secret(
                    reference, question: "Secret for registries.yaml", subject: "cluster \"\(spec.name)\"")
            } catch {
                // What an agent lacks is said of the nodes that it is for.
                if acting == nil { findings.append(error) }
            }
        }
        let preflight = Preflight.check(spec, observed: nodes.observed, context: context)
        // The finding behind an unreachable node says more than the observation's one line.
        let explained = Set(nodes.problems.compactMap(\.subject))
        findings.append(
            contentsOf: Diagnostics(preflight.all.filter { !($0.severity == .error && explained.contains($0.subject ?? "")) }))
        let plan = NodePlanner.plan(desired: spec, observed: nodes.observed, cluster: cluster, context: context)
        return ProvisioningObservation(nodes: nodes, cluster: cluster, context: context, findings: findings, plan: plan)
    }
}

extension ClusterSpec {
    /// The secrets that stand in files on the nodes, so that the plan can compare their hashes.
    fileprivate var fileSecrets: [SecretReference] {
        var found: Set<SecretReference> = []
        if let registries = k3s.registries {
            _ = Registries.replacing(.object(registries)) { reference in
                found.insert(reference)
                return ""
            }
        }
        found.formUnion([repository.token, repository.ca, repository.signers, agent.webhook?.secret].compactMap { $0 })
        return found.sorted { $0.description < $1.description }
    }
}
