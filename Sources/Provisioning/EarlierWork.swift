internal import Diagnostics
internal import NodePlanning

/// What an earlier run began on a machine and what goes on there, though that run was stopped or cut off.
enum EarlierWork {
    private static let limit: Duration = .seconds(900)

    /// Waits for its end, and says what is waited for, once for each.
    /// - Throws: `Diagnostic` when it does not end; `HostError`; `CancellationError`.
    static func awaitEnd(on host: any Host, tell: (String) -> Void) async throws {
        let deadline = ContinuousClock.now + limit
        var told = ""
        while true {
            let answer = try await host.run(NodeWork.question.asLook)
            guard answer.exitStatus == NodeWork.busyStatus else { return }
            let workers = answer.output.trimmingLineBreaks
            if !workers.isEmpty, workers != told { tell("waits for what was begun there before: process \(workers)") }
            told = workers
            guard .now < deadline else {
                throw Diagnostic(
                    .error, "what was begun there before has not ended after \(limit.inSeconds)", subject: "node \"\(host.name)\"",
                    cause: "process \(workers)", remedy: "End it there (`kill -9`), then run again.")
            }
            try await Task.sleep(for: .seconds(1))
        }
    }
}
