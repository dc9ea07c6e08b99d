import Diagnostics
import KubernetesModel
import Provisioning

extension JournalEntry {
    /// What the executor tells, as far as it is kept: progress and waits are not.
    struct Told: Sendable {
        let node: String
        let step: String
        let result: Result
        let elapsed: Duration?
        let message: String

        init(_ node: String, _ step: String, _ result: Result, _ elapsed: Duration? = nil, message: String = "") {
            self.node = node
            self.step = step
            self.result = result
            self.elapsed = elapsed
            self.message = message
        }

        init?(_ event: ProvisioningEvent) {
            switch event {
            case .phaseStarted, .phaseDone, .stepDetail, .stepProgress: return nil
            case .stepStarted(let node, let step): self.init(node, step, .started)
            case .stepDone(let node, let step, let elapsed): self.init(node, step, .done, elapsed)
            case .stepFailed(let node, let step, let elapsed, let finding):
                self.init(
                    node, step, .failed, elapsed, message: finding.cause.map { "\(finding.summary): \($0)" } ?? finding.summary)
            case .stepSkipped(let node, let step, let reason): self.init(node, step, .skipped, message: reason)
            case .note(let node?, let text): self.init(node, "", .note, message: text)
            case .note: return nil
            }
        }
    }

    init(_ told: Told, time: Timestamp, server: String, commit: String, plan: String, phase: String) {
        self.init(
            time: time, server: server, commit: commit, plan: plan, phase: phase, node: told.node, step: told.step, result: told.result,
            seconds: told.elapsed.map { Double($0 / .milliseconds(1)).rounded() / 1000 }, message: String(told.message.prefix(1000)))
    }
}
