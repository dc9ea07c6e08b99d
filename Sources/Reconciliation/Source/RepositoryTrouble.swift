import KubernetesModel

/// What keeps a GitRepository from being Ready, by the conditions and reasons of source-controller (fluxcd/source-controller,
/// `internal/controller/gitrepository_controller.go`).
struct RepositoryTrouble: Error, Hashable, Sendable {
    /// What it is about, which has a condition of its own.
    enum Aspect: Hashable, Sendable {
        case fetch, storage, inclusion, verification
        /// What the object asks for, where nothing fails of what is done: Flux has no condition for it.
        case specification
    }

    let aspect: Aspect
    /// Of all its conditions.
    let reason: String
    let message: String
    /// Nothing is tried again before the object is changed.
    var isTerminal = false

    /// What fetching met, now and until it is over.
    /// - Parameter isOwn: whether the repository is the agent's own, which the inventory names.
    init(_ problem: SourceProblem, isOwn: Bool) {
        message = "\(problem.message); \(isOwn ? problem.remedy : problem.remedyOfObject)"
        (aspect, reason) =
            switch problem.kind {
            case .authentication, .keyRefused: (.fetch, "AuthenticationFailed")
            case .diskFull: (.storage, "ArchiveOperationFailed")
            case .corrupt: (.storage, "ReadOperationFailed")
            case .unverified: (.verification, "InvalidCommitSignature")
            case .keysMissing: (.verification, "VerificationError")
            case .unverifiedTag: (.verification, "InvalidTagSignature")
            case .unsignedTag: (.verification, "InvalidGitObject")
            case .includeMissing: (.inclusion, "NotFound")
            case .includeEmpty: (.inclusion, "NoArtifact")
            case .unreachable, .timedOut, .untrusted, .tooLarge, .repositoryMissing, .branchMissing, .rewritten, .other:
                (.fetch, "GitOperationFailed")
            }
    }

    /// Why a repository cannot be opened with what its Secrets hold.
    init(_ aspect: Aspect, _ reason: String, _ message: String, isTerminal: Bool = false) {
        (self.aspect, self.reason, self.message) = (aspect, reason, message)
        self.isTerminal = isTerminal
    }

    /// Why nothing can be done of what a GitRepository asks for; nil where something can.
    init?(_ spec: GitRepositorySpec) {
        guard !spec.obstacles.isEmpty else { return nil }
        let isUnverifiable = spec.obstacles == spec.unverifiable
        let reason = isUnverifiable ? "InvalidVerificationMode" : spec.unprovided.isEmpty ? Self.invalidSpec : Self.misprovided
        self.init(
            isUnverifiable ? .verification : .fetch, reason, spec.obstacles.joined(separator: "; "), isTerminal: true)
    }

    /// What a GitRepository of the agent's own repository says in vain; nil where it says nothing such.
    init?(_ limits: OwnRepositoryLimits) {
        guard !limits.unmet.isEmpty else { return nil }
        self.init(.specification, Self.invalidSpec, limits.unmet.joined(separator: "; "), isTerminal: true)
    }

    /// Its credentials and its `spec.provider` do not belong together.
    static let misprovided = "InvalidProviderConfiguration"
    /// Flux has no word for what its definition lets through and nothing here can do; a Kustomization has this one for it, too.
    private static let invalidSpec = "InvalidSpec"

    /// Whether it ends with what somebody else does who is told of it himself: no warning.
    var isWait: Bool { aspect == .inclusion }

    func conditions(generation: Int64) -> [FluxCondition] {
        func condition(_ type: String, _ status: String, _ reason: String) -> FluxCondition {
            FluxCondition(type, status, reason, message, generation: generation)
        }
        let own: [FluxCondition] =
            switch aspect {
            case .fetch: [condition("FetchFailed", "True", reason)]
            case .storage: [condition("StorageOperationFailed", "True", reason)]
            case .inclusion: [condition("IncludeUnavailable", "True", reason)]
            case .verification: [condition("SourceVerified", "False", reason)]
            case .specification: []
            }
        let outlook =
            isTerminal ? condition("Stalled", "True", reason) : condition("Reconciling", "True", "ProgressingWithRetry")
        return [condition("Ready", "False", reason), outlook] + own
    }
}
