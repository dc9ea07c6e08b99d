import Git
import KubernetesModel
import YAML

/// The status of a GitRepository as Flux writes it.
struct GitRepositoryStatus {
    /// A merge patch for the status subresource.
    let patch: Value

    init(_ object: Manifest, _ source: GitSource?, problem: String, now: Timestamp) {
        let state = source?.state.value
        let generation = object.generation ?? 0
        var conditions = FluxConditions(object.value[path: "status", "conditions"])
        func condition(_ type: String, _ status: String, _ reason: String, _ message: String) -> FluxCondition {
            FluxCondition(type, status, reason, message, generation: generation)
        }
        let revision = state?.commit.map { "\(source?.reference ?? "")@sha1:\($0.id.hex)" } ?? ""
        var new: [FluxCondition] = []
        if let problem = state?.problem.map({ "\($0.message); \($0.remedy)" }) ?? (problem.isEmpty ? nil : problem) {
            new = [
                condition("Ready", "False", "GitOperationFailed", problem), condition("FetchFailed", "True", "GitOperationFailed", problem),
            ]
        } else if !revision.isEmpty {
            new = [condition("Ready", "True", "Succeeded", "stored artifact for revision '\(revision)'")]
        } else {
            new = [
                condition("Ready", "Unknown", "Progressing", "building artifact"),
                condition("Reconciling", "True", "Progressing", "building artifact"),
            ]
        }
        if !revision.isEmpty {
            new.append(condition("ArtifactInStorage", "True", "Succeeded", "stored artifact for revision '\(revision)'"))
        }
        conditions.set(new, now: now)
        var status: Value = ["conditions": conditions.value, "observedGeneration": .int(generation)]
        if let requested = object.annotation(FluxKinds.requestedAt) { status["lastHandledReconcileAt"] = .string(requested) }
        if let commit = state?.commit {
            status["artifact"] = [
                "revision": .string(revision), "digest": .string("sha1:\(commit.tree.hex)"),
                "path": .string("gitrepository/\(object.namespace)/\(object.name)/\(commit.id.hex).tar.gz"),
                "url": .string(source?.repository.url ?? ""), "lastUpdateTime": .string((state?.lastChange ?? now).description),
            ]
        }
        patch = ["status": status]
    }
}
