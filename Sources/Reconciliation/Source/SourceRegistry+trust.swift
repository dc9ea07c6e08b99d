import Git
import KubernetesModel
import YAML

/// Whose commits of the agent's own repository count: what its GitRepository in the cluster says.
extension SourceRegistry {
    /// All objects have been taken: from now on it is known whose commits count.
    package func noteListed() async {
        guard !isListed else { return }
        isListed = true
        await settle()
    }

    /// Reads the keys of those who may sign.
    func readTrust(_ entry: inout Entry) async {
        (entry.trust, entry.retryAt, entry.secrets) = (nil, nil, [:])
        guard let verification = OwnRepositoryLimits.verification(entry.spec) else { return }
        let name = "\(entry.spec.namespace)/\(entry.spec.name)"
        let remark =
            "what this repository has of GitRepository \(name) and its Secret is put back when it is changed in the cluster, unless "
            + "`homelab suspend` leaves their unit alone"
        do {
            let keys = try await read(verification.secret, &entry)
            entry.trust = .signed([try CommitVerification(verification, data: keys, remark: remark)])
        } catch {
            let reason = "no newer commit is taken, as the keys that spec.verify of GitRepository \(name) names cannot be read: \(error)"
            entry.trust = .nobody(SourceProblem(.keysMissing, reason))
            entry.retryAt = clock.now + .seconds(30)
        }
    }

    static func keys(of spec: GitRepositorySpec) -> [ObjectKey: GroupVersionKind] {
        guard let name = spec.verification?.secret else { return [:] }
        return [ObjectKey(group: "", kind: secretKind.kind, namespace: spec.namespace, name: name): secretKind]
    }

    /// Reads anew the keys whose Secret is another now, and those that could not be read.
    func rereadKeys() async {
        for (key, entry) in entries where entry.trust != nil {
            let secrets = await namespaces.versions(of: Self.keys(of: entry.spec)) ?? entry.secrets
            let isDue = entry.retryAt.map { $0 <= clock.now } ?? false
            guard isDue || secrets != entry.secrets else { continue }
            var changed = entry
            await readTrust(&changed)
            // The object may have been changed or removed meanwhile.
            guard let now = entries[key], now.spec == entry.spec, now.trust != nil else { continue }
            entries[key]?.trust = changed.trust
            entries[key]?.secrets = secrets
            entries[key]?.retryAt = changed.retryAt
            await settle()
        }
        let found = lost.filter { own.signing.value == $0.key }
        guard found.count != lost.count else { return }
        lost = found
        await settle()
    }

    /// Where one of the agent's own objects has changed, says whose commits count now.
    func settle(_ key: ObjectKey, _ old: Entry?) async {
        let isThere = entries[key]?.isMarked ?? false
        let before = old?.trust ?? lost[key]
        // What is deleted by hand comes back; nothing is to slip in until then.
        lost[key] = isThere || own.signing.value != key ? nil : before
        if before != nil || entries[key]?.trust != nil { await settle() }
    }

    private func settle() async {
        guard isListed else { return }
        let objects = entries.sorted { $0.key < $1.key }.filter { $0.value.trust != nil }
        own.believe(CommitTrust(objects.compactMap(\.value.trust) + lost.sorted { $0.key < $1.key }.map(\.value)))
        let revision = objects.first?.value.object.value[path: "status", "artifact", "revision"]?.string
        await own.judge(adopted: revision.flatMap { KustomizationStatus.commit(of: $0) }.flatMap { ObjectID($0) })
    }
}
