import KubernetesClient
package import KubernetesModel

/// What all units of an agent share.
package final class UnitContext: Sendable {
    /// The cluster that the agent serves.
    package let home: TargetCluster
    package let clusters: RemoteClusters
    package let clock: any AgentClock
    package let board: UnitBoard
    package let manifests: any ManifestSource
    package let events: EventRecorder
    package let status: StatusWriter
    package let monitor: Shared<AgentState>
    /// How Flux was told to run that the agent took the place of; nil until the agent's own unit knows.
    package let flux = Shared<FluxSettings?>(nil)
    let alarms: Alarms
    /// Kustomizations that are left alone, and why: see `FluxSettings.reasonToLeave`.
    let leftUnits = Shared<[Ownership: String]>([:])

    package var api: any ClusterAPI { home.api }
    package var live: LiveState { home.live }
    package var namespaces: NamespaceFollowers { home.namespaces }

    package init(
        api: any ClusterAPI, clock: any AgentClock, manifests: any ManifestSource, events: EventRecorder, status: StatusWriter,
        monitor: Shared<AgentState>, clusters: ClusterFactory? = nil
    ) {
        // Bounds the memory that a push to a thousand units takes: a pass holds some 30 KB until the server has answered.
        home = TargetCluster(api: api, clock: clock, turns: 16)
        self.clusters = RemoteClusters(
            clock: clock,
            factory: clusters ?? {
                throw ClusterError(.unreachable, subject: $0.server, message: "other clusters are not reached from here")
            })
        self.clock = clock
        alarms = Alarms(clock: clock)
        self.manifests = manifests
        self.events = events
        self.status = status
        self.monitor = monitor
        board = UnitBoard()
    }
}
