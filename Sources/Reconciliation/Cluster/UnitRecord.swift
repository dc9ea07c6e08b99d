package import KubernetesModel

/// Where a unit's applied objects are recorded, and where a person confirms what the agent does not do by itself.
package protocol UnitRecord: Actor {
    var inventory: ResourceInventory { get }
    /// Whether what is known is not what is written.
    var hasLostParts: Bool { get }
    /// What `kubectl annotate` needs to reach it: `configmap -n homelab-system homelab-inventory-home`.
    nonisolated var place: String { get }
    func annotation(_ name: String) -> String?
    /// Writes something beside the record; nil takes it away.
    func annotate(_ name: String, _ value: String?) async throws
    /// Reads the record, once; afterwards this process is the only one that writes it.
    func load() async throws
    /// Makes the record hold exactly this.
    func write(_ inventory: ResourceInventory) async throws
    /// Follows what others do to it, until cancelled.
    func run() async
}
