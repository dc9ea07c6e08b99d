import KubernetesModel
import SyncPlanning

/// The annotations `homelab.dev/…` that somebody may set, each named where its meaning is: one that is not among them is a slip of the pen.
enum AuthorAnnotations {
    static let prefix = "homelab.dev/"

    static let known =
        ObjectMarks.names.map { prefix + $0 } + [
            KustomizationSpec.pruneBudget, InventoryStore.confirmPrune, InventoryStore.acceptHistory, KustomizationObject.suspendedUntil,
            KustomizationObject.suspensionReason, FluxComponents.agentSource,
        ]
}
