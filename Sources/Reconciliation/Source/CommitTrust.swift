/// Whose commits a source takes.
enum CommitTrust: Sendable {
    /// Nobody has looked yet who has to sign: nothing is taken, and nothing is told of that.
    case undecided
    /// Those that all of these find signed; with none of these, anybody's.
    case signed([CommitVerification])
    /// Nobody's, for this reason.
    case nobody(SourceProblem)

    static let anybody = CommitTrust.signed([])

    var isUndecided: Bool { if case .undecided = self { true } else { false } }

    /// Why nothing new is taken, whatever comes.
    var problem: SourceProblem? { if case .nobody(let problem) = self { problem } else { nil } }

    /// What several objects want of the same repository, all of which have to be content.
    init(_ all: [CommitTrust]) {
        var verifications: [CommitVerification] = []
        for trust in all {
            guard case .signed(let more) = trust else {
                self = trust
                return
            }
            verifications += more
        }
        self = .signed(verifications)
    }
}
