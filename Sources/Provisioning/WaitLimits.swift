/// How long the executor waits for what it cannot hurry; every wait shows what it waits for and ends in a clear failure.
package struct WaitLimits: Hashable, Sendable {
    /// From starting the unit until k3s is ready; a Raspberry Pi with an SD card takes minutes.
    package var k3s: Duration = .seconds(300)
    /// From the unit's readiness until the Node object is Ready.
    package var node: Duration = .seconds(300)
    /// Until what was healthy before an upgrade is so again.
    package var workloads: Duration = .seconds(300)
    /// One try of a drain, between which it is looked at what blocks.
    package var drainTry: Duration = .seconds(15)
    /// Until etcd has let a member go, and after that until its others have surely elected a leader.
    package var member: Duration = .seconds(120)
    package var election: Duration = .seconds(10)
    /// A k3s that ended this often since it was started does not come up by waiting. A server may need a few tries until the others answer.
    package var agentRestarts = 5
    package var serverRestarts = 12
    /// For a server's API to come back that was away when a change was to be made.
    package var api: Duration = .seconds(180)
    package var agent: Duration = .seconds(90)
    /// A machine that stops its containers first takes over 90 s to go down.
    package var reboot: Duration = .seconds(600)
    /// To make a lost connection again.
    package var reconnect: Duration = .seconds(90)
    /// Between two looks, at least.
    package var poll: Duration = .milliseconds(500)
    /// How often a step is begun again after the connection broke.
    package var attempts = 3

    package init() {}

    /// The pause before the next look. A look starts a kubectl, which keeps a Raspberry Pi busy for a second: twice as long as the look
    /// took is left to the k3s that is waited for, up to 5 s.
    func pause(since look: ContinuousClock.Instant) async throws {
        try await Task.sleep(for: max(poll, min(.seconds(5), (ContinuousClock.now - look) * 2)))
    }
}
