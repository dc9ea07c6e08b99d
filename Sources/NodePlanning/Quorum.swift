/// The votes of etcd's members, and whether a change leaves a majority of them (etcd FAQ: a cluster of n needs n/2+1).
package struct Quorum: Hashable, Sendable {
    /// All members, learners among them: counting only the healthy ones would allow what cannot be undone.
    package var members: Int
    package var healthy: Int

    package init(members: Int, healthy: Int) {
        self.members = members
        self.healthy = healthy
    }

    package static func majority(of members: Int) -> Int { members / 2 + 1 }

    package var isThere: Bool { healthy >= Self.majority(of: members) }

    /// Whether one member may be taken out: there must be a majority now and afterwards.
    package func survivesRemoval(ofHealthy isHealthy: Bool) -> Bool {
        let left = Quorum(members: members - 1, healthy: healthy - (isHealthy ? 1 : 0))
        return isThere && left.members > 0 && left.isThere
    }

    /// Whether one member may be stopped for a while: one that is down already takes nothing away.
    package func survivesRestart(ofHealthy isHealthy: Bool) -> Bool {
        members == 1 || Quorum(members: members, healthy: healthy - (isHealthy ? 1 : 0)).isThere
    }

    /// What to do where all are well and none can be spared all the same.
    static let wayOutOfTwo = "let another server join first, or take one out: of two, etcd can spare neither"

    /// Whether a member may be added: etcd itself refuses while another one is down.
    package var mayGrow: Bool { isThere && healthy == members }
}
