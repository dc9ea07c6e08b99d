import KubernetesClient
package import KubernetesModel

/// Where the objects of units are, for commands that look at them.
package struct UnitClusters: Sendable {
    package let home: any ClusterAPI
    private let factory: ClusterFactory?

    /// - Parameter factory: reaches other clusters; without it they are refused.
    package init(home: any ClusterAPI, factory: ClusterFactory? = nil) {
        self.home = home
        self.factory = factory
    }

    /// - Throws: `Diagnostic` when the kubeconfig that a unit names cannot be used from here.
    package func api(of unit: Manifest) async throws -> any ClusterAPI {
        guard let reference = KustomizationSpec(of: unit).kubeconfig else { return home }
        let (connection, _) = try await KubeconfigObject(reference, namespace: unit.namespace).connection(home)
        guard let factory else {
            throw ClusterError(.unreachable, subject: connection.server, message: "other clusters are not reached from here")
        }
        return try factory(connection)
    }
}
