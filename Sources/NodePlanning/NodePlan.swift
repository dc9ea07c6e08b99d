package import Diagnostics

/// Everything a run would do to the machines, in order, as data: the very value that is printed, hashed, approved and executed.
package struct NodePlan: Hashable, Sendable {
    package var cluster: String
    /// In the order in which they are carried out; a phase without tasks is left out.
    package var phases: [Phase]
    /// One line per node for which nothing is to do, and why ("as the inventory says", "paused").
    package var unchanged: [NodeNote]
    /// Differences that were seen but that no step of this plan resolves: never silently left out.
    package var pending: [NodeNote]

    package init(cluster: String, phases: [Phase] = [], unchanged: [NodeNote] = [], pending: [NodeNote] = []) {
        self.cluster = cluster
        self.phases = phases
        self.unchanged = unchanged
        self.pending = pending
    }

    /// Nothing to carry out (there may still be something pending).
    package var isEmpty: Bool { phases.isEmpty }

    /// What the inventory asks for and no run will do, as errors.
    /// - Parameter nodes: those, and the cluster as a whole; all when empty.
    package func refusals(of nodes: Set<String>) -> Diagnostics {
        Diagnostics(pending.filter { $0.isRefusal && $0.concerns(nodes) }.map { $0.diagnostic(.error, cluster: cluster) })
    }
}

/// A sentence about a node (or about the whole cluster, when `node` is nil) and what to do about it.
package struct NodeNote: Hashable, Sendable {
    package var node: String?
    package var text: String
    package var remedy: String?
    /// The inventory asks for what is not done: waiting does not help.
    package var isRefusal = false

    /// - Parameter nodes: empty for all.
    package func concerns(_ nodes: Set<String>) -> Bool { nodes.isEmpty || node.map { nodes.contains($0) } ?? true }

    package func diagnostic(_ severity: Diagnostic.Severity, cluster: String) -> Diagnostic {
        Diagnostic(severity, text, subject: node.map { "node \"\($0)\"" } ?? "cluster \"\(cluster)\"", remedy: remedy)
    }

    package init(node: String?, _ text: String, remedy: String? = nil) {
        self.node = node
        self.text = text
        self.remedy = remedy
    }
}

/// One stage of a run. The next phase starts when all tasks of this one have succeeded.
package struct Phase: Hashable, Sendable {
    /// In the order of a run; the raw value is the heading the operator reads.
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        case hostPreparation = "prepare hosts"
        case binaries = "k3s binary"
        /// Nodes that are gone already, or whose removal was begun: they hold up everything else.
        case brokenNodes = "take out what is gone"
        case replacement = "machines set up anew"
        case firstServer = "first server"
        case snapshot = "snapshot"
        case serverUpgrade = "upgrade servers"
        case agentUpgrade = "upgrade agents"
        case servers = "further servers"
        case agents = "agents"
        case configuration = "configuration"
        case removal = "remove nodes"
        case revokedKeys = "keys of removed nodes"
        case closedFirewalls = "firewalls"
        case metadata = "labels and taints"
        case kubeconfig = "kubeconfig"
        case repository = "git repository"
        case homelabAgent = "homelab agent"
        case homelabUpgrade = "upgrade homelab agents"
    }

    package var kind: Kind
    /// How many tasks run at the same time; 1: strictly one after the other, and the first failure stops the plan.
    package var concurrency: Int
    package var tasks: [NodeTask]

    /// Whether one failure, of an agent too, ends the run: what these phases do to a second node must not follow on a failed first.
    package var endsRunOnFailure: Bool {
        switch kind {
        case .brokenNodes, .replacement, .snapshot, .serverUpgrade, .agentUpgrade, .removal, .homelabUpgrade: true
        default: false
        }
    }

    package init(_ kind: Kind, concurrency: Int = 1, tasks: [NodeTask]) {
        self.kind = kind
        self.concurrency = concurrency
        self.tasks = tasks
    }
}

/// The steps of one phase on one node, carried out in order; the first failure ends the task.
package struct NodeTask: Hashable, Sendable {
    /// The node the steps run on.
    package var node: String
    package var steps: [PlannedStep]
    /// What becomes of the node when its new k3s does not come up; nil for tasks that change no k3s binary.
    package var fallback: Fallback?

    package init(node: String, steps: [PlannedStep], fallback: Fallback? = nil) {
        self.node = node
        self.steps = steps
        self.fallback = fallback
    }
}

/// The way back from an upgrade that failed after the binary was swapped.
package struct Fallback: Hashable, Sendable {
    /// The version that ran before, when it is known.
    package var version: String?
    /// Carried out at once: gives the node its old binary back. Empty for a server whose data the new version may have changed.
    package var steps: [PlannedStep]
    /// What a person does instead, or when `steps` fail too.
    package var recipe: String?

    package init(version: String?, steps: [PlannedStep] = [], recipe: String? = nil) {
        self.version = version
        self.steps = steps
        self.recipe = recipe
    }
}

/// A step and the observed difference that asks for it.
package struct PlannedStep: Hashable, Sendable {
    package var step: Step
    package var reason: String

    package init(_ step: Step, _ reason: String) {
        self.step = step
        self.reason = reason
    }
}
