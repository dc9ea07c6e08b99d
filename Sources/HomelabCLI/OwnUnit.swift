import KubernetesModel
import NodeInventory
import Reconciliation

extension Ownership {
    /// What the unit of a cluster's own directory is called.
    init(of unit: UnitName?, cluster: String) {
        self.init(namespace: unit?.namespace ?? HomelabNamespace.name, name: unit?.name ?? cluster)
    }
}
