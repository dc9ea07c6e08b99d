import Git
import KubernetesModel
import YAML

/// The status of a GitRepository as Flux writes it.
struct GitRepositoryStatus {
    /// A merge patch for the status subresource.
    let patch: Value

    /// - Parameters:
    ///   - isMarked: whether it stands for the agent's own repository.
    ///   - trouble: what keeps it from being Ready.
    ///   - note: what the Ready condition says besides.
    ///   - handled: the request for a look that was answered last.
    init(
        _ object: Manifest, _ source: GitSource?, isMarked: Bool, trouble: RepositoryTrouble?, note: String = "", handled: String,
        now: Timestamp
    ) {
        let state = source?.state.value
        let generation = object.generation ?? 0
        var conditions = FluxConditions(object.value[path: "status", "conditions"])
        func condition(_ type: String, _ status: String, _ reason: String, _ message: String) -> FluxCondition {
            FluxCondition(type, status, reason, message, generation: generation)
        }
        let revision = state?.commit.flatMap { source?.revision(of: $0.id.hex) } ?? ""
        var new: [FluxCondition] = []
        let doubt = Self.doubt(state)
        if let trouble {
            new = trouble.conditions(generation: generation)
        } else if !revision.isEmpty {
            let stored = "stored artifact for revision '\(revision)'"
            let notes = [doubt, note].filter { !$0.isEmpty }.map { "; \($0)" }.joined()
            new = [condition("Ready", "True", "Succeeded", stored + notes)]
        } else {
            new = [
                condition("Ready", "Unknown", "Progressing", "building artifact"),
                condition("Reconciling", "True", "Progressing", "building artifact"),
            ]
        }
        // What was stored as the object said before stays until there is something else.
        let kept = revision.isEmpty ? object.value[path: "status", "artifact", "revision"]?.string ?? "" : revision
        if !kept.isEmpty { new.append(condition("ArtifactInStorage", "True", "Succeeded", "stored artifact for revision '\(kept)'")) }
        if trouble?.aspect == .storage, !kept.isEmpty, let missed = source?.missedRevision {
            new.append(condition("ArtifactOutdated", "True", "NewRevision", "new upstream revision '\(missed)'"))
        }
        if !new.contains(where: { $0.type == "SourceVerified" }) {
            if let signers = state?.signers, !signers.isEmpty {
                new.append(condition("SourceVerified", "True", "Succeeded", signers))
            } else if !doubt.isEmpty {
                new.append(condition("SourceVerified", "False", SourceProblem.Kind.unverified.rawValue, doubt))
            }
        }
        conditions.set(new, now: now)
        var status: Value = ["conditions": conditions.value, "observedGeneration": .int(generation)]
        if !handled.isEmpty { status["lastHandledReconcileAt"] = .string(handled) }
        for (field, value) in Self.observed(GitRepositorySpec(of: object), object, state, isMarked: isMarked) { status[field] = value }
        if let source, let artifact = Self.artifact(of: source, object.namespace, object.name, now) { status["artifact"] = artifact }
        let included = (source?.inclusions.value ?? []).compactMap { inclusion in
            inclusion.source.flatMap { Self.artifact(of: $0, object.namespace, inclusion.spec.repository, now) }
        }
        status["includedArtifacts"] = included.isEmpty ? .null : .array(included)
        patch = ["status": status]
    }

    /// What is to be said of a commit that would not be taken now.
    private static func doubt(_ state: SourceState?) -> String {
        guard let doubt = state?.doubt, !doubt.isEmpty else { return "" }
        return "\(doubt); it was taken before that counted, and stays; for the commits after it: "
            + SourceProblem(.unverified, doubt).remedyOfObject
    }

    /// Where Flux keeps an archive, which nobody needs here; nil while there is no commit.
    private static func artifact(of source: GitSource, _ namespace: String, _ name: String, _ now: Timestamp) -> Value? {
        let state = source.state.value
        guard let commit = state.commit else { return nil }
        return [
            "revision": .string(source.revision(of: commit.id.hex)), "digest": .string("sha1:\(commit.tree.hex)"),
            "path": .string("gitrepository/\(namespace)/\(name)/\(commit.id.hex).tar.gz"),
            "url": .string(source.repository.url), "lastUpdateTime": .string((state.lastChange ?? now).description),
        ]
    }

    /// What of the spec the artifact was made with; null takes away what is not asked for any more.
    private static func observed(
        _ spec: GitRepositorySpec, _ object: Manifest, _ state: SourceState?, isMarked: Bool
    ) -> [(String, Value)] {
        guard let state, state.commit != nil else { return [] }
        let mode = (isMarked ? OwnRepositoryLimits.verification(spec) : spec.verification)?.mode
        let verification = ("sourceVerificationMode", mode.map { Value.string($0.rawValue) } ?? .null)
        // Else the agent's own repository is followed as the inventory says.
        guard !isMarked else { return [verification] }
        return [
            ("observedIgnore", spec.ignore.map { .string($0) } ?? .null),
            ("observedRecurseSubmodules", spec.recursesSubmodules ? .bool(true) : .null),
            ("observedSparseCheckout", spec.sparseDirectories.isEmpty ? .null : .array(spec.sparseDirectories.map { .string($0) })),
            ("observedInclude", object.value[path: "spec", "include"] ?? .null),
            verification,
        ]
    }
}
