import Cryptography
import Git
import KubernetesClient
package import KubernetesModel
import YAML

/// Makes something to follow of a GitRepository object and its Secrets' data; nil when it knows no way to reach such a URL.
package typealias RepositoryFactory = @Sendable (GitRepositorySpec, RepositorySecrets) async throws -> (any RepositorySource)?

/// The data of the Secrets that a GitRepository names; empty where it names none.
package struct RepositorySecrets: Sendable {
    package var login: [String: [UInt8]]
    package var proxy: [String: [UInt8]]

    package init(login: [String: [UInt8]] = [:], proxy: [String: [UInt8]] = [:]) {
        self.login = login
        self.proxy = proxy
    }
}

/// The repositories that GitRepository objects name. The agent's own is followed once, however many objects name it.
package actor SourceRegistry {
    struct Entry {
        var object: Manifest
        var spec: GitRepositorySpec
        /// Whether it stands for the agent's own repository and says whose commits of that count.
        var isMarked = false
        var source: GitSource?
        /// Follows the source; nil for the agent's own, which is followed elsewhere.
        var follower: Task<Void, Never>?
        /// Why it cannot be opened, or is not followed as it says.
        var trouble: RepositoryTrouble?
        /// What the status says besides, whatever else it says.
        var note = ""
        /// The versions of the Secrets that it was opened with.
        var secrets: [ObjectKey: String] = [:]
        /// Whose commits of the agent's own repository count, where it says that they have to be signed.
        var trust: CommitTrust?
        /// When what could not be opened is tried again.
        var retryAt: Duration?
        var written: Value?
        /// What the status said last, for the event that says what is new.
        var told: Told?
        /// The look that was asked for, by the annotation's value, and the count of the source that answers it.
        var request: (mark: String, count: Int)?
        /// The request that was answered last.
        var handled: String
    }

    /// What a status says that is worth an event when it changes.
    struct Told {
        var ready: FluxCondition?
        var revision: String

        init(_ object: Value) {
            ready = FluxConditions(object[path: "status", "conditions"])["Ready"]
            revision = object[path: "status", "artifact", "revision"]?.string ?? ""
        }
    }

    /// Rung when a source comes or goes.
    package nonisolated let changed = Bell()
    let own: GitSource
    /// How GitRepository objects may name the agent's own repository.
    let ownURLs: Set<String>
    /// The GitRepositories that the agent's own unit has made, nil where that is not known, and its namespaces, where nobody else makes any.
    let made: Shared<Set<ObjectKey>?>
    let homes: Set<String>
    /// The agent's own unit.
    let root: Ownership
    /// One object at a time is taken.
    let turn = InFlightLimit(1)
    private let api: any ClusterAPI
    let clock: any AgentClock
    let namespaces: NamespaceFollowers
    private let factory: RepositoryFactory?
    private let events: EventRecorder?
    /// Counts the pushes that git hosts told of, not saying to which repository.
    private let pushes: Shared<Int>
    private var seenPushes = 0
    var entries: [ObjectKey: Entry] = [:]
    /// Whether all objects have been looked at once.
    var isListed = false
    /// Whose commits count by objects that are gone from the cluster and not from the repository, which will bring them back.
    var lost: [ObjectKey: CommitTrust] = [:]
    private nonisolated let bell = Bell()

    package init(
        own: GitSource, urls: Set<String>, api: any ClusterAPI, clock: any AgentClock, namespaces: NamespaceFollowers,
        factory: RepositoryFactory?, pushes: Shared<Int> = Shared(0), events: EventRecorder? = nil,
        made: Shared<Set<ObjectKey>?> = Shared([]), root: Ownership = Ownership(namespace: HomelabNamespace.name, name: "home")
    ) {
        self.own = own
        self.made = made
        self.root = root
        homes = [HomelabNamespace.name, root.namespace]
        self.events = events
        ownURLs = urls
        self.api = api
        self.clock = clock
        self.namespaces = namespaces
        self.factory = factory
        self.pushes = pushes
        seenPushes = pushes.value
        pushes.attach(bell)
        made.attach(bell)
        own.signing.attach(bell)
        own.state.attach(bell)
        own.answered.attach(bell)
    }

    /// nil while there is no such GitRepository, or none that can be followed.
    package func source(for reference: KustomizationSpec.SourceReference?) -> GitSource? {
        guard let reference else { return own }
        return entries[Self.key(reference)]?.source
    }

    static func key(_ reference: KustomizationSpec.SourceReference) -> ObjectKey {
        ObjectKey(group: FluxKinds.gitRepository.group, kind: reference.kind, namespace: reference.namespace, name: reference.name)
    }

    func takeInTurn(_ object: Manifest) async {
        let key = object.key
        let spec = GitRepositorySpec(of: object)
        let old = entries[key]
        let isRequested = object.annotation(FluxKinds.requestedAt) != old?.object.annotation(FluxKinds.requestedAt)
        // Where a Secret may be the cause, a look that somebody asks for reads it anew.
        let secretProblems: Set<SourceProblem.Kind> = [
            .authentication, .keyRefused, .untrusted, .unverified, .unverifiedTag, .unsignedTag, .keysMissing,
        ]
        let isLocked = old?.source == nil || old?.source?.state.value.problem.map { secretProblems.contains($0.kind) } ?? false
        let (isMarked, isOwn) = (isMarkedOwn(object), self.isOwn(object, spec))
        let wasOwn = old?.source === own
        guard isRequested && isLocked || old?.spec != spec || old?.isMarked != isMarked || wasOwn != isOwn else {
            entries[key]?.object = object
            takeAcceptance(of: key)
            takeRequest(of: key)
            bell.ring()
            return
        }
        stop(key)
        let status = object.value[path: "status", "lastHandledReconcileAt"]?.string ?? ""
        var entry = Entry(object: object, spec: spec, isMarked: isMarked, handled: old?.handled ?? status)
        if isOwn {
            entry.source = own
            if isMarked {
                await own.begin(ignore: spec.ignore)
                await namespaces.follow(Self.keys(of: spec), for: Self.follower(key), .login, bell)
                await readTrust(&entry)
            }
            let limits = OwnRepositoryLimits(spec, branch: own.reference)
            entry.trouble = RepositoryTrouble(limits)
            entry.note = limits.unused.joined(separator: "; ")
        } else {
            var known = old?.spec
            known?.isSuspended = spec.isSuspended
            await namespaces.follow(Self.secrets(of: spec), for: Self.follower(key), .login, bell)
            await open(&entry, after: known == spec && !wasOwn ? old?.source : nil)
        }
        place(entry, at: key)
        takeRequest(of: key)
        await settle(key, old)
    }

    /// Somebody asks for a look: it is answered when one that begins now is over, or at once where there is nothing to look at.
    private func takeRequest(of key: ObjectKey) {
        guard let entry = entries[key], let mark = entry.object.annotation(FluxKinds.requestedAt), mark != entry.handled else { return }
        guard mark != entry.request?.mark else { return }
        if let source = entry.source {
            entries[key]?.request = isLeftAlone(entry) ? nil : (mark, source.ask())
        } else {
            entries[key]?.handled = mark
        }
    }

    /// A suspended one is not looked at, and its status stays as it is.
    private func isLeftAlone(_ entry: Entry) -> Bool { entry.spec.isSuspended && entry.source !== own }

    private func place(_ entry: Entry, at key: ObjectKey) {
        if entries[key]?.source !== entry.source {
            entries[key]?.source?.take(acceptance: nil, of: key)
            stop(key)
            if let source = entry.source, source !== own {
                source.state.attach(bell)
                source.answered.attach(bell)
            }
        }
        entries[key] = entry
        takeAcceptance(of: key)
        connectInclusions()
        changed.ring()
        bell.ring()
    }

    private func takeAcceptance(of key: ObjectKey) {
        guard let entry = entries[key] else { return }
        entry.source?.take(acceptance: entry.object.annotation(InventoryStore.acceptHistory), of: key)
    }

    func removeInTurn(_ key: ObjectKey) async {
        let old = entries[key]
        entries[key]?.source?.take(acceptance: nil, of: key)
        stop(key)
        entries[key] = nil
        await namespaces.leave(Self.follower(key))
        connectInclusions()
        changed.ring()
        await settle(key, old)
    }

    private func stop(_ key: ObjectKey) {
        entries[key]?.follower?.cancel()
        guard let source = entries[key]?.source, source !== own else { return }
        source.state.detach(bell)
        source.answered.detach(bell)
    }

    /// - Parameter old: what followed the same until now; its last good commit stays.
    private func open(_ entry: inout Entry, after old: GitSource? = nil) async {
        let spec = entry.spec
        entry.retryAt = nil
        entry.trouble = RepositoryTrouble(spec)
        guard entry.trouble == nil else { return }
        entry.secrets = [:]
        do throws(RepositoryTrouble) {
            let repository = try await repository(&entry)
            let source = GitSource(
                repository: repository, clock: clock, pollInterval: spec.interval, reference: spec.referenceName,
                rules: try await rules(&entry), followsBranch: spec.branch != nil)
            if let old { source.state.update { $0 = old.state.value } }
            entry.source = source
            entry.follower = Task { if spec.isSuspended { await source.restore() } else { await source.run() } }
        } catch {
            entry.trouble = error
            // A Secret may come after the object that names it.
            if !error.isTerminal { entry.retryAt = clock.now + .seconds(30) }
        }
    }

    private func repository(_ entry: inout Entry) async throws(RepositoryTrouble) -> any RepositorySource {
        let spec = entry.spec
        var login: [String: [UInt8]] = [:]
        do {
            login = try await read(spec.secret, &entry)
            let secrets = RepositorySecrets(login: login, proxy: try await read(spec.proxySecret, &entry))
            if let repository = try await factory?(spec, secrets) { return repository }
        } catch let error as SourceProblem {
            throw RepositoryTrouble(error, isOwn: false)
        } catch {
            let names = login.mapValues { String(decoding: $0, as: UTF8.self) }
            let isForApp = !names.isEmpty && GitHubApp.isNamed(in: names) != (spec.provider == .github)
            throw RepositoryTrouble(
                .fetch, isForApp ? RepositoryTrouble.misprovided : "AuthenticationFailed", String(describing: error))
        }
        throw RepositoryTrouble(
            .fetch, "URLInvalid", "spec.url is \(spec.plainURL); it takes https://…, http://… and ssh://user@host/path", isTerminal: true)
    }

    private func rules(_ entry: inout Entry) async throws(RepositoryTrouble) -> SourceRules {
        do {
            return try SourceRules(entry.spec, keys: try await read(entry.spec.verification?.secret, &entry))
        } catch {
            throw RepositoryTrouble(.verification, "VerificationError", String(describing: error))
        }
    }

    func read(_ name: String?, _ entry: inout Entry) async throws -> [String: [UInt8]] {
        guard let name else { return [:] }
        let namespace = entry.spec.namespace
        guard let secret = try await api.get(Self.secretKind, namespace: namespace, name: name) else {
            throw ClusterError(
                .notFound, subject: "Secret/\(namespace)/\(name)", message: "it is named by the GitRepository and is not there")
        }
        entry.secrets[secret.key] = secret.resourceVersion
        var data: [String: [UInt8]] = [:]
        for member in secret.value["data"]?.object ?? Object() {
            data[member.key] = member.value.string.flatMap { Base64.decode($0) }
        }
        return data
    }

    static let secretKind = GroupVersionKind(group: "", version: "v1", kind: "Secret")

    private static func secrets(of spec: GitRepositorySpec) -> [ObjectKey: GroupVersionKind] {
        let names = [spec.secret, spec.proxySecret, spec.verification?.secret].compactMap { $0 }
        let keys = names.map { ObjectKey(group: "", kind: secretKind.kind, namespace: spec.namespace, name: $0) }
        return Dictionary(keys.map { ($0, secretKind) }) { $1 }
    }

    /// No unit has such a name.
    private static func follower(_ key: ObjectKey) -> Ownership { Ownership(namespace: key.namespace, name: "repository/\(key.name)") }

    /// Opens what could not be opened before, and anew what has another Secret now; gives when to try again.
    private func reopen() async -> Duration? {
        await rereadKeys()
        for (key, entry) in entries where entry.source !== own {
            let secrets = await namespaces.versions(of: Self.secrets(of: entry.spec)) ?? entry.secrets
            let isDue = entry.retryAt.map { $0 <= clock.now } ?? false
            guard isDue || secrets != entry.secrets else { continue }
            var changed = entry
            // What cannot be opened any more goes on as it was.
            await open(&changed, after: entry.source)
            changed.secrets = secrets
            let isNew = changed.source !== entry.source
            // The object may have been changed or removed meanwhile.
            guard let now = entries[key], now.spec == entry.spec, now.source === entry.source else {
                if isNew { changed.follower?.cancel() }
                continue
            }
            changed.object = now.object
            changed.handled = now.handled
            changed.request = isNew ? nil : now.request
            place(changed, at: key)
            takeRequest(of: key)
        }
        return entries.values.compactMap(\.retryAt).min()
    }

    /// After a push, every repository is looked at.
    private func hearPushes() {
        guard pushes.value != seenPushes else { return }
        seenPushes = pushes.value
        for entry in entries.values where entry.follower != nil { entry.source?.wake() }
    }

    // MARK: Inclusions

    /// Gives each source the sources it includes, as they are now, and lets it know when one of them changes.
    private func connectInclusions() {
        for (key, entry) in entries {
            guard let source = entry.source, source !== own, !entry.spec.inclusions.isEmpty else { continue }
            let inclusions = entry.spec.inclusions.map { inclusion in
                let included = entries[named(inclusion, key)]
                return SourceInclusion(
                    spec: inclusion, exists: included != nil, source: includes(inclusion, key, from: key, []) ? nil : included?.source)
            }
            for old in source.inclusions.value { old.source?.state.detach(source.bell) }
            for new in inclusions { new.source?.state.attach(source.bell) }
            source.inclusions.update { $0 = inclusions }
            source.wake()
        }
    }

    private func named(_ inclusion: GitRepositorySpec.Inclusion, _ key: ObjectKey) -> ObjectKey {
        ObjectKey(group: key.group, kind: key.kind, namespace: key.namespace, name: inclusion.repository)
    }

    /// Whether an inclusion leads back to `key`, which would have no end.
    private func includes(_ inclusion: GitRepositorySpec.Inclusion, _ key: ObjectKey, from: ObjectKey, _ seen: Set<ObjectKey>) -> Bool {
        let target = named(inclusion, from)
        if target == key || seen.contains(target) { return true }
        return entries[target]?.spec.inclusions.contains { includes($0, key, from: target, seen.union([target])) } ?? false
    }

    // MARK: Status

    /// The cluster was set back to an earlier state: its statuses are as they were then.
    func noteSetBack() {
        for key in entries.keys { entries[key]?.written = nil }
        bell.ring()
    }

    /// Shows how the repositories are, until cancelled.
    package func run() async {
        while !Task.isCancelled {
            hearPushes()
            await reconsider()
            var retryAt = await reopen()
            for key in entries.keys {
                // It may have been changed or asked for while another one's status was written.
                guard let entry = entries[key], !isLeftAlone(entry), entry.source?.state.value.isUndecided != true else { continue }
                let handled = answer(key, entry)
                let trouble = trouble(of: entry)
                let status = GitRepositoryStatus(
                    entry.object, entry.source, isMarked: entry.isMarked, trouble: trouble, note: entry.note, handled: handled,
                    now: clock.timestamp
                ).patch
                guard status != entry.written else { continue }
                // What the agent before this one has written is no news.
                let before = entry.told ?? Told(entry.object.value)
                do {
                    _ = try await api.mergePatch(
                        FluxKinds.gitRepository, namespace: key.namespace, name: key.name, patch: status, subresource: "status")
                    entries[key]?.written = status
                    tell(key, status, before, isWarning: trouble?.isWait == false)
                } catch {
                    retryAt = min(retryAt ?? .seconds(Int64.max), clock.now + .seconds(5))
                }
            }
            await bell.wait(until: retryAt, clock: clock)
        }
        pushes.detach(bell)
        made.detach(bell)
        own.signing.detach(bell)
        own.state.detach(bell)
        own.answered.detach(bell)
        for entry in entries.values { entry.follower?.cancel() }
        for key in entries.keys { await namespaces.leave(Self.follower(key)) }
    }

    /// What fetching meets now comes before what the object says.
    private func trouble(of entry: Entry) -> RepositoryTrouble? {
        entry.source?.state.value.problem.map { RepositoryTrouble($0, isOwn: entry.source === own) } ?? entry.trouble
    }

    /// Notes that a request was answered; gives the last that was.
    private func answer(_ key: ObjectKey, _ entry: Entry) -> String {
        guard let request = entry.request, let source = entry.source, source.answered.value >= request.count else { return entry.handled }
        entries[key]?.handled = request.mark
        entries[key]?.request = nil
        return request.mark
    }

    /// An event for a new revision, and for what keeps one from coming, in Flux' words.
    private func tell(_ key: ObjectKey, _ status: Value, _ before: Told, isWarning: Bool) {
        guard let entry = entries[key] else { return }
        let now = Told(status)
        entries[key]?.told = now
        // A revision that comes while the status still tells of trouble is news when it does not any more.
        if now.ready?.status != "True" { entries[key]?.told?.revision = before.revision }
        guard let ready = now.ready, ready.status != "Unknown" else { return }
        var event = EventRecorder.Event(
            ready.reason, ready.message, object: key, apiVersion: FluxKinds.gitRepository.apiVersion, uid: entry.object.uid,
            isWarning: isWarning)
        event.revision = now.revision
        if ready.status == "True", now.revision != before.revision {
            event.reason = "NewArtifact"
            event.message = "stored artifact for commit '\(entry.source?.state.value.commit?.summary ?? "")'"
        } else if ready.status == before.ready?.status, ready.message == before.ready?.message {
            return
        } else if ready.status == "True", before.ready?.status != "False" {
            return
        }
        events?.record(event)
    }
}
