internal import FileSystem

extension SSHSession {
    /// Runs a command to its end and gives all it printed.
    /// - Parameters:
    ///   - command: given to the user's login shell; wrap anything but a simple command as `sh -c '…'`.
    ///   - input: its standard input, closed after these bytes.
    ///   - timeout: none: as long as the connection lives.
    /// - Throws: ``SSHError``; a command that ends with another status than 0 is a result, not an error.
    package func run(_ command: String, input: [UInt8] = [], timeout: Duration? = nil) async throws(SSHError) -> CommandResult {
        var output: [UInt8] = []
        var errors: [UInt8] = []
        var rest: [UInt8]? = input
        let end = try await exchange(
            command, Limit(timeout),
            input: {
                defer { rest = nil }
                return rest
            },
            onOutput: { piece in
                switch piece {
                case .output(let bytes): output += bytes
                case .errorOutput(let bytes): errors += bytes
                }
            })
        return CommandResult(exitStatus: end.exitStatus, signal: end.signal, output: output, errorOutput: errors)
    }

    /// Runs a command to its end, handing over what it prints as it comes; the outputs of the result are empty.
    package func run(
        _ command: String, input: [UInt8] = [], timeout: Duration? = nil, onOutput: @escaping @Sendable (CommandOutput) -> Void
    ) async throws(SSHError) -> CommandResult {
        var rest: [UInt8]? = input
        return try await exchange(
            command, Limit(timeout),
            input: {
                defer { rest = nil }
                return rest
            }, onOutput: onOutput)
    }

    /// The lines of a command's output as they come, for following a journal. The sequence ends with the command (an end with another
    /// status than 0 throws `refused` with its error text); who stops iterating closes the channel.
    package nonisolated func lines(of command: String) -> AsyncThrowingStream<String, any Error> {
        AsyncThrowingStream { continuation in
            let task = Task {
                do {
                    let stream = try await self.open(command)
                    var rest: [UInt8] = []
                    while let bytes = try await stream.read() {
                        rest += bytes
                        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                            continuation.yield(String(decoding: rest[..<end], as: UTF8.self))
                            rest.removeSubrange(...end)
                        }
                    }
                    if !rest.isEmpty { continuation.yield(String(decoding: rest, as: UTF8.self)) }
                    let end = try await stream.wait()
                    let errors = await stream.errorText
                    if !end.succeeded {
                        continuation.finish(throwing: SSHError(target: self.target.label, kind: .refused(Self.text(end, errors, command))))
                    }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    /// Runs a command, feeding it while it prints: neither direction can block the other.
    func exchange(
        _ command: String, _ limit: Limit, input: () throws(SSHError) -> [UInt8]?, onOutput: (CommandOutput) -> Void
    ) async throws(SSHError) -> CommandResult {
        let stream = try await open(command, timeout: limit.deadline.map { _ in limit.duration } ?? .seconds(60))
        do throws(SSHError) {
            try await pump(stream.id, limit, input: input, onOutput: onOutput)
            let end = try await status(stream.id, limit)
            await release(stream.id)
            return CommandResult(exitStatus: end.exitStatus, signal: end.signal)
        } catch {
            abandon { $0.channel == stream.id }
            await release(stream.id)
            throw error
        }
    }

    /// Writes as long as the channel takes it and reads when it does not: libssh2 takes in what arrives with every write, and the other
    /// side stops taking input before its unread output could fill the window.
    private func pump(
        _ id: Int, _ limit: Limit, input: () throws(SSHError) -> [UInt8]?, onOutput: (CommandOutput) -> Void
    ) async throws(SSHError) {
        var chunk: ArraySlice<UInt8> = []
        var isInputOpen = true
        while true {
            let handle = try usable(limit)
            if isInputOpen, chunk.isEmpty {
                if let next = try input() { chunk = next[...] } else { isInputOpen = false }
                if !isInputOpen { try await finishInput(id, limit) }
            }
            if isInputOpen {
                if chunk.isEmpty { continue }
                do throws(SSHError) {
                    let wasBlocked = sender == .write(id)
                    if let count = try writeNow(chunk, id, handle) {
                        chunk = chunk.dropFirst(count)
                        if wasBlocked { await giveWay() }
                        continue
                    }
                } catch {
                    // A command that ends without reading its input is no failure of the connection: its status tells.
                    guard case .refused = error.kind else { throw error }
                    isInputOpen = false
                    chunk = []
                }
            }
            var hasMoved = false
            if let bytes = try readNow(id, 1, limit: 16 << 10, handle), !bytes.isEmpty {
                onOutput(.errorOutput(bytes))
                hasMoved = true
            }
            if let bytes = try readNow(id, 0, limit: 64 << 10, handle) {
                if bytes.isEmpty { return }
                onOutput(.output(bytes))
                hasMoved = true
            }
            if !hasMoved { await pause(limit) }
        }
    }

    static func text(_ end: CommandResult, _ errors: String, _ what: String) -> String {
        let cause = errors.split(whereSeparator: \.isNewline).last.map(String.init)
        let status = end.signal.map { "signal \($0)" } ?? "exit status \(end.exitStatus)"
        return "\(what) failed: " + (cause ?? status)
    }

    /// A word for a POSIX shell.
    static func quote(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}
