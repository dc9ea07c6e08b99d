package import KubernetesModel

/// Keeps the Lease `homelab-system/homelab-agent`: exactly one agent leads, the others see at once when it is free.
package actor LeaderElection {
    package struct Settings: Hashable, Sendable {
        package var namespace = HomelabNamespace.name
        package var name = "homelab-agent"
        package var duration: Int64 = 15
        package var renewEvery: Duration = .seconds(5)
        /// How long a leader goes on without having renewed; well below `duration`, so that two never act.
        package var renewDeadline: Duration = .seconds(10)

        package init() {}
    }

    private let api: any ClusterAPI
    private let clock: any AgentClock
    private let settings: Settings
    private let log: @Sendable (String) -> Void
    private let bell = Bell()
    private var watchman: LeaseWatchman
    /// Until then the Lease is left to others.
    private var standsBackUntil: Duration?
    /// Who leads, as last seen; empty for nobody.
    package nonisolated let leader = Shared("")
    package nonisolated let isLeading = Shared(false)
    package nonisolated let identity: String

    /// - Parameters:
    ///   - predecessors: how the identities of processes begin that are known to have ended; nil where none is.
    ///   - log: gets a line when this process begins to lead, and one with the reason before what it does is cancelled.
    package init(
        api: any ClusterAPI, clock: any AgentClock, identity: String, predecessors: String? = nil, settings: Settings = Settings(),
        log: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.log = log
        self.api = api
        self.clock = clock
        self.identity = identity
        self.settings = settings
        watchman = LeaseWatchman(identity: identity, predecessors: predecessors)
    }

    /// Runs `lead` whenever this process leads and cancels it when it no longer does; returns when cancelled, with the Lease given back.
    package func run(_ lead: @escaping @Sendable () async -> Void) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.follow() }
            while !Task.isCancelled {
                guard let acquired = await acquire(), !Task.isCancelled else { break }
                isLeading.update { $0 = true }
                log("leads")
                await withTaskGroup(of: String?.self) { term in
                    term.addTask {
                        await lead()
                        return nil
                    }
                    term.addTask { await self.renewUntilLost(since: acquired) }
                    if case let reason?? = await term.next() { log("leads no more, and stops what it is doing: \(reason)") }
                    term.cancelAll()
                }
                isLeading.update { $0 = false }
                // Everything that acted has ended by now, so the next one may begin at once.
                if isStandingBack { await release() }
            }
            await release()
            group.cancelAll()
        }
    }

    /// Gives the Lease away and leaves it to the others for `pause`: for work that another server's agent has to do.
    package func standBack(for pause: Duration) {
        standsBackUntil = clock.now + pause
        bell.ring()
    }

    // MARK: Holding

    private var isStandingBack: Bool { standsBackUntil.map { clock.now < $0 } ?? false }

    /// - Returns: when the Lease that is held now was asked for, which is the earliest that the others may count from; nil when cancelled.
    private func acquire() async -> Duration? {
        var backoff = Backoff(first: .seconds(1), limit: .seconds(10))
        while !Task.isCancelled {
            if isStandingBack {
                await bell.wait(until: standsBackUntil, clock: clock)
                continue
            }
            switch watchman.decision(now: clock.now) {
            case .wait(let expiry): await bell.wait(until: expiry, clock: clock)
            case .create, .take, .held:
                let asked = clock.now
                if await write(claim, within: settings.renewDeadline) { return asked }
                forgetLeader()
                await bell.wait(until: clock.now + backoff.failed(), clock: clock)
            }
        }
        return nil
    }

    /// Whoever held the Lease last does not any more, and the API server does not tell who does.
    private func forgetLeader() {
        if case .wait = watchman.decision(now: clock.now) { return }
        if !leader.value.isEmpty { leader.update { $0 = "" } }
    }

    /// - Parameter acquired: when the Lease was asked for.
    /// - Returns: why this process leads no more; nil when it was cancelled.
    private func renewUntilLost(since acquired: Duration) async -> String? {
        // Not when the answer came, which may be late: the others count from what the server wrote.
        var renewedAt = acquired
        while !Task.isCancelled {
            let next = renewedAt + settings.renewEvery
            await bell.wait(until: max(next, clock.now), clock: clock)
            if Task.isCancelled { return nil }
            if isStandingBack { return "another server's agent has work to do" }
            if isTakenByAnother { return takenByAnother }
            if clock.now < next { continue }
            let asked = clock.now
            if await write(claim, within: renewedAt + settings.renewDeadline - asked) {
                renewedAt = asked
            } else if isTakenByAnother {
                return takenByAnother
            } else if clock.now - renewedAt >= settings.renewDeadline {
                return "the API server has taken no sign of life for \(settings.renewDeadline.components.seconds) s"
            } else {
                try? await clock.sleep(for: .seconds(1))
            }
        }
        return nil
    }

    private var takenByAnother: String { "\(watchman.record?.holder ?? "") has the Lease \(settings.name)" }

    private var isTakenByAnother: Bool { watchman.record.map { $0.holder != identity } ?? false }

    /// What is written to the Lease, and what was seen of it when that was decided.
    private struct Draft {
        var record: LeaseRecord
        /// nil: there is none.
        var seenVersion: String?
    }

    private var claim: Draft { draft(watchman.claim(at: clock.timestamp, durationSeconds: settings.duration)) }

    private func draft(_ record: LeaseRecord) -> Draft {
        Draft(record: record, seenVersion: watchman.record == nil ? nil : watchman.resourceVersion)
    }

    /// Gives the Lease back. The task that asks is usually cancelled already, so the one request has a task of its own, and 3 seconds.
    private func release() async {
        guard let record = watchman.release(at: clock.timestamp) else { return }
        let draft = draft(record)
        await Task { _ = await write(draft, within: .seconds(3)) }.value
    }

    /// One write; false when it failed, took too long or another was faster. What the server then holds is in `watchman`.
    private func write(_ draft: Draft, within limit: Duration) async -> Bool {
        (try? await withTimeLimit(max(limit, .zero), clock: clock) { await self.write(draft) }) == true
    }

    private func write(_ draft: Draft) async -> Bool {
        let manifest = draft.record.manifest(namespace: settings.namespace, name: settings.name, resourceVersion: draft.seenVersion)
        do {
            let written = try await draft.seenVersion == nil ? api.create(manifest) : api.replace(manifest, subresource: nil)
            observe(written)
            return true
        } catch {
            await recover(from: error)
            return false
        }
    }

    private func recover(from error: any Error) async {
        guard let error = error as? ClusterError else { return }
        switch error.kind {
        case .notFound where watchman.record == nil: try? await HomelabNamespace.ensure(api)
        case .conflict, .alreadyExists, .notFound:
            if let current = try? await api.get(LeaseRecord.kind, namespace: settings.namespace, name: settings.name) { observe(current) }
        default: break
        }
    }

    // MARK: Watching

    private func observe(_ lease: Manifest?) {
        watchman.observe(lease, now: clock.now)
        tellLeader()
    }

    private func see(_ lease: Manifest, isGone: Bool = false) {
        guard lease.name == settings.name else { return }
        watchman.follow(lease, isGone: isGone, now: clock.now)
        tellLeader()
    }

    private func tellLeader() {
        let holder = watchman.record?.holder ?? ""
        if leader.value != holder { leader.update { $0 = holder } }
        bell.ring()
    }

    /// Follows the Lease by watch, so that a release is seen at once and nobody polls.
    private func follow() async {
        let watch = ObjectFollower(api: api, clock: clock, kind: LeaseRecord.kind, namespace: settings.namespace, labelSelector: nil)
        await watch.run { change in
            switch change {
            case .all(let leases):
                guard let lease = leases.first(where: { $0.name == self.settings.name }) else { return await self.observe(nil) }
                await self.see(lease)
            case .present(let lease): await self.see(lease)
            case .gone(let lease): await self.see(lease, isGone: true)
            case .failed: break
            }
        }
    }
}
