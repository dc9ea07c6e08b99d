internal import CLibssh2

extension SSHSession {
    /// libssh2's own defaults for a channel (its macros are not visible here): window and largest packet in bytes.
    private static let window: UInt32 = 2 << 20
    private static let packet: UInt32 = 32768

    /// Opens a channel and starts a command on it, given to the user's login shell.
    package func open(_ command: String, timeout: Duration? = .seconds(30)) async throws(SSHError) -> SSHCommandStream {
        let limit = Limit(timeout)
        let stream = try await openChannel(limit) {
            libssh2_channel_open_ex($0.session, "session", 7, Self.window, Self.packet, nil, 0)
        }
        let bytes = Array(command.utf8CString)
        do throws(SSHError) {
            let started = try await drive(.start(stream.id), limit) { _ in
                guard let channel = channels[stream.id] else { return Int(LIBSSH2_ERROR_CHANNEL_CLOSED) }
                return Int(libssh2_channel_process_startup(channel, "exec", 4, bytes, UInt32(bytes.count - 1)))
            }
            guard started == 0 else { throw failure(.refused("it refuses to run commands (is the login restricted to something else?)")) }
        } catch {
            await release(stream.id)
            throw error
        }
        return stream
    }

    /// Opens a connection from the machine to another address.
    func forward(host: String, port: Int, _ limit: Limit) async throws(SSHError) -> SSHCommandStream {
        try await openChannel(limit) { libssh2_channel_direct_tcpip_ex($0.session, host, Int32(port), "127.0.0.1", 22) }
    }

    private func openChannel(
        _ limit: Limit, _ open: @escaping @Sendable (SessionHandle) -> OpaquePointer?
    ) async throws(SSHError) -> SSHCommandStream {
        while isOpening {
            _ = try usable(limit)
            await pause(limit)
        }
        isOpening = true
        var isBegun = false
        let channel: OpaquePointer
        do throws(SSHError) {
            channel = try await opened(limit) { handle in
                isBegun = true
                return open(handle)
            }
        } catch {
            switch error.kind {
            // libssh2 would give the half-open channel to the next who asks, so it is opened to the end, and closed again.
            case .timedOut where isBegun, .cancelled where isBegun: Task { await closeWhenOpen(open) }
            default: endOpening()
            }
            throw error
        }
        endOpening()
        return SSHCommandStream(session: self, id: add(channel))
    }

    private func opened(_ limit: Limit, _ open: (SessionHandle) -> OpaquePointer?) async throws(SSHError) -> OpaquePointer {
        var channel: OpaquePointer?
        let result = try await drive(.open, limit) { handle in
            channel = open(handle)
            return channel == nil ? Int(libssh2_session_last_errno(handle.session)) : 0
        }
        if let channel { return channel }
        throw failure(.refused(result == Int(LIBSSH2_ERROR_CHANNEL_FAILURE) ? "a channel was refused" : "no channel could be opened"))
    }

    private func closeWhenOpen(_ open: (SessionHandle) -> OpaquePointer?) async {
        do throws(SSHError) {
            let channel = try await opened(Limit(.seconds(60), heedsCancellation: false), open)
            endOpening()
            await release(add(channel))
        } catch {
            if case .timedOut = error.kind { lose("opening a channel was given up half-way") }
            endOpening()
        }
    }

    private func endOpening() {
        isOpening = false
        loop.wakeAll()
    }

    private func add(_ channel: OpaquePointer) -> Int {
        defer { nextChannel += 1 }
        channels[nextChannel] = channel
        return nextChannel
    }

    private func channel(_ id: Int) throws(SSHError) -> OpaquePointer {
        guard let channel = channels[id] else { throw failure(.refused("this command's channel is closed already")) }
        return channel
    }

    /// One attempt to read; empty at the end of the output, nil when nothing is there yet.
    func readNow(_ id: Int, _ stream: Int32, limit: Int, _ handle: SessionHandle) throws(SSHError) -> [UInt8]? {
        let channel = try channel(id)
        var count: Int?
        let bytes = try [UInt8].filled(limit) { buffer throws(SSHError) in
            count = try attempt(.read(id, stream), handle) {
                libssh2_channel_read_ex(channel, stream, UnsafeMutableRawPointer(buffer).assumingMemoryBound(to: CChar.self), limit)
            }
            return max(0, count ?? 0)
        }
        guard let count else { return nil }
        if count < 0 { throw failure(.refused("reading a command's output failed: \(handle.lastError.text)")) }
        if count == 0, libssh2_channel_eof(channel) == 0 { return nil }
        return bytes
    }

    func read(_ id: Int, limit size: Int, _ limit: Limit) async throws(SSHError) -> [UInt8]? {
        do throws(SSHError) {
            while true {
                let handle = try usable(limit)
                if let errors = try readNow(id, SSH_EXTENDED_DATA_STDERR, limit: 16 << 10, handle), !errors.isEmpty {
                    errorOutput[id] = Array(((errorOutput[id] ?? []) + errors).suffix(64 << 10))
                }
                if let bytes = try readNow(id, 0, limit: size, handle) { return bytes.isEmpty ? nil : bytes }
                await pause(limit)
            }
        } catch {
            abandon { $0.channel == id }
            throw error
        }
    }

    /// One attempt to write; the count taken, nil when there is no room yet.
    func writeNow(_ bytes: ArraySlice<UInt8>, _ id: Int, _ handle: SessionHandle) throws(SSHError) -> Int? {
        let channel = try channel(id)
        let count = try attempt(.write(id), handle) {
            bytes.withUnsafeBytes { libssh2_channel_write_ex(channel, 0, $0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count) }
        }
        if let count, count < 0 { throw failure(.refused("the command no longer takes input")) }
        return count
    }

    func write(_ bytes: [UInt8], _ id: Int, _ limit: Limit) async throws(SSHError) {
        var rest = bytes[...]
        do throws(SSHError) {
            while !rest.isEmpty {
                let handle = try usable(limit)
                let wasBlocked = sender == .write(id)
                guard let count = try writeNow(rest, id, handle) else {
                    await pause(limit)
                    continue
                }
                rest = rest.dropFirst(count)
                if wasBlocked { await giveWay() }
            }
        } catch {
            abandon { $0.channel == id }
            throw error
        }
    }

    func finishInput(_ id: Int, _ limit: Limit) async throws(SSHError) {
        _ = try await drive(.finishInput(id), limit) { _ in
            guard let channel = channels[id] else { return 0 }
            return Int(libssh2_channel_send_eof(channel))
        }
    }

    /// Closes the channel from this side, waits for the other and reads how the command ended.
    func status(_ id: Int, _ limit: Limit) async throws(SSHError) -> (exitStatus: Int32, signal: String?) {
        let channel = try channel(id)
        _ = try await drive(.close(id), limit) { _ in Int(libssh2_channel_close(channel)) }
        _ = try await drive(.waitClosed(id), limit) { _ in Int(libssh2_channel_wait_closed(channel)) }
        let handle = try usable(limit)
        var name: UnsafeMutablePointer<CChar>?
        var size = 0
        libssh2_channel_get_exit_signal(channel, &name, &size, nil, nil, nil, nil)
        guard let name else { return (libssh2_channel_get_exit_status(channel), nil) }
        defer { libssh2_free(handle.session, name) }
        return (-1, String(cString: name))
    }

    /// Frees a channel, also after its call was cancelled; the last one is kept for reading the connection while it is idle.
    func release(_ id: Int) async {
        guard let channel = channels[id] else { return }
        let limit = Limit(.seconds(5), heedsCancellation: false)
        let closed = try? await drive(.close(id), limit) { _ in Int(libssh2_channel_close(channel)) }
        guard channels.removeValue(forKey: id) != nil else { return }
        errorOutput[id] = nil
        guard closed != nil, let handle, isAlive else { return }
        let old = handle.spentChannel
        handle.spentChannel = channel
        if let old { _ = try? await drive(.free(id), limit) { _ in Int(libssh2_channel_free(old)) } }
    }
}

extension [UInt8] {
    /// An array of which a call fills as many bytes as it returns.
    fileprivate static func filled<E: Error>(_ capacity: Int, _ fill: (UnsafeMutablePointer<UInt8>) throws(E) -> Int) throws(E) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: capacity)
        let result: Result<Int, E> = bytes.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return .success(0) }
            do throws(E) { return .success(try fill(start)) } catch { return .failure(error) }
        }
        bytes.removeSubrange(try result.get()...)
        return bytes
    }
}
