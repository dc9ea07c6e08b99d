package import Diagnostics

/// What happens while nodes are worked on, as it happens; the CLI draws it, the agent logs it, and every line also goes to the node's log file.
package enum ProvisioningEvent: Sendable {
    /// A phase begins on these nodes; `index` counts from 1 to `count`.
    case phaseStarted(title: String, nodes: [String], index: Int, count: Int)
    case phaseDone(title: String, elapsed: Duration)
    case stepStarted(node: String, step: String)
    /// What a running step waits for, with the last reason the node gave.
    case stepDetail(node: String, step: String, text: String)
    /// Bytes of an upload or a download.
    case stepProgress(node: String, step: String, done: Int64, total: Int64)
    case stepDone(node: String, step: String, elapsed: Duration)
    case stepFailed(node: String, step: String, elapsed: Duration, diagnostic: Diagnostic)
    /// The step was not reached, because something before it failed or the run was stopped.
    case stepSkipped(node: String, step: String, reason: String)
    /// Something worth a line that belongs to no step: a lost connection that is being made again, a deploy key to be registered.
    case note(node: String?, text: String)

    package var node: String? {
        switch self {
        case .phaseStarted, .phaseDone: nil
        case .stepStarted(let node, _), .stepDetail(let node, _, _), .stepProgress(let node, _, _, _), .stepDone(let node, _, _),
            .stepFailed(let node, _, _, _), .stepSkipped(let node, _, _):
            node
        case .note(let node, _): node
        }
    }

    static let lookAtNodes = "look at the nodes"
    static let gatherFacts = "gather facts"

    /// Is about the look at the machines, not the work on them.
    package var isLook: Bool {
        switch self {
        case .phaseStarted(let title, _, _, _), .phaseDone(let title, _): title == Self.lookAtNodes
        case .stepStarted(_, let step), .stepDetail(_, let step, _), .stepProgress(_, let step, _, _), .stepDone(_, let step, _),
            .stepFailed(_, let step, _, _), .stepSkipped(_, let step, _):
            step == Self.gatherFacts
        case .note: false
        }
    }
}

extension ProvisioningEvent {
    /// The same event with every text that may quote a node put through `change`: nothing leaves the recorder with a secret in it.
    func replacingTexts(_ change: (String) -> String) -> ProvisioningEvent {
        switch self {
        case .phaseStarted, .phaseDone, .stepStarted, .stepProgress, .stepDone: self
        case .stepDetail(let node, let step, let text): .stepDetail(node: node, step: step, text: change(text))
        case .stepSkipped(let node, let step, let reason): .stepSkipped(node: node, step: step, reason: change(reason))
        case .note(let node, let text): .note(node: node, text: change(text))
        case .stepFailed(let node, let step, let elapsed, let diagnostic):
            .stepFailed(node: node, step: step, elapsed: elapsed, diagnostic: diagnostic.replacingTexts(change))
        }
    }
}

extension Diagnostic {
    /// The same finding with every text that may quote a node put through `change`.
    func replacingTexts(_ change: (String) -> String) -> Diagnostic {
        Diagnostic(
            severity, change(summary), subject: subject, at: location, cause: cause.map(change), remedy: remedy.map(change))
    }
}

extension ProvisioningEvent: CustomStringConvertible {
    /// The plain line for logs and pipes, `m1: start the first server: done in 4.2 s`.
    package var description: String {
        switch self {
        case .phaseStarted(let title, let nodes, let index, let count): "[\(index)/\(count)] \(title): \(nodes.joined(separator: ", "))"
        case .phaseDone(let title, let elapsed): "\(title): done in \(elapsed.inSeconds)"
        case .stepStarted(let node, let step): "\(node): \(step)"
        case .stepDetail(let node, let step, let text): "\(node): \(step): \(text)"
        case .stepProgress(let node, let step, let done, let total):
            "\(node): \(step): \(done / 1_048_576) of \(total / 1_048_576) MiB"
        case .stepDone(let node, let step, let elapsed): "\(node): \(step): done in \(elapsed.inSeconds)"
        case .stepFailed(let node, let step, let elapsed, let diagnostic):
            "\(node): \(step): failed after \(elapsed.inSeconds): \(diagnostic.summary)" + (diagnostic.cause.map { ": " + $0 } ?? "")
        case .stepSkipped(let node, let step, let reason): "\(node): \(step): skipped: \(reason)"
        case .note(let node, let text): (node.map { $0 + ": " } ?? "") + text
        }
    }
}

extension Duration {
    /// `0.4 s`, `12 s`, `3 min 5 s`.
    package var inSeconds: String {
        let milliseconds = components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
        if milliseconds < 10_000 { return "\(milliseconds / 1000).\(milliseconds % 1000 / 100) s" }
        let seconds = milliseconds / 1000
        return seconds < 120 ? "\(seconds) s" : "\(seconds / 60) min \(seconds % 60) s"
    }
}
