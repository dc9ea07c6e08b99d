package import Diagnostics
package import NodePlanning

/// A machine as the executor sees it: something that runs commands, takes files and can be reached again after a reboot.
///
/// All calls throw `HostError` when the machine cannot be talked to, and `CancellationError` when the task is cancelled; a command that
/// ran and failed is a result, not an error. Several calls may be under way at the same time.
package protocol Host: Sendable {
    /// The node's name in the inventory.
    var name: String { get }

    /// Runs a command to its end, or until its limit is over: then the machine counts as unreachable. With `asRoot` it gets root's rights
    /// by the means the host has found.
    func run(_ command: RemoteCommand) async throws -> CommandResult

    /// Runs a command and hands over each line of its standard output as it comes; the result has all of it as well.
    func streamLines(_ command: RemoteCommand, onLine: @escaping @Sendable (String) -> Void) async throws -> CommandResult

    /// Brings a local file to the machine; see `FileUpload`. Does nothing when the very file is there already.
    func upload(_ upload: FileUpload, progress: @escaping @Sendable (_ sent: Int64, _ total: Int64) -> Void) async throws

    /// The bytes of a file, read as root; nil when there is no such file.
    func read(_ path: String) async throws -> [UInt8]?

    /// Drops the connection and makes a new one, trying until it succeeds or the time is over; `waiting` gets the latest reason.
    func reconnect(within: Duration, waiting: @escaping @Sendable (String) -> Void) async throws

    func close() async
}

/// How a command on a node ended.
package struct CommandResult: Hashable, Sendable {
    /// 0 to 255; 128 + the signal's number for a command that was killed, as shells have it.
    package var exitStatus: Int32
    package var standardOutput: [UInt8]
    package var standardError: [UInt8]

    package init(exitStatus: Int32, standardOutput: [UInt8] = [], standardError: [UInt8] = []) {
        self.exitStatus = exitStatus
        self.standardOutput = standardOutput
        self.standardError = standardError
    }

    package var succeeded: Bool { exitStatus == 0 }
    package var output: String { String(decoding: standardOutput, as: UTF8.self) }
    package var errorOutput: String { String(decoding: standardError, as: UTF8.self) }

    /// The last line the command complained with; its exit status when it said nothing.
    package var complaint: String {
        let lines = errorOutput.split(whereSeparator: \.isNewline)
        let said = lines.last { !$0.allSatisfy(\.isWhitespace) } ?? output.split(whereSeparator: \.isNewline).last
        return said.map(String.init) ?? "exit status \(exitStatus)"
    }
}

/// Why a machine could not be talked to.
package struct HostError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        /// The connection broke: make it again and repeat the step.
        case connectionLost
        /// No connection could be made: the machine may come back.
        case unreachable
        /// A person has to decide or correct something; trying again changes nothing.
        case refused
    }

    package let kind: Kind
    /// Which machine.
    package let node: String
    package let diagnostic: Diagnostic

    package init(_ kind: Kind, node: String, _ diagnostic: Diagnostic) {
        self.kind = kind
        self.node = node
        self.diagnostic = diagnostic
    }

    package var description: String { diagnostic.description }

    /// Of a machine that takes commands and does not end them.
    package static func silent(node: String, after limit: Duration) -> HostError {
        HostError(
            .unreachable, node: node,
            Diagnostic(
                .error, "it logs in, but does not answer within \(limit.components.seconds) s", subject: "node \"\(node)\"",
                remedy: "Look at its disk: `dmesg` there tells whether one hangs; if it takes no commands at all, restart it."))
    }
}
