internal import BootstrapAssets

/// What goes on on a machine when the run that began it there was stopped or cut off, and must not meet anything else: only one such thing
/// is done on a machine at a time.
package enum NodeWork {
    /// Of `question` when somebody is at work; sysexits' EX_TEMPFAIL.
    package static let busyStatus: Int32 = 75

    /// Asks whether somebody is at work; prints who, as `PID (COMMAND)`.
    package static let question = RemoteCommand(["sh", "-c", BootstrapAssets.aloneScript + "idle"])

    /// The script, begun only when nobody else is at work any more; it goes on to its end whether or not somebody still reads what it prints.
    package static func alone(_ script: String) -> String { "\(BootstrapAssets.aloneScript)trap '' PIPE\nalone 900 || exit\n\(script)" }
}
