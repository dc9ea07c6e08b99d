internal import Diagnostics
internal import NodePlanning
internal import Synchronization

/// The locks a run holds on the nodes it changes: taken together, kept alive by a heartbeat, always given back.
struct NodeLocks: Sendable {
    let hosts: [any Host]
    /// Names this run in the lock files.
    let run: String
    /// Whom the message to another run names.
    let owner: String
    let recorder: RunRecorder
    var heartbeatEvery = HostLock.heartbeatEvery

    /// Takes the lock on every node or on none. A holder that has missed a heartbeat is waited for until it gives a sign of life, which ends
    /// the attempt, or counts as dead: so what was cut off can be run again at once.
    /// - Returns: the runs whose locks were left by death and are taken over.
    /// - Throws: `Diagnostics` with one finding for every node that somebody else works on; `CancellationError`.
    @discardableResult func acquire() async throws -> Set<String> {
        let dead = Mutex<Set<String>>([])
        let outcomes = await parallel(hosts, limit: 16) { host in
            do {
                let result = try await take(host)
                if result.succeeded {
                    let before = result.output.trimmingLineBreaks
                    if !before.isEmpty { dead.withLock { _ = $0.insert(before) } }
                    return Diagnostic?.none
                }
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
        return dead.withLock { $0 }
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

    /// Waits until nothing goes on any more on these machines that a run before this one began there.
    /// - Throws: `Diagnostics` with one finding for every node on which it does not end; `CancellationError`.
    func awaitEarlierWork() async throws {
        let outcomes = await parallel(hosts, limit: 16) { host -> Diagnostic? in
            do {
                try await EarlierWork.awaitEnd(on: host) { recorder.emit(.note(node: host.name, text: $0)) }
                return nil
            } catch {
                return FactGatherer.diagnostic(error, node: host.name)
            }
        }
        try Task.checkCancellation()
        try Diagnostics(outcomes.compactMap { $0 }).throwIfErrors()
    }

    /// Renews a machine's lock until the task is cancelled, or until it is another run's: this one was away for so long (a laptop that slept)
    /// that it counts as dead, and must do nothing more.
    /// - Returns: whom the run was lost to; nil when the task was cancelled.
    func keepAlive(_ host: any Host) async -> Diagnostics? {
        while (try? await Task.sleep(for: heartbeatEvery)) != nil {
            if let lost = await renew(host) { return Diagnostics([lost]) }
        }
        return nil
    }

    /// Renews one lock. A node that cannot be reached now, or does not answer, is left to the step that runs on it; a lock that vanished
    /// with a reboot is taken again.
    /// - Returns: who has it now, if it is not this run.
    func renew(_ host: any Host) async -> Diagnostic? {
        var (renewal, taking) = (
            RemoteCommand(["sh", "-c", HostLock.renew(run: run)]),
            RemoteCommand(["sh", "-c", HostLock.acquire(run: run, owner: owner)])
        )
        renewal.limit = Self.renewalLimit
        taking.limit = Self.takingLimit
        guard let renewed = try? await host.run(renewal), !renewed.succeeded,
            let again = try? await host.run(taking), again.exitStatus == HostLock.heldStatus
        else { return nil }
        return HostLock.lost("node \"\(host.name)\"", to: HostLock.owner(in: again.output)?.owner)
    }

    private static let renewalLimit = Duration.seconds(20)
    /// It may watch the lock several times before it answers.
    private static let takingLimit = renewalLimit + .seconds(4 * HostLock.watchFor)

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
