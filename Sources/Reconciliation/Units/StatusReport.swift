package import Diagnostics
package import KubernetesModel

/// How a unit is, as the leading agent keeps it in the ConfigMap `homelab-system/homelab-status-<unit>` for everybody with a kubeconfig.
package struct StatusReport: Hashable, Sendable {
    package enum Phase: String, Hashable, Sendable, CaseIterable {
        /// No commit to work on yet.
        case waiting = "Waiting"
        /// Applied, or being applied, and not yet healthy.
        case progressing = "Progressing"
        case ready = "Ready"
        /// The newest commit gives the unit nothing to build: it is held, as it rewrites history and nobody has accepted that or as its
        /// files cannot be read, or it has no such directory. The one before it stays enforced.
        case artifactFailed = "ArtifactFailed"
        /// The newest commit cannot be built; the one before it stays enforced.
        case buildFailed = "BuildFailed"
        /// The server refuses some objects; the others are applied.
        case applyFailed = "ApplyFailed"
        /// The server refuses to delete something that left the repository; everything else is as it should be.
        case pruneFailed = "PruneFailed"
        /// Everything is applied, and something does not become healthy or is not healthy any more.
        case unhealthy = "Unhealthy"
        /// Built, and waiting for a unit that this one depends on.
        case dependencyNotReady = "DependencyNotReady"
        /// A person has suspended it.
        case suspended = "Suspended"
        /// What it asks for cannot be done.
        case stalled = "Stalled"
        /// The API server does not answer.
        case unreachable = "Unreachable"

        /// Whether a unit that is in it is told of with a warning.
        var isTrouble: Bool {
            [.artifactFailed, .buildFailed, .applyFailed, .pruneFailed, .unhealthy, .stalled].contains(self)
        }
    }

    package struct ObjectStatus: Hashable, Sendable {
        package var key: ObjectKey
        package var health: HealthStatus
        package var message: String
        /// `clusters/home/web.yaml:12`.
        package var origin: String

        package init(key: ObjectKey, health: HealthStatus, message: String = "", origin: String = "") {
            self.key = key
            self.health = health
            self.message = message
            self.origin = origin
        }
    }

    package struct Source: Hashable, Sendable {
        package var url = ""
        package var commit = ""
        package var summary = ""
        package var author = ""
        /// `Unreachable`, `HistoryRewritten`, …; empty when all is well.
        package var problem = ""
        package var message = ""

        package init() {}
    }

    /// Names its ConfigMaps.
    package var unit: String
    /// Its Kustomization.
    package var owner: Ownership
    package var path = ""
    package var agentNode = ""
    package var agentVersion = ""
    package var source = Source()
    package var attemptedRevision = ""
    /// All of its objects were sent.
    package var appliedRevision = ""
    /// The last that counts as applied with Flux: its objects were healthy, too, where the unit checks that.
    package var reconciledRevision = ""
    package var phase: Phase = .waiting
    /// One line for people: the worst object and why.
    package var message = ""
    package var errors: [Diagnostic] = []
    package var objectCount = 0
    package var healthCounts: [HealthStatus: Int] = [:]
    /// All of them up to `objectLimit`; above it those that are not current.
    package var objects: [ObjectStatus] = []
    /// What waits, is kept or is left alone, and why.
    package var exceptions: [ObjectStatus] = []
    /// Of the agent's own unit: how Flux was told to run that lies in its directory.
    package var flux = FluxSettings()
    /// When an object was last changed by the agent.
    package var lastChange = ""

    package static let objectLimit = 300

    package init(unit: String) {
        self.unit = unit
        owner = Ownership(namespace: HomelabNamespace.name, name: unit)
    }

    package var isHealthy: Bool { phase == .ready }
    package static func configMapName(of unit: String) -> String { "homelab-status-\(unit)" }
    /// Finds all of them in a list.
    package static let label = "homelab.dev/status"
}
