/// How long the executor waits for what it cannot hurry; every wait shows what it waits for and ends in a clear failure.
package struct WaitLimits: Hashable, Sendable {
    /// From starting the unit until k3s is ready; a Raspberry Pi with an SD card takes minutes.
    package var k3s: Duration = .seconds(300)
    /// From the unit's readiness until the Node object is Ready.
    package var node: Duration = .seconds(300)
    package var agent: Duration = .seconds(90)
    /// A machine that stops its containers first takes over 90 s to go down.
    package var reboot: Duration = .seconds(600)
    /// To make a lost connection again.
    package var reconnect: Duration = .seconds(90)
    /// Between two looks.
    package var poll: Duration = .milliseconds(500)
    /// How often a step is begun again after the connection broke.
    package var attempts = 3

    package init() {}
}
