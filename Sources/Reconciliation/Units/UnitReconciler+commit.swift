import Diagnostics
import Git
import KubernetesModel
import SyncPlanning

extension UnitReconciler {
    /// Builds the newest commit when it is new. A commit that cannot be built, or that rewrites history, changes nothing: the last good
    /// one stays. Gives whether there is something to enforce.
    func adoptNewestCommit() async throws -> Bool {
        if let newest = source.state.value.commit, newest.id != attempted {
            do throws(SourceProblem) {
                try await requireDescent(of: newest)
                try await build(newest)
                held = nil
                sourceProblem = nil
            } catch {
                hold(newest, error)
            }
        }
        if enforced == nil { await buildLastGood() }
        try await placeTree()
        return enforced?.tree != nil
    }

    /// Leaves a commit aside for now: it cannot be read, or nobody has accepted it. It is tried again with every pass.
    private func hold(_ commit: CommitInfo, _ reason: SourceProblem) {
        if held != commit.id || sourceProblem != reason {
            events.record(unitEvent(reason.kind.rawValue, reason.message, isWarning: true))
        }
        held = commit.id
        sourceProblem = reason
    }

    /// A commit must follow from what was applied, unless a person has accepted that it does not.
    private func requireDescent(of commit: CommitInfo) async throws(SourceProblem) {
        guard let base = enforced?.commit.id ?? applied, base != commit.id else { return }
        if let accepted = await store.annotation(InventoryStore.acceptHistory), accepted.count >= 7, commit.id.hex.hasPrefix(accepted) {
            return
        }
        if try await source.repository.isAncestor(base, of: commit.id) { return }
        throw SourceProblem(
            .rewritten,
            "the branch is at \(commit.id.hex.prefix(12)), which does not contain the applied commit \(base.hex.prefix(12)); to accept it: "
                + "kubectl annotate configmap -n \(HomelabNamespace.name) homelab-inventory-\(spec.name) --overwrite "
                + "\(InventoryStore.acceptHistory)=\(commit.id.hex.prefix(12))")
    }

    private func build(_ commit: CommitInfo) async throws(SourceProblem) {
        let tree = try await source.repository.tree(of: commit.id, under: [])
        attempted = commit.id
        do {
            let built = try await manifests.manifests(of: tree, at: spec.path)
            if enforced?.commit.id != commit.id { beginRevision(commit) }
            enforced = Enforced(commit: commit, manifests: built, tree: nil)
            buildErrors = []
        } catch {
            var found = Diagnostics()
            found.append(error, subject: "commit \(commit.id.hex.prefix(12))")
            buildErrors = found.sorted
            let first = buildErrors.first?.description ?? ""
            events.record(unitEvent("BuildFailed", "\(commit.id.hex.prefix(12)): \(first)", isWarning: true))
        }
    }

    /// After a restart on a broken commit: what was applied last is enforced on.
    private func buildLastGood() async {
        guard let applied, applied != attempted, let commit = try? await source.repository.info(of: applied),
            let tree = try? await source.repository.tree(of: applied, under: []),
            let built = try? await manifests.manifests(of: tree, at: spec.path)
        else { return }
        enforced = Enforced(commit: commit, manifests: built, tree: nil)
    }

    private func beginRevision(_ commit: CommitInfo) {
        healthDeadline = clock.now + spec.healthTimeout
        // A revision that was through before a restart holds nothing up; of any other it is not known which objects it changed.
        let wasSettled = enforced == nil && applied == commit.id && (lastPhase == .ready || lastPhase == .unhealthy)
        if enforced == nil, !wasSettled { isResuming = true }
    }

    /// Makes the desired tree of the manifests as soon as the scopes of their kinds are known, and again when an unknown kind may have come.
    private func placeTree() async throws {
        let lost = await live.takeLostKinds()
        guard var current = enforced else { return }
        guard current.tree == nil || !current.unknownKinds.isEmpty || !lost.isEmpty else {
            return try await live.prepare(current.resources)
        }
        let kinds = Set(current.manifests.map(\.groupVersionKind))
        let resources = try await live.resources(for: kinds)
        let unknown = Set(kinds.map(\.groupKind)).subtracting(resources.keys)
        if current.tree != nil, unknown == current.unknownKinds { return try await live.prepare(current.resources) }
        do {
            let tree = try DesiredTree(current.manifests, owner: spec.owner, scopes: resources.mapValues(\.isNamespaced))
            await live.setDesired(tree.objects)
            if kinds.contains(where: { $0.kind == "PersistentVolumeClaim" || $0.kind == "StatefulSet" }) {
                try await live.learnStorageClasses()
            }
            if isResuming {
                unsettled = Set(tree.objects.map(\.key))
                isResuming = false
            }
            current.tree = tree
            current.unknownKinds = unknown
            current.resources = Array(resources.values)
            enforced = current
            lastGood = current
        } catch let errors as Diagnostics {
            // Like a commit that cannot be built.
            buildErrors = errors.sorted
            events.record(unitEvent("BuildFailed", buildErrors.first?.description ?? "", isWarning: true))
            enforced = lastGood
            if enforced == nil, current.commit.id == attempted { await buildLastGood() }
        }
        try await live.prepare(enforced?.resources ?? [])
    }

    func unitEvent(_ reason: String, _ message: String, isWarning: Bool = false) -> EventRecorder.Event {
        EventRecorder.Event(
            reason, message,
            object: ObjectKey(
                group: "", kind: "ConfigMap", namespace: HomelabNamespace.name, name: StatusReport.configMapName(of: spec.name)),
            apiVersion: "v1", isWarning: isWarning)
    }
}
