import KubernetesClient
package import KubernetesModel

/// Which GitRepositories mean the repository that the agent itself follows.
extension SourceRegistry {
    package func take(_ object: Manifest) async { await turn.take { await self.takeInTurn(object) } }

    package func remove(_ key: ObjectKey) async { await turn.take { await self.removeInTurn(key) } }

    /// Takes anew what the agent's own unit has made, as it says only now.
    func reconsider() async {
        guard entries.values.contains(where: { isOutdated($0) }) else { return }
        await turn.take { await self.takeOutdated() }
    }

    private func takeOutdated() async {
        for key in entries.keys {
            if let entry = entries[key], isOutdated(entry) { await takeInTurn(entry.object) }
        }
    }

    private func isOutdated(_ entry: Entry) -> Bool {
        entry.isMarked != isMarkedOwn(entry.object) || (entry.source === own) != isOwn(entry.object, entry.spec)
    }

    /// Whether it stands for that repository, whatever its URL, and says whose commits count. Anybody who may make a GitRepository may mark
    /// it so; those that the agent's own unit has made are in its record. Without the record the owner labels tell: nobody is to be
    /// believed for want of the one that says who is.
    func isMarkedOwn(_ object: Manifest) -> Bool {
        guard object.annotation(FluxComponents.agentSource) == "agent" else { return false }
        return made.value?.contains(object.key) ?? (Ownership(of: object) == root)
    }

    /// Whether it is served as that. One that somebody has made elsewhere with the same URL is not, or the agent's login would read the
    /// repository for whoever may make a GitRepository: it is reached with the login that it names itself.
    func isOwn(_ object: Manifest, _ spec: GitRepositorySpec) -> Bool {
        if isMarkedOwn(object) { return true }
        return namesOwn(spec) && (homes.contains(object.namespace) || made.value?.contains(object.key) == true)
    }

    /// Whether a GitRepository has the URL and the branch of that, whoever has made it.
    func namesOwn(_ reference: KustomizationSpec.SourceReference) -> Bool {
        entries[Self.key(reference)].map { namesOwn($0.spec) } ?? false
    }

    private func namesOwn(_ spec: GitRepositorySpec) -> Bool {
        !spec.hasRulesOfItsOwn && ownURLs.contains(spec.url) && spec.branch == own.reference
    }
}
