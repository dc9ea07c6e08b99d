import Git
import KubernetesModel
import YAML

/// The status of a GitRepository as Flux writes it.
struct GitRepositoryStatus {
    /// A merge patch for the status subresource.
    let patch: Value

    /// - Parameters:
    ///   - isOwn: whether the repository is the agent's own, which the inventory names.
    ///   - note: what the Ready condition says besides.
    ///   - handled: the request for a look that was answered last.
    init(_ object: Manifest, _ source: GitSource?, isOwn: Bool, problem: String, note: String = "", handled: String, now: Timestamp) {
        let state = source?.state.value
        let generation = object.generation ?? 0
        var conditions = FluxConditions(object.value[path: "status", "conditions"])
        func condition(_ type: String, _ status: String, _ reason: String, _ message: String) -> FluxCondition {
            FluxCondition(type, status, reason, message, generation: generation)
        }
        let revision = state?.commit.flatMap { source?.revision(of: $0.id.hex) } ?? ""
        var new: [FluxCondition] = []
        let trouble = state?.problem.map { "\($0.message); \(isOwn ? $0.remedy : $0.remedyOfObject)" }
        if let problem = trouble ?? (problem.isEmpty ? nil : problem) {
            let kind = state?.problem?.kind
            let reason = kind == .unverified || kind == .includeMissing ? kind?.rawValue ?? "" : "GitOperationFailed"
            new = [condition("Ready", "False", reason, problem)]
            switch kind {
            case .unverified: new.append(condition("SourceVerified", "False", reason, problem))
            case .includeMissing: new.append(condition("IncludeUnavailable", "True", reason, problem))
            default: new.append(condition("FetchFailed", "True", reason, problem))
            }
        } else if !revision.isEmpty {
            let stored = "stored artifact for revision '\(revision)'"
            new = [condition("Ready", "True", "Succeeded", note.isEmpty ? stored : "\(stored); \(note)")]
        } else {
            new = [
                condition("Ready", "Unknown", "Progressing", "building artifact"),
                condition("Reconciling", "True", "Progressing", "building artifact"),
            ]
        }
        if !revision.isEmpty {
            new.append(condition("ArtifactInStorage", "True", "Succeeded", "stored artifact for revision '\(revision)'"))
        }
        if let signers = state?.signers, !signers.isEmpty, state?.problem?.kind != .unverified {
            new.append(condition("SourceVerified", "True", "Succeeded", signers))
        }
        conditions.set(new, now: now)
        var status: Value = ["conditions": conditions.value, "observedGeneration": .int(generation)]
        if !handled.isEmpty { status["lastHandledReconcileAt"] = .string(handled) }
        for (field, value) in Self.observed(GitRepositorySpec(of: object), object, state) { status[field] = value }
        if let source, let artifact = Self.artifact(of: source, object.namespace, object.name, now) { status["artifact"] = artifact }
        let included = (source?.inclusions.value ?? []).compactMap { inclusion in
            inclusion.source.flatMap { Self.artifact(of: $0, object.namespace, inclusion.spec.repository, now) }
        }
        status["includedArtifacts"] = included.isEmpty ? .null : .array(included)
        patch = ["status": status]
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
    private static func observed(_ spec: GitRepositorySpec, _ object: Manifest, _ state: SourceState?) -> [(String, Value)] {
        // The agent's own repository is followed as the inventory says.
        guard let state, state.commit != nil, object.annotation(FluxComponents.agentSource) == nil else { return [] }
        return [
            ("observedIgnore", spec.ignore.map { .string($0) } ?? .null),
            ("observedRecurseSubmodules", spec.recursesSubmodules ? .bool(true) : .null),
            ("observedSparseCheckout", spec.sparseDirectories.isEmpty ? .null : .array(spec.sparseDirectories.map { .string($0) })),
            ("observedInclude", object.value[path: "spec", "include"] ?? .null),
            ("sourceVerificationMode", spec.verification.map { .string($0.mode.rawValue) } ?? .null),
        ]
    }
}
