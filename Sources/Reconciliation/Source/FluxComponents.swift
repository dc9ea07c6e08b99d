import KubernetesModel
import SyncPlanning
import YAML

/// Takes Flux itself out of a repository that Flux was bootstrapped from: this agent does its work. Its namespace and its definitions
/// stay, since the other objects need them.
struct FluxComponents {
    /// On a GitRepository: it means the repository that the agent follows, whatever its URL.
    static let agentSource = "homelab.dev/source"

    private(set) var manifests: [Manifest] = []
    private(set) var leftOut: [PlannedException] = []

    /// - Parameter path: the unit's own directory.
    init(_ all: [Manifest], path: String) {
        // The Kustomization that covers the very directory it lies in, and the repository it names: what bootstrap wrote.
        let own = all.first { $0.key.unit != nil && KustomizationSpec(of: $0).path == path && !path.isEmpty }
        let source = own.map { KustomizationSpec(of: $0).source }
        for manifest in all {
            if manifest.key == own?.key {
                leave(manifest)
            } else if let source, manifest.groupVersionKind.groupKind == FluxKinds.gitRepository.groupKind,
                manifest.name == source.name, manifest.namespace == source.namespace
            {
                var marked = manifest
                var annotations = manifest.value[path: "metadata", "annotations"] ?? .null
                annotations[Self.agentSource] = "agent"
                marked.value["metadata"]?["annotations"] = annotations
                manifests.append(marked)
            } else if manifest.label("app.kubernetes.io/part-of") == "flux", !Self.kept.contains(manifest.kind) {
                leave(manifest)
            } else {
                manifests.append(manifest)
            }
        }
    }

    private static let kept: Set<String> = ["Namespace", "CustomResourceDefinition"]

    private mutating func leave(_ manifest: Manifest) {
        leftOut.append(PlannedException(manifest.key, .fluxItself, origin: manifest.origin))
    }
}
