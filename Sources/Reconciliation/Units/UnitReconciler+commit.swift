import Diagnostics
import Git
import KubernetesModel
import SyncPlanning
import YAML

extension UnitReconciler {
    /// Builds the newest commit when it is new. A commit that cannot be built, or that rewrites history, changes nothing: the last good
    /// one stays. Gives whether there is something to enforce.
    func adoptNewestCommit() async throws -> Bool {
        guard let source else { return enforced?.tree != nil }
        if isRoot { source.take(acceptance: await store.annotation(InventoryStore.acceptHistory), of: ObjectKey(unit: spec.owner)) }
        let state = source.state.value
        if mustAwaitParent() {
            held = nil
            sourceProblem = nil
            if let newest = state.commit { await cancelHealthCheck(for: newest.id) }
        } else if let newest = state.commit {
            let hasMoved = await haveOthersMoved()
            // What the agent's own Kustomization says may say more of itself.
            for round in 1...4 {
                let materials = try await materials(at: newest.id)
                do throws(SourceProblem) {
                    if newest.id != attempted || attemptedKey != spec.buildKey || attemptedGeneration != spec.generation
                        || materials != attemptedMaterials || state.included.map(\.id) != attemptedInclusions
                        || state.ignore != attemptedIgnore || hasMoved
                    {
                        try await requireDescent(of: newest, source)
                        if try await build(newest, source, materials, isLast: round == 4) == .again { continue }
                    }
                    held = nil
                    sourceProblem = nil
                } catch {
                    if source === self.source { hold(newest, error) }
                }
                break
            }
        }
        if try await reachCluster() { return false }
        try await instructWatches()
        try await adoptPending()
        // Until it is known whose commits count, the newest may well be the one that is being applied.
        if enforced == nil, pending == nil, !source.state.value.isUndecided { await buildLastGood() }
        try await placeTree()
        return enforced?.tree != nil
    }

    /// Whether the build has to be done again though nothing has changed here: what it asked of another host failed, or a branch that it
    /// follows there has moved. Looked at once in the unit's interval.
    private func haveOthersMoved() async -> Bool {
        guard let due = rebuildAt, due <= clock.now else { return false }
        rebuildAt = clock.now + spec.retryLimit
        if !buildErrors.isEmpty { return true }
        guard let followed = (pending ?? enforced)?.followed, !followed.isEmpty else { return false }
        do {
            return try await !context.manifests.isCurrent(followed)
        } catch {
            events.record(unitEvent("RemoteBaseUnreachable", "what was built last stays: \(error)", isWarning: true))
            return false
        }
    }

    /// A built commit waits until everything the unit depends on is ready; meanwhile the one before it is enforced.
    private func adoptPending() async throws {
        let waiting = pending?.commit.id ?? (lacksMaterials ? attempted : nil)
        let verdicts = waiting == nil ? [:] : try await readyVerdicts()
        let before = dependencyProblem
        dependencyProblem = waiting.flatMap { board.obstacle(for: spec.owner, at: $0, verdicts: verdicts) }
        // Only a commit that the next pass builds again.
        let isNewest = waiting == source?.state.value.commit?.id && held == nil && awaitedParent == nil
        if !spec.dependsOn.isEmpty, dependencyProblem == nil, lacksMaterials, before != nil || hasUntoldBuildErrors, isNewest, let waiting {
            // What the dependencies have made, perhaps a moment ago, is looked for before it is missed.
            knownMaterials = nil
            if try await materials(at: waiting).missing.isEmpty {
                dependencyProblem = before ?? "what the dependencies have made is read"
                return bell.ring()
            }
        }
        if dependencyProblem == nil {
            if hasUntoldBuildErrors, let error = buildErrors.first {
                let reason = lacksDirectory ? "ArtifactFailed" : "BuildFailed"
                events.record(unitEvent(reason, "\(attempted?.hex.prefix(12) ?? ""): \(error)", isWarning: true))
            }
            hasUntoldBuildErrors = false
        }
        guard let next = pending, dependencyProblem == nil else { return }
        if enforced?.commit.id != next.commit.id || enforced?.buildKey != next.buildKey {
            beginRevision(next.commit)
        } else {
            // Other variables, or another base, make other objects of the same commit.
            healthDeadline = clock.now + spec.healthTimeout
        }
        enforced = next
        pending = nil
        hasNewSource = false
    }

    /// Whether a commit cannot be built for want of what the unit names in its spec, which may be its dependencies' to make.
    private var lacksMaterials: Bool { !buildErrors.isEmpty && attemptedMaterials?.missing.isEmpty == false }

    /// Leaves a commit aside for now: it cannot be read, or nobody has accepted it. It is tried again with every pass.
    private func hold(_ commit: CommitInfo, _ reason: SourceProblem) {
        let isNews = held != commit.id || sourceProblem != reason
        (held, sourceProblem) = (commit.id, reason)
        if isNews, let heldMessage { events.record(unitEvent(reason.kind.rawValue, heldMessage, isWarning: true, at: commit.id)) }
        board.passOver(spec.owner, commit.id)
    }

    /// Which commit is left aside, why, and what ends that.
    var heldMessage: String? {
        guard let held, let problem = sourceProblem else { return nil }
        return "commit \(held.hex.prefix(12)) is held: \(problem.message); \(isRoot ? problem.remedy : problem.remedyOfObject)"
    }

    /// A commit must follow from what was applied, unless a person has accepted that it does not.
    private func requireDescent(of commit: CommitInfo, _ source: GitSource) async throws(SourceProblem) {
        guard source.followsBranch, !hasNewSource, let base = enforced?.commit.id ?? applied, base != commit.id else { return }
        if source.state.value.accepts(commit.id, in: repositoryKey) { return }
        if let accepted = await store.annotation(InventoryStore.acceptHistory), commit.id.isMeant(by: accepted) { return }
        if try await source.trees.isAncestor(base, of: commit.id) { return }
        let words = "--overwrite \(InventoryStore.acceptHistory)=\(commit.id.hex.prefix(12))"
        let repository = "gitrepository -n \(repositoryKey.namespace) \(repositoryKey.name)"
        let alone = isRoot ? "" : " (for this unit alone: kubectl annotate \(store.place) \(words))"
        throw SourceProblem(
            .rewritten,
            "it does not contain the applied commit \(base.hex.prefix(12)); to accept that for all units of the repository: "
                + "kubectl annotate \(isRoot ? store.place : repository) \(words)\(alone)")
    }

    /// The GitRepository that the unit is built from; the one that stands for the agent's own repository is called as its unit.
    var repositoryKey: ObjectKey {
        let name = spec.source.map { ($0.namespace, $0.name) } ?? (spec.owner.namespace, spec.owner.name)
        return ObjectKey(group: FluxKinds.gitRepository.group, kind: FluxKinds.gitRepository.kind, namespace: name.0, name: name.1)
    }

    private enum BuildOutcome { case done, again }

    /// - Parameter isLast: whatever the agent's own Kustomization says now is left for the next commit.
    /// - Returns: `again` when that Kustomization says otherwise than was built.
    private func build(
        _ commit: CommitInfo, _ source: GitSource, _ materials: BuildMaterials, isLast: Bool
    ) async throws(SourceProblem) -> BuildOutcome {
        let ignore = source.state.value.ignore
        let files = try await source.trees.files(of: commit.id)
        // Whoever gives the unit another source has it looked at anew.
        guard source === self.source else { return .done }
        if isRoot, !knowsOwn {
            knowsOwn = true
            if heedOwn(in: files) { return beginAgain() }
        }
        let generation = spec.generation
        attempted = commit.id
        attemptedKey = spec.buildKey
        attemptedGeneration = generation
        attemptedMaterials = materials
        attemptedInclusions = source.state.value.included.map(\.id)
        attemptedIgnore = ignore
        attemptStart = clock.now
        lacksDirectory = !files.hasDirectory(spec.path)
        rebuildAt = nil
        await cancelHealthCheck(for: commit.id)
        guard source === self.source else { return .done }
        let before = (pending ?? enforced)?.manifests
        if var current = pending ?? enforced, current.followed.isEmpty, current.buildKey == spec.buildKey, current.materials == materials,
            current.fingerprint == files.fingerprint(of: current.inputs)
        {
            // Nothing that the unit is built from has changed.
            current.commit = commit
            buildErrors = []
            pending = current
            await announce(current, generation: generation, since: before)
            return .done
        }
        do {
            let built = try await built(commit, files, readBy: ignore, materials)
            guard source === self.source else { return .done }
            if isRoot, !isLast, heed(own: built.own) { return beginAgain() }
            pending = built
            buildErrors = []
            if !built.followed.isEmpty { rebuildAt = clock.now + spec.retryLimit }
            await announce(built, generation: generation, since: before)
        } catch {
            guard source === self.source else { return .done }
            if isRoot, !isLast, heedOwn(in: files) { return beginAgain() }
            var found = Diagnostics()
            found.append(error, subject: "commit \(commit.id.hex.prefix(12))")
            buildErrors = found.sorted
            pending = nil
            if context.manifests.asksOthers { rebuildAt = clock.now + spec.retryLimit }
            board.built(spec.owner, commit.id, generation: generation, claims: nil)
            hasUntoldBuildErrors = true
        }
        return .done
    }

    /// What has changed may be nothing that a build shows, and the commit is not adopted yet.
    private func beginAgain() -> BuildOutcome {
        attempted = nil
        return .again
    }

    private func heedOwn(in files: GitFileTree) -> Bool {
        do { return heed(own: try FluxComponents.own(in: files, at: spec.path)) } catch { return false }
    }

    /// Builds and applies as the Kustomization in the repository says that stands for the agent's own unit.
    /// - Returns: whether that is otherwise than before.
    private func heed(own: Manifest?) -> Bool {
        var next = spec
        next.take(own: own, otherwise: given.wrappedValue ?? spec)
        guard next != spec else { return false }
        spec = next
        knownMaterials = nil
        return true
    }

    /// The manifests of a commit, as the unit lays its own things over them.
    /// - Parameters:
    ///   - ignore: the rules of the agent's own repository by which the files were read.
    ///   - isLast: they have been read anew by the rules that they bring along.
    private func built(
        _ commit: CommitInfo, _ files: GitFileTree, readBy ignore: String?, _ materials: BuildMaterials, isLast: Bool = false
    ) async throws(Diagnostics) -> Enforced {
        let decryption = try materials.decryption
        // Of what is built now: the spec may be another afterwards.
        let (key, always) = (spec.buildKey, spec.variables.always)
        let built = try await context.manifests.build(files, at: spec.path, overlay: spec.overlay, decryption: decryption)
        // Another cluster may well have Flux of its own.
        let ours = spec.kubeconfig == nil ? components(built.manifests) : nil
        if isRoot, !isLast, let source {
            let signing = ours?.signing
            if source.signing.value != signing { source.signing.update { $0 = signing } }
            let wanted = ours?.repository?.ignore
            await source.heed(ignore: wanted)
            if wanted != ignore, let others = try? await source.trees.files(of: commit.id) {
                attemptedIgnore = wanted
                return try await self.built(commit, others, readBy: wanted, materials, isLast: true)
            }
        }
        leftOut = ours?.leftOut ?? []
        lostFlags = ours?.lostFlags ?? []
        if isRoot, let settings = ours?.settings, settings != context.flux.value { context.flux.update { $0 = settings } }
        let manifests = try materials.put(
            into: ours?.manifests ?? built.manifests, always: always, secrecy: built.secrecy)
        var result = Enforced(commit: commit, manifests: manifests.map { PackedManifest($0) })
        result.inputs = built.inputs
        result.fingerprint = files.fingerprint(of: built.inputs)
        result.buildKey = attemptedKey == key ? attemptedKey : key
        result.materials = materials
        result.followed = built.followed
        result.secrecy = built.secrecy.adding(materials.secrets)
        result.keyNote = decryption.note
        result.own = ours?.own
        return result
    }

    private func components(_ manifests: [Manifest]) -> FluxComponents {
        guard !isRoot else { return FluxComponents(manifests, path: spec.path) }
        return FluxComponents(manifests, of: spec, from: source.map { FollowedRepository($0) })
    }

    /// A text that the unit tells, without what its builds are not to tell.
    func masked(_ text: String) -> String {
        [pending, enforced, lastGood].reduce(text) { text, build in build?.secrecy.masked(text) ?? text }
    }

    /// Tells the other units what this one wants, with the places it is written at, and which units it makes or gives up.
    private func announce(_ built: Enforced, generation: Int64, since before: [PackedManifest]?) async {
        if spec.kubeconfig == nil {
            let wanted = Set(built.manifests.compactMap(\.key.unit))
            let leaving = Set(await store.inventory.keys.compactMap(\.unit)).subtracting(wanted)
            let redefined = await redefinitions(in: built, since: before)
            board.setChildren(of: spec.owner, wanted: wanted, leaving: leaving, redefined: redefined)
        }
        board.built(spec.owner, built.commit.id, generation: generation, claims: built.manifests)
    }

    /// After a restart on a broken commit: what was applied last is enforced on.
    func buildLastGood() async {
        guard let source, let applied, applied != attempted else { return }
        let ignore = source.state.value.ignore
        guard let commit = try? await source.repository.info(of: applied),
            let files = try? await source.trees.files(of: applied), let materials = try? await materials(at: applied)
        else { return }
        enforced = try? await built(commit, files, readBy: ignore, materials)
    }

    /// Says what becomes of a wait that was shown, and is over without a result. Whoever follows the status sees it before what is said of
    /// the newer commit, as with Flux; where it cannot be written, that one is written all the same.
    private func cancelHealthCheck(for new: ObjectID) async {
        guard isAwaitingHealth, lastPhase == .progressing, let old = enforced?.commit.id, old != new else { return }
        isAwaitingHealth = false
        let repository = "GitRepository/\(repositoryKey.namespace)/\(repositoryKey.name)"
        let message = "the health check of commit \(old.hex.prefix(12)) is given up for commit \(new.hex.prefix(12)) of \(repository)"
        events.record(unitEvent(KustomizationStatus.healthCheckCanceled, message, at: old))
        guard let object else { return }
        let generation = begunWith.generation
        _ = try? await object.show(of: generation) { [now = clock.timestamp] status in
            status.cancelHealthCheck(message, generation: generation, now: now)
        }
    }

    private func beginRevision(_ commit: CommitInfo) {
        healthDeadline = clock.now + spec.healthTimeout
        // A revision that was through before a restart holds nothing up; of any other it is not known which objects it changed.
        let wasSettled = enforced == nil && applied == commit.id && (lastPhase == .ready || lastPhase == .unhealthy)
        if enforced == nil, !wasSettled { isResuming = true }
    }

    /// Makes the desired tree of the manifests as soon as the scopes of their kinds are known, and again when an unknown kind may have come.
    func placeTree() async throws {
        guard var current = enforced else { return }
        let losses = await live.losses(of: current.resources.map(\.kind.groupKind))
        guard current.tree == nil || !current.unknownKinds.isEmpty || losses != seenLosses else {
            return try await follow(current.resources)
        }
        let kinds = Set(current.manifests.map(\.kind))
        let resources = try await live.resources(for: kinds)
        let unknown = kinds.subtracting(resources.keys)
        if current.tree != nil, unknown == current.unknownKinds { return try await follow(current.resources) }
        do {
            let tree = try DesiredTree(
                current.manifests, owner: spec.owner,
                scopes: Dictionary(resources.map { ($0.key.groupKind, $0.value.isNamespaced) }) { $1 },
                ignored: try IgnoredFields(current.buildKey?.ignoreRules ?? []).pointers, secrecy: current.secrecy,
                holds: { [flux = context.flux.value] in flux?.reasonToLeave($0) == nil })
            hasNewTree = true
            if kinds.contains(where: { $0.kind == "PersistentVolumeClaim" || $0.kind == "StatefulSet" }) {
                try await live.learnStorageClasses()
            }
            if current.manifests.contains(where: \.isLoadBalancer) { try await live.learnLoadBalancers() }
            if isResuming {
                // Nobody waits for what is left to others.
                unsettled = Set(tree.objects.filter { $0.marks.isDisjoint(with: [.ignored, .reconcileDisabled]) }.map(\.key))
                isResuming = false
            }
            current.tree = tree
            current.unknownKinds = unknown
            current.resources = Array(resources.values)
            seenLosses = await live.losses(of: resources.keys.map(\.groupKind))
            enforced = current
            noteAsGood()
        } catch let errors as Diagnostics {
            // Like a commit that cannot be built.
            buildErrors = errors.sorted
            if current.commit.id == attempted, let attemptedGeneration {
                board.built(spec.owner, current.commit.id, generation: attemptedGeneration, claims: nil)
            }
            events.record(unitEvent("BuildFailed", buildErrors.first?.description ?? "", isWarning: true))
            returnToLastGood()
            if enforced == nil, current.commit.id == attempted { await buildLastGood() }
        }
        try await follow(enforced?.resources ?? [])
    }

    /// One kind that cannot be seen keeps no object of another from being applied.
    private func follow(_ resources: [APIResource]) async throws {
        unseenKinds = try await live.follow(resources).mapValues(\.message)
    }

    /// - Parameter commit: what the event is about, if it is not the commit that was built last.
    func unitEvent(
        _ reason: String, _ message: String, isWarning: Bool = false, at commit: ObjectID? = nil
    ) -> EventRecorder.Event {
        let message = masked(message)
        // Before its own object is made, the agent's unit has only the ConfigMap of its status.
        guard isRoot, object == nil else {
            var event = EventRecorder.Event(
                reason, message, object: ObjectKey(unit: spec.owner), apiVersion: FluxKinds.kustomization.apiVersion,
                uid: object?.uid ?? "", isWarning: isWarning)
            event.revision = (commit ?? attempted ?? applied).map { revision(of: $0) } ?? ""
            return event
        }
        return EventRecorder.Event(
            reason, message,
            object: ObjectKey(
                group: "", kind: "ConfigMap", namespace: HomelabNamespace.name, name: StatusReport.configMapName(of: spec.records)),
            apiVersion: "v1", isWarning: isWarning)
    }

    /// As Flux names it.
    func revision(of commit: ObjectID) -> String {
        source?.revision(of: commit.hex) ?? KustomizationStatus.revision(of: "main", at: commit.hex)
    }
}

extension PackedManifest {
    fileprivate var isLoadBalancer: Bool {
        key.kind == "Service" && key.group.isEmpty && manifest.value[path: "spec", "type"]?.string == "LoadBalancer"
    }
}
