/// How a command on the other machine ended, and what it printed.
package struct CommandResult: Sendable, Equatable {
    /// The command's exit status; 128 and more usually means the shell saw it die by a signal. -1 when ``signal`` ended it.
    package let exitStatus: Int32
    /// The signal that ended the command (`TERM`, `KILL`), without `SIG`; nil when it ended by itself.
    package let signal: String?
    package let output: [UInt8]
    package let errorOutput: [UInt8]

    package init(exitStatus: Int32, signal: String? = nil, output: [UInt8] = [], errorOutput: [UInt8] = []) {
        self.exitStatus = exitStatus
        self.signal = signal
        self.output = output
        self.errorOutput = errorOutput
    }

    package var succeeded: Bool { exitStatus == 0 && signal == nil }
    package var outputText: String { String(decoding: output, as: UTF8.self) }
    package var errorText: String { String(decoding: errorOutput, as: UTF8.self) }
}

/// A piece of what a running command prints.
package enum CommandOutput: Sendable, Equatable {
    case output([UInt8])
    case errorOutput([UInt8])
}
