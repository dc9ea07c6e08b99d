import KubernetesModel
import YAML

/// Sees to it that the cluster knows the kinds the agent serves: Flux' own definitions are used where they are, and what an agent installed
/// is brought to this one's state, or the server would drop what an older definition does not know.
struct FluxAPI: Sendable {
    let api: any ClusterAPI
    let clock: any AgentClock

    private static let definition = GroupVersionKind(
        group: "apiextensions.k8s.io", version: "v1", kind: "CustomResourceDefinition")

    private static let manager = "homelab-agent"

    func ensure() async throws {
        for definition in try FluxKinds.definitions {
            let there = try await api.get(Self.definition, namespace: "", name: definition.name)
            if let there, !ManagedFields.isHeld("spec", in: there, onlyBy: Self.manager) { continue }
            do {
                _ = try await api.apply(definition, options: ApplyOptions(fieldManager: Self.manager, force: there != nil))
            } catch let error as ClusterError where error.kind == .conflict {
                // Flux' own came in between.
            }
        }
        // A definition is served some moments after it is accepted.
        for kind in [FluxKinds.gitRepository, FluxKinds.kustomization] {
            let deadline = clock.now + .seconds(30)
            while try await api.resource(for: kind) == nil {
                guard clock.now < deadline else {
                    throw ClusterError(
                        .unknownKind, subject: kind.description,
                        message: "the server does not serve it; look at `kubectl describe crd`, the definition may lack this version")
                }
                try await clock.sleep(for: .milliseconds(200))
            }
        }
    }

    /// Makes the objects that stand for the agent's own unit and repository. What a person set besides stays.
    func makeRoot(_ unit: UnitSpec, url: String, branch: String) async throws {
        try await HomelabNamespace.ensure(unit.owner.namespace, api)
        let metadata: Value = ["namespace": .string(unit.owner.namespace), "name": .string(unit.owner.name)]
        let repository = Manifest([
            "apiVersion": .string(FluxKinds.gitRepository.apiVersion), "kind": "GitRepository", "metadata": metadata,
            "spec": ["interval": "1m0s", "url": .string(url), "ref": ["branch": .string(branch)]],
        ])
        let kustomization = Manifest([
            "apiVersion": .string(FluxKinds.kustomization.apiVersion), "kind": "Kustomization", "metadata": metadata,
            "spec": [
                "interval": "10m0s", "path": .string("./" + unit.path), "prune": true, "wait": true,
                "timeout": .string(unit.healthTimeout.goText),
                "sourceRef": ["kind": "GitRepository", "name": .string(unit.owner.name)],
            ],
        ])
        for manifest in [repository, kustomization] {
            if try await isFromRepository(manifest) { continue }
            do {
                _ = try await api.apply(manifest, options: ApplyOptions(fieldManager: Self.manager, force: false))
            } catch let error as ClusterError where error.kind == .conflict {
                // A person's change, unless the unit came first.
                if try await isFromRepository(manifest) { continue }
                _ = try await api.apply(manifest, options: ApplyOptions(fieldManager: Self.manager))
            }
        }
    }

    /// One that Flux left in the repository is applied as it is written there.
    private func isFromRepository(_ manifest: Manifest) async throws -> Bool {
        let there = try await api.get(manifest.groupVersionKind, namespace: manifest.namespace, name: manifest.name)
        return there?.annotation(FluxComponents.agentSource) != nil
    }
}
