internal import Diagnostics
internal import NodePlanning

/// The locks a run holds on the nodes it changes: taken together, kept alive by a heartbeat, always given back.
struct NodeLocks: Sendable {
    let hosts: [any Host]
    /// Names this run in the lock files.
    let run: String
    /// Whom the message to another run names.
    let owner: String
    let recorder: RunRecorder

    /// Takes the lock on every node or on none. A holder that has missed a heartbeat is waited for until it gives a sign of life, which ends
    /// the attempt, or counts as dead: so what was cut off can be run again at once.
    /// - Throws: `Diagnostics` with one finding for every node that somebody else works on; `CancellationError`.
    func acquire() async throws {
        let outcomes = await parallel(hosts, limit: 16) { host in
            do {
                let result = try await take(host)
                if result.succeeded { return Diagnostic?.none }
                if result.exitStatus == HostLock.heldStatus {
                    return HostLock.held(node: host.name, by: HostLock.owner(in: result.output))
                }
                return Diagnostic(
                    .error, "cannot take the lock \(HostLock.path)", subject: "node \"\(host.name)\"", cause: result.complaint,
                    remedy: "Put right what the node says, then run again.")
            } catch let error as HostError {
                return error.diagnostic
            } catch {
                return Diagnostic(.error, "stopped before the node's lock was taken", subject: "node \"\(host.name)\"")
            }
        }
        let problems = outcomes.compactMap { $0 }
        if Task.isCancelled {
            await release()
            throw CancellationError()
        }
        if !problems.isEmpty {
            await release()
            throw Diagnostics(problems)
        }
    }

    private func take(_ host: any Host) async throws -> CommandResult {
        var isAnnounced = false
        while true {
            let result = try await host.run(RemoteCommand(["sh", "-c", HostLock.acquire(run: run, owner: owner)]))
            guard result.exitStatus == HostLock.heldStatus, let holder = HostLock.owner(in: result.output),
                holder.idle > HostLock.suspectAfter
            else { return result }
            if !isAnnounced {
                isAnnounced = true
                let text = "waits for the lock of \(holder.owner), which gave no sign of life for \(holder.idle) s"
                recorder.emit(.note(node: host.name, text: "\(text) and loses it after \(HostLock.staleAfter) s"))
            }
            try await Task.sleep(for: .seconds(1))
        }
    }

    /// Renews every lock until the task is cancelled. A node that cannot be reached now is left to the step that runs on it; a lock that
    /// vanished with a reboot is taken again.
    func keepAlive() async {
        while (try? await Task.sleep(for: HostLock.heartbeatEvery)) != nil {
            _ = await parallel(hosts, limit: 16) { host in
                guard let renewed = try? await host.run(RemoteCommand(["sh", "-c", HostLock.renew(run: run)])), !renewed.succeeded,
                    let again = try? await host.run(RemoteCommand(["sh", "-c", HostLock.acquire(run: run, owner: owner)]))
                else { return }
                if again.exitStatus == HostLock.heldStatus, let other = HostLock.owner(in: again.output) {
                    recorder.emit(.note(node: host.name, text: "its lock is now held by \(other.owner)"))
                }
            }
        }
    }

    /// Gives the locks back. Who is stopped in the middle of an upload has lost that connection, so a lost one is made again, but not for
    /// long: a node that is gone frees its lock by itself after the heartbeat's time.
    func release() async {
        await shielded { [self] in
            _ = await parallel(hosts, limit: 16) { host in
                let command = RemoteCommand(["sh", "-c", HostLock.release(run: run)])
                if (try? await host.run(command)) != nil { return }
                await withTaskGroup { group in
                    group.addTask { try? await Task.sleep(for: Self.reconnectLimit) }
                    group.addTask {
                        guard (try? await host.reconnect(within: Self.reconnectLimit, waiting: { _ in })) != nil else { return }
                        _ = try? await host.run(command)
                    }
                    await group.next()
                    group.cancelAll()
                }
            }
        }
    }

    private static let reconnectLimit = Duration.seconds(5)
}
