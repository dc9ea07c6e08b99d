/// A running command (or forwarded connection) as a stream in both directions; dropping it closes the channel.
package final class SSHCommandStream: Sendable {
    let session: SSHSession
    let id: Int

    init(session: SSHSession, id: Int) {
        self.session = session
        self.id = id
    }

    deinit {
        let (session, id) = (session, id)
        Task { await session.release(id) }
    }

    /// The next piece of output, of at most `limit` bytes; nil when the command has closed its output.
    package func read(limit: Int = 64 << 10, timeout: Duration? = nil) async throws(SSHError) -> [UInt8]? {
        try await session.read(id, limit: limit, Limit(timeout))
    }

    /// What came on the error output so far (the last 64 KiB of it).
    package var errorText: String {
        get async { String(decoding: await session.errorOutput[id] ?? [], as: UTF8.self) }
    }

    /// Hands over all bytes; returns when they are on their way.
    package func write(_ bytes: [UInt8], timeout: Duration? = nil) async throws(SSHError) {
        try await session.write(bytes, id, Limit(timeout))
    }

    /// Closes the command's standard input.
    package func finishInput() async throws(SSHError) { try await session.finishInput(id, Limit(.seconds(30))) }

    /// Reads what is left, waits for the command's end and gives its status (the outputs in it are empty).
    package func wait(timeout: Duration? = nil) async throws(SSHError) -> CommandResult {
        let limit = Limit(timeout)
        while try await session.read(id, limit: 64 << 10, limit) != nil {}
        let result = try await session.status(id, limit)
        return CommandResult(exitStatus: result.exitStatus, signal: result.signal)
    }

    /// Ends the command's channel; a command that still runs loses its input and output.
    package func close() async { await session.release(id) }
}
