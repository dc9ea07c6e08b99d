import KubernetesClient
package import KubernetesModel

/// What all units of an agent share.
package struct UnitContext: Sendable {
    package let api: any ClusterAPI
    package let clock: any AgentClock
    package let live: LiveState
    package let board: UnitBoard
    package let namespaces: NamespaceFollowers
    package let manifests: any ManifestSource
    package let events: EventRecorder
    package let status: StatusWriter
    package let monitor: Shared<AgentState>
    /// Bounds the memory that a push to a thousand units takes: a pass holds some 30 KB until the server has answered.
    let turns = InFlightLimit(16)

    package init(
        api: any ClusterAPI, clock: any AgentClock, manifests: any ManifestSource, events: EventRecorder, status: StatusWriter,
        monitor: Shared<AgentState>
    ) {
        self.api = api
        self.clock = clock
        self.manifests = manifests
        self.events = events
        self.status = status
        self.monitor = monitor
        live = LiveState(api: api, clock: clock)
        board = UnitBoard()
        namespaces = NamespaceFollowers(api: api, clock: clock)
    }
}
