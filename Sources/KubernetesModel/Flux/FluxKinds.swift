/// The kinds of Flux's API that the agent serves, and the words that its tools and ours agree on.
package enum FluxKinds {
    package static let kustomization = GroupVersionKind(group: "kustomize.toolkit.fluxcd.io", version: "v1", kind: "Kustomization")
    package static let gitRepository = GroupVersionKind(group: "source.toolkit.fluxcd.io", version: "v1", kind: "GitRepository")

    /// Keeps a Kustomization until what it applied is dealt with.
    package static let finalizer = "finalizers.fluxcd.io"
    /// Whoever sets it to a new value asks for a look now; the value is copied to `status.lastHandledReconcileAt`.
    package static let requestedAt = "reconcile.fluxcd.io/requestedAt"

    package static let receiver = GroupVersionKind(group: "notification.toolkit.fluxcd.io", version: "v1", kind: "Receiver")

    /// The group of the operator that installs Flux, and lets it be described.
    private static let fluxOperator = "fluxcd.controlplane.io"

    /// Groups whose objects a controller of Flux would work on and this agent does not.
    package static let foreignGroups: Set<String> = [
        "helm.toolkit.fluxcd.io", "image.toolkit.fluxcd.io", "notification.toolkit.fluxcd.io", fluxOperator,
    ]
    /// Sources other than git.
    package static let foreignSources: Set<String> = [
        "OCIRepository", "HelmRepository", "HelmChart", "Bucket", "ExternalArtifact", "ArtifactGenerator",
    ]

    /// Whether an object of this kind waits for a controller that is not there.
    package static func isForeign(_ kind: GroupKind) -> Bool {
        foreignGroups.contains(kind.group) || (kind.group.hasPrefix("source.") && foreignSources.contains(kind.kind))
    }

    /// Whether an object of this kind never shows that its controller has seen it.
    package static func saysNothing(_ kind: GroupKind) -> Bool {
        kind.group == receiver.group && (kind.kind == "Alert" || kind.kind == "Provider")
    }

    /// What does the work of a kind that nobody here serves.
    package static func substitute(for kind: GroupKind) -> String {
        switch (kind.group, kind.kind) {
        case ("helm.toolkit.fluxcd.io", _), (gitRepository.group, "HelmRepository"), (gitRepository.group, "HelmChart"):
            "k3s' own HelmChart (helm.cattle.io/v1) installs a chart; a rendered chart can be committed"
        case ("image.toolkit.fluxcd.io", _): "commit new image tags, by hand or by a bot such as Renovate"
        case (receiver.group, receiver.kind):
            "the agent answers Receivers of \(receiver.apiVersion) where the inventory has agent.webhook, of all types but gcr and "
                + "generic-oidc"
        case (fluxOperator, "FluxInstance"), (fluxOperator, "FluxReport"): "none is needed, this agent does the work of Flux"
        case (fluxOperator, _): "commit the objects that it would make"
        case (_, "ExternalArtifact"), (_, "ArtifactGenerator"):
            "name the GitRepository that the files come from in spec.sourceRef, and their directory there in spec.path"
        case (receiver.group, _):
            "nothing is sent; follow `homelab events --watch`, or the metrics of the agent's /metrics"
        default: "put the manifests into a git repository and name it in a GitRepository"
        }
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
