import KubernetesClient
package import KubernetesModel

/// A cluster that objects of units are on, and what their health depends on there.
package struct UnitCluster: Sendable {
    package let api: any ClusterAPI
    package let health: HealthContext
}

/// Where the objects of units are, for commands that look at them.
package struct UnitClusters: Sendable {
    package let home: any ClusterAPI
    private let factory: ClusterFactory?
    private let homeHealth: HomeHealth

    /// - Parameter factory: reaches other clusters; without it they are refused.
    package init(home: any ClusterAPI, factory: ClusterFactory? = nil) {
        self.home = home
        self.factory = factory
        homeHealth = HomeHealth(home)
    }

    package var homeCluster: UnitCluster {
        get async throws { UnitCluster(api: home, health: try await homeHealth.context) }
    }

    /// - Throws: as `api(of:)`, and `ClusterError` when the cluster cannot be asked.
    package func cluster(of unit: Manifest) async throws -> UnitCluster {
        guard KustomizationSpec(of: unit).kubeconfig != nil else { return try await homeCluster }
        let api = try await api(of: unit)
        return UnitCluster(api: api, health: try await HealthContext(of: api, now: SystemClock().timestamp))
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

/// Asks the agent's own cluster once what health depends on there, when that is wanted first.
private actor HomeHealth {
    private let api: any ClusterAPI
    private var known: HealthContext?

    init(_ api: any ClusterAPI) { self.api = api }

    var context: HealthContext {
        get async throws {
            if let known { return known }
            let context = try await HealthContext(of: api, now: SystemClock().timestamp)
            known = context
            return context
        }
    }
}
