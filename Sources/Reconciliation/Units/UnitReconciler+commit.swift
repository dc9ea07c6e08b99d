import Diagnostics
import Git
import KubernetesModel
import SyncPlanning

extension UnitReconciler {
    /// Builds the newest commit when it is new. A commit that cannot be built, or that rewrites history, changes nothing: the last good
    /// one stays. Gives whether there is something to enforce.
    func adoptNewestCommit() async throws -> Bool {
        if let newest = source.state.value.commit, newest.id != attempted || isHeld {
            if try await isAcceptable(newest) {
                await build(newest)
            } else if newest.id != attempted {
                attempted = newest.id
                events.record(unitEvent("HistoryRewritten", sourceProblem?.message ?? "", isWarning: true))
            }
        }
        if enforced == nil { await buildLastGood() }
        try await placeTree()
        return enforced?.tree != nil
    }

    private var isHeld: Bool { sourceProblem?.kind == .rewritten }

    /// Whether a commit follows from what was applied, or a person has accepted that it does not.
    private func isAcceptable(_ commit: CommitInfo) async throws -> Bool {
        guard let base = enforced?.commit.id ?? applied, base != commit.id else {
            sourceProblem = nil
            return true
        }
        if let accepted = await store.annotation(InventoryStore.acceptHistory), accepted.count >= 7, commit.id.hex.hasPrefix(accepted) {
            sourceProblem = nil
            return true
        }
        do {
            if try await source.repository.isAncestor(base, of: commit.id) {
                sourceProblem = nil
                return true
            }
        } catch {
            sourceProblem = error
            return false
        }
        sourceProblem = SourceProblem(
            .rewritten,
            "the branch is at \(commit.id.hex.prefix(12)), which does not contain the applied commit \(base.hex.prefix(12)); to accept it: "
                + "kubectl annotate configmap -n \(HomelabNamespace.name) homelab-inventory-\(spec.name) --overwrite "
                + "\(InventoryStore.acceptHistory)=\(commit.id.hex.prefix(12))")
        return false
    }

    private func build(_ commit: CommitInfo) async {
        attempted = commit.id
        do {
            let tree = try await source.repository.tree(of: commit.id, under: [])
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
        guard var current = enforced, current.tree == nil || !current.unknownKinds.isEmpty else { return }
        let kinds = Set(current.manifests.map(\.groupVersionKind))
        let resources = try await live.resources(for: kinds)
        let unknown = Set(kinds.map(\.groupKind)).subtracting(resources.keys)
        if current.tree != nil, unknown == current.unknownKinds { return }
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
            enforced = current
            lastGood = current
        } catch let errors as Diagnostics {
            // Like a commit that cannot be built.
            buildErrors = errors.sorted
            events.record(unitEvent("BuildFailed", buildErrors.first?.description ?? "", isWarning: true))
            enforced = lastGood
            if enforced == nil, current.commit.id == attempted { await buildLastGood() }
        }
        try await live.prepare(Array(resources.values))
    }

    func unitEvent(_ reason: String, _ message: String, isWarning: Bool = false) -> EventRecorder.Event {
        EventRecorder.Event(
            reason, message,
            object: ObjectKey(
                group: "", kind: "ConfigMap", namespace: HomelabNamespace.name, name: StatusReport.configMapName(of: spec.name)),
            apiVersion: "v1", isWarning: isWarning)
    }
}
