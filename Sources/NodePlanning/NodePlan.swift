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
}

/// A sentence about a node (or about the whole cluster, when `node` is nil) and what to do about it.
package struct NodeNote: Hashable, Sendable {
    package var node: String?
    package var text: String
    package var remedy: String?

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
        case firstServer = "first server"
        case servers = "further servers"
        case agents = "agents"
        case configuration = "configuration"
        case metadata = "labels and taints"
        case kubeconfig = "kubeconfig"
        case repository = "git repository"
        case homelabAgent = "homelab agent"
    }

    package var kind: Kind
    /// How many tasks run at the same time; 1: strictly one after the other, and the first failure stops the plan.
    package var concurrency: Int
    package var tasks: [NodeTask]

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

    package init(node: String, steps: [PlannedStep]) {
        self.node = node
        self.steps = steps
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
