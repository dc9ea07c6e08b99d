import KubernetesModel

/// What a GitRepository of the agent's own repository says in vain: what of that is followed, with which login, the inventory says.
struct OwnRepositoryLimits: Hashable {
    /// What its author asked for and does not get: the object is not Ready with these.
    private(set) var unmet: [String] = []
    /// Ways to reach it that are not gone. The repository is reached all the same, as Flux' bootstrap writes a `secretRef` into each.
    private(set) var unused: [String] = []

    private static let own = "the repository that the agent itself follows"

    /// Which signatures are wanted, of the commits of a branch.
    static func verification(_ spec: GitRepositorySpec) -> GitRepositorySpec.Verification? {
        var verification = spec.verification
        verification?.mode = .head
        return verification
    }

    /// - Parameter branch: the one that the agent follows; nil where that is not known.
    init(_ spec: GitRepositorySpec, branch: String?) {
        if let branch, spec.branch != branch { unmet.append("spec.ref does not hold for \(Self.own), which is at \(branch)") }
        let widening = [
            ("include", !spec.inclusions.isEmpty), ("recurseSubmodules", spec.recursesSubmodules),
            ("sparseCheckout", !spec.sparseDirectories.isEmpty),
        ]
        for (field, isSet) in widening where isSet {
            unmet.append("spec.\(field) does not hold for \(Self.own), of which it uses all files")
        }
        if let mode = spec.verification?.mode, mode != .head {
            unmet.append(
                "spec.verify.mode \(mode.rawValue) does not hold for \(Self.own), of which no tag is followed; the commit itself has to be "
                    + "signed, as with HEAD")
        }
        if spec.isSuspended { unmet.append("spec.suspend does not hold for \(Self.own); `homelab suspend UNIT` leaves a unit alone") }
        let ways = [
            ("provider", !["", "generic"].contains(spec.providerName)), ("secretRef", spec.secret != nil),
            ("proxySecretRef", spec.proxySecret != nil),
        ]
        let names = ways.filter(\.1).map { "spec.\($0.0)" }
        guard let last = names.last else { return }
        let list = names.count == 1 ? last : names.dropLast().joined(separator: ", ") + " and " + last
        unused.append("\(list) \(names.count == 1 ? "is" : "are") not used for \(Self.own): the inventory says how it is reached")
    }
}
