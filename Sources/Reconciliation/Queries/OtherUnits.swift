package import KubernetesModel
import SyncPlanning

/// What units besides one want, as far as files and the cluster tell: what that one does not want any more passes to them, and what they
/// have it may not take.
package struct OtherUnits: Sendable {
    private var wanted: [ObjectKey: Rival] = [:]
    /// What those have applied of which it is not known what they want.
    private var recorded: [Ownership: ResourceInventory] = [:]

    /// - Parameters:
    ///   - files: nil where they have no directory that the agent covers.
    ///   - cluster: its Kustomizations.
    package init(than unit: Manifest, in files: RepositoryUnits?, of cluster: [Manifest]) {
        let spec = UnitSpec(of: unit)
        // A kubeconfig is named in the namespace of its unit.
        func isTogether(_ kubeconfig: KustomizationSpec.KubeconfigReference?, _ other: Ownership) -> Bool {
            kubeconfig == spec.kubeconfig && (kubeconfig == nil || other.namespace == spec.owner.namespace)
        }
        let others = (files?.wants ?? []).filter { $0.unit != spec.owner }
        for other in others where isTogether(other.kubeconfig, other.unit) {
            for manifest in other.manifests ?? [] where wanted[manifest.key] == nil {
                wanted[manifest.key] = Rival(unit: other.unit, origin: manifest.origin)
            }
        }
        let defined = Set(others.map(\.unit))
        let known = Set(others.filter { $0.manifests != nil }.map(\.unit))
        for object in cluster {
            guard let other = object.key.unit, other != spec.owner, !known.contains(other),
                isTogether(KustomizationSpec(of: object).kubeconfig, other)
            else { continue }
            // One that a unit of these files has made, and that they do not define any more, leaves.
            if let maker = Ownership(of: object), maker == spec.owner || defined.contains(maker), !defined.contains(other) { continue }
            recorded[other] = KustomizationStatus(of: object).inventory
        }
    }

    /// Who wants an object besides.
    /// - Parameter owner: whose it is now.
    func rival(for key: ObjectKey, of owner: Ownership?) -> Rival? {
        if let rival = wanted[key] { return rival }
        guard let owner, recorded[owner]?.contains(key) == true else { return nil }
        return Rival(unit: owner)
    }

    /// Who takes over an object.
    func heir(to key: ObjectKey) -> Ownership? { wanted[key]?.unit }
}
