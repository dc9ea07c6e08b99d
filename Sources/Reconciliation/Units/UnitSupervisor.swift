import Diagnostics
import KubernetesClient
import KubernetesModel

/// Runs the agent's own unit, and one unit for each Kustomization in the cluster, whoever made it.
package actor UnitSupervisor {
    private struct Running {
        var unit: UnitReconciler
        var object: KustomizationObject
        var source: KustomizationSpec.SourceReference?
        var task: Task<Void, Never>
    }

    /// How the agent's own repository is named in the cluster.
    package struct OwnSource: Sendable {
        package var source: GitSource
        /// The URL that its GitRepository shows.
        package var url: String
        package var branch: String

        package init(source: GitSource, url: String, branch: String) {
            self.source = source
            self.url = url
            self.branch = branch
        }
    }

    private let context: UnitContext
    private let rootSpec: UnitSpec
    private let root: UnitReconciler
    /// Of the agent's own unit.
    private let record: InventoryStore
    private let own: OwnSource
    private let sources: SourceRegistry
    /// nil where no agent hears them.
    private let receivers: ReceiverRegistry?
    private var rootObject: KustomizationObject?
    private var running: [Ownership: Running] = [:]
    /// Units that nobody knows yet how to keep (see `UnitContext.flux`), and those that are left alone.
    private var waiting: [Ownership: Manifest] = [:]
    /// One change at a time is taken, or a unit that is being started would miss what all are told meanwhile.
    private let turn = InFlightLimit(1)
    /// Tasks of units that were stopped; a successor starts when its predecessor has ended.
    private var ending: [Ownership: Task<Void, Never>] = [:]

    package init(
        root spec: UnitSpec, context: UnitContext, own: OwnSource, factory: RepositoryFactory? = nil,
        pushes: Shared<Int> = Shared(0), answersWebhooks: Bool = false
    ) {
        self.context = context
        self.own = own
        rootSpec = spec
        receivers = answersWebhooks ? ReceiverRegistry(api: context.api, clock: context.clock, namespaces: context.namespaces) : nil
        let bell = Bell()
        let store = InventoryStore(api: context.api, clock: context.clock, unit: spec.records, bell: bell)
        record = store
        root = UnitReconciler(spec: spec, context: context, source: own.source, record: store, bell: bell)
        sources = SourceRegistry(
            own: own.source, urls: [own.url, own.source.repository.url], api: context.api, clock: context.clock,
            namespaces: context.namespaces, factory: factory, pushes: pushes, events: context.events, made: store.repositories,
            root: spec.owner)
    }

    /// Runs until cancelled; then every unit stops at its next request, and none is waited for by another.
    package func run() async {
        await withTaskCancellationHandler {
            await serveUnits()
        } onCancel: {
            Task { await self.cancelUnits() }
        }
        // With those that have begun meanwhile.
        cancelUnits()
        for task in running.values.map(\.task) + Array(ending.values) { await task.value }
    }

    private func cancelUnits() {
        for task in running.values.map(\.task) + Array(ending.values) { task.cancel() }
    }

    private func serveUnits() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.context.live.run() }
            group.addTask {
                await self.rootMayBegin.wait()
                await self.root.run()
            }
            group.addTask { await self.sources.run() }
            group.addTask { await self.serve() }
            await group.waitForAll()
        }
    }

    /// Installs what is missing and follows the objects; begins anew when a definition goes away.
    private func serve() async {
        let flux = FluxAPI(api: context.api, clock: context.clock)
        var backoff = Backoff(first: .milliseconds(500), limit: .seconds(30))
        var hasRecord = false
        while !Task.isCancelled {
            do {
                // It tells the agent's own GitRepositories from those that others call so.
                if !hasRecord {
                    // The status of the agent's own unit says that the record is damaged; the others, and the nodes, go on without.
                    do { try await record.load() } catch is Diagnostic {}
                }
                hasRecord = true
                try await lookAtRepositories()
                rootMayBegin.ring()
                try await flux.ensure()
                try await flux.makeRoot(rootSpec, url: own.url, branch: own.branch)
                backoff.reset()
                await follow()
            } catch {
                context.monitor.update { $0.fluxProblem = String(describing: error) }
                // It says what is wrong.
                rootMayBegin.ring()
            }
            try? await context.clock.sleep(for: backoff.failed())
        }
    }

    private func follow() async {
        context.monitor.update { $0.fluxProblem = "" }
        let (api, clock) = (context.api, context.clock)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await ObjectFollower(api: api, clock: clock, kind: FluxKinds.gitRepository, namespace: "", labelSelector: nil)
                    .run {
                        await self.takeRepository($0)
                    } onSetBack: {
                        await self.sources.noteSetBack()
                    }
            }
            group.addTask {
                // The repositories first, or every unit would begin without one.
                await self.repositoriesKnown.wait()
                await ObjectFollower(api: api, clock: clock, kind: FluxKinds.kustomization, namespace: "", labelSelector: nil)
                    .run { change in
                        await self.takeInTurn(change)
                    } onSetBack: {
                        await self.noteSetBack()
                    }
            }
            group.addTask {
                while !Task.isCancelled {
                    await self.assignSources()
                    await self.sources.changed.wait()
                }
            }
            group.addTask { await self.heedFlux() }
            if let receivers { group.addTask { await receivers.run() } }
            // One that ends has lost its definition.
            await group.next()
            group.cancelAll()
        }
    }

    // MARK: Repositories

    private var repositories: Set<ObjectKey> = []
    private nonisolated let repositoriesKnown = Bell()
    private nonisolated let rootMayBegin = Bell()

    /// They say whose commits of the agent's own repository count: nothing of it is applied before they have been seen, where there are any.
    private func lookAtRepositories() async throws {
        do {
            let list = try await context.api.list(FluxKinds.gitRepository, namespace: "", labelSelector: nil)
            await takeRepository(.all(list.items))
        } catch let error as ClusterError where error.kind == .unknownKind {
            await sources.noteListed()
        }
    }

    private func takeRepository(_ change: ObjectFollower.Change) async {
        switch change {
        case .all(let list):
            for key in repositories.subtracting(list.map(\.key)) { await sources.remove(key) }
            repositories = Set(list.map(\.key))
            for object in list { await sources.take(object) }
            await sources.noteListed()
            repositoriesKnown.ring()
        case .present(let object):
            repositories.insert(object.key)
            await sources.take(object)
        case .gone(let object):
            repositories.remove(object.key)
            await sources.remove(object.key)
        case .failed: break
        }
    }

    private func assignSources() async {
        await turn.take {
            for entry in running.values { await entry.unit.use(await sources.source(for: entry.source)) }
        }
    }

    // MARK: Kustomizations

    private func takeInTurn(_ change: ObjectFollower.Change) async { await turn.take { await takeKustomization(change) } }

    private func takeKustomization(_ change: ObjectFollower.Change) async {
        switch change {
        case .all(let list):
            let present = Set(list.compactMap(\.key.unit))
            waiting = waiting.filter { present.contains($0.key) }
            forgetLeft { present.contains($0) }
            for unit in running.keys where !present.contains(unit) { await stop(unit) }
            context.board.expect(present)
            for object in list { await take(object) }
        case .present(let object): await take(object)
        case .gone(let object):
            guard let unit = object.key.unit else { return }
            waiting[unit] = nil
            forgetLeft { $0 != unit }
            await stop(unit)
        case .failed: break
        }
    }

    private func noteSetBack() async {
        await context.status.noteSetBack()
        await rootObject?.noteSetBack()
        for entry in running.values { await entry.object.noteSetBack() }
    }

    private func forgetLeft(but isKept: @Sendable (Ownership) -> Bool) {
        guard context.leftUnits.value.keys.contains(where: { !isKept($0) }) else { return }
        context.leftUnits.update { $0 = $0.filter { isKept($0.key) } }
    }

    private func take(_ manifest: Manifest) async {
        guard let owner = manifest.key.unit else { return }
        context.board.changed(owner)
        if owner == rootSpec.owner { return await takeRoot(manifest) }
        if let reason = context.flux.value?.reasonToLeave(manifest) { return await leaveAlone(owner, manifest, reason) }
        if context.leftUnits.value[owner] != nil { context.leftUnits.update { $0[owner] = nil } }
        // Most of what is seen are the agent's own statuses.
        if let known = running[owner], known.object.uid == manifest.uid, await !known.object.take(manifest) { return }
        guard context.flux.value != nil else {
            waiting[owner] = manifest
            return
        }
        var spec = UnitSpec(of: manifest)
        let source = await sources.source(for: spec.source)
        spec.flux = context.flux.value ?? FluxSettings()
        let namesOwn = if let reference = spec.source { await sources.namesOwn(reference) } else { false }
        if spec.path == rootSpec.path, source === own.source || namesOwn || manifest.namespace == "flux-system" {
            spec.obstacles.append("it covers the directory of \(rootSpec.owner), which the agent keeps itself; delete this Kustomization")
        }
        if let known = running[owner], known.object.uid == manifest.uid {
            running[owner]?.source = spec.source
            return await known.unit.take(spec, known.object, source)
        }
        if running[owner] != nil { await stop(owner) }
        start(spec, manifest, source)
    }

    /// It may be another's: nothing of it is touched, and nothing that it has applied.
    private func leaveAlone(_ owner: Ownership, _ manifest: Manifest, _ reason: String) async {
        waiting[owner] = manifest
        if running[owner] != nil { await stop(owner) } else { context.board.remove(owner) }
        guard context.leftUnits.value[owner] != reason else { return }
        context.leftUnits.update { $0[owner] = reason }
        // Nobody waits for its health.
        if let parent = Ownership(of: manifest) { context.board.ring(parent) }
    }

    /// Keeps all units as Flux was told to, from when that is known on.
    private func heedFlux() async {
        let bell = Bell()
        context.flux.attach(bell)
        defer { context.flux.detach(bell) }
        while !Task.isCancelled {
            if let flux = context.flux.value { await turn.take { await keepAll(flux) } }
            await bell.wait()
        }
    }

    private func keepAll(_ flux: FluxSettings) async {
        let new = waiting.values
        waiting = [:]
        for object in new { await take(object) }
        for entry in running.values { await entry.unit.heed(flux) }
        if flux.leavesUnits { for entry in running.values { await take(Manifest(await entry.object.value)) } }
    }

    private func takeRoot(_ manifest: Manifest) async {
        let object: KustomizationObject
        if let known = rootObject, known.uid == manifest.uid {
            object = known
            guard await object.take(manifest) else { return }
        } else {
            object = KustomizationObject(manifest, api: context.api, clock: context.clock)
            rootObject = object
        }
        // The agent keeps its unit with or without the object.
        if manifest.isBeingDeleted { try? await object.release() }
        if await object.isRequested { own.source.wake() }
        await root.take(UnitSpec(of: manifest), object, own.source)
    }

    private func start(_ spec: UnitSpec, _ manifest: Manifest, _ source: GitSource?) {
        let object = KustomizationObject(manifest, api: context.api, clock: context.clock)
        let unit = UnitReconciler(spec: spec, context: context, source: source, record: object, object: object, bell: Bell())
        let predecessor = ending.removeValue(forKey: spec.owner)
        let task = Task { await unit.run(after: predecessor) }
        running[spec.owner] = Running(unit: unit, object: object, source: spec.source, task: task)
    }

    private func stop(_ owner: Ownership) async {
        guard let entry = running.removeValue(forKey: owner) else { return }
        await entry.unit.stop()
        entry.task.cancel()
        ending[owner] = entry.task
        context.monitor.update { $0.units[owner] = nil }
    }
}
