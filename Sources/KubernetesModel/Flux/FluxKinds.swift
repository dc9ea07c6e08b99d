/// The kinds of Flux's API that the agent serves, and the words that its tools and ours agree on.
package enum FluxKinds {
    package static let kustomization = GroupVersionKind(group: "kustomize.toolkit.fluxcd.io", version: "v1", kind: "Kustomization")
    package static let gitRepository = GroupVersionKind(group: "source.toolkit.fluxcd.io", version: "v1", kind: "GitRepository")

    /// Keeps a Kustomization until what it applied is dealt with.
    package static let finalizer = "finalizers.fluxcd.io"
    /// Whoever sets it to a new value asks for a look now; the value is copied to `status.lastHandledReconcileAt`.
    package static let requestedAt = "reconcile.fluxcd.io/requestedAt"

    /// Groups whose objects a controller of Flux would work on and this agent does not.
    package static let foreignGroups: Set<String> = [
        "helm.toolkit.fluxcd.io", "image.toolkit.fluxcd.io", "notification.toolkit.fluxcd.io",
    ]
    /// Sources other than git.
    package static let foreignSources: Set<String> = ["OCIRepository", "HelmRepository", "HelmChart", "Bucket", "ExternalArtifact"]

    /// Whether an object of this kind waits for a controller that is not there.
    package static func isForeign(_ kind: GroupKind) -> Bool {
        foreignGroups.contains(kind.group) || (kind.group == gitRepository.group && foreignSources.contains(kind.kind))
    }
}

extension ObjectKey {
    /// The Kustomization that stands for a unit.
    package init(unit: Ownership) {
        self.init(
            group: FluxKinds.kustomization.group, kind: FluxKinds.kustomization.kind, namespace: unit.namespace, name: unit.name)
    }

    /// The unit that a Kustomization stands for; nil for other kinds.
    package var unit: Ownership? {
        groupKind == FluxKinds.kustomization.groupKind ? Ownership(namespace: namespace, name: name) : nil
    }
}
