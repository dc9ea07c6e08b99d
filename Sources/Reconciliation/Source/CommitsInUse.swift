package import Git
package import KubernetesModel

/// The commits that the agents, whichever of them acts, may have to go back to although no branch leads to them any more: what the units
/// and the nodes are at, as the cluster has it.
package struct CommitsInUse: Sendable {
    private let api: any ClusterAPI
    private let unit: String

    /// - Parameter unit: the agent's own, which covers the cluster's directory.
    package init(api: any ClusterAPI, unit: String) {
        self.api = api
        self.unit = unit
    }

    /// nil when the cluster cannot be asked: then all of them may be.
    package func commits() async -> Set<ObjectID>? {
        do {
            var found: [String?] = try await units()
            let status = try await StatusWriter(api: api).last(unit: unit)
            found += [status?.appliedRevision, status?.attemptedRevision, try await AppliedInventory(in: api).commit?.hex]
            return Set(found.compactMap { $0 }.compactMap { ObjectID($0) })
        } catch {
            return nil
        }
    }

    private func units() async throws -> [String?] {
        let list: ObjectList
        do {
            list = try await api.list(FluxKinds.kustomization, namespace: "", labelSelector: nil)
        } catch let error as ClusterError where error.kind == .unknownKind {
            return []
        }
        return list.items.flatMap { item -> [String?] in
            let status = KustomizationStatus(of: item)
            return [status.lastAppliedRevision, status.lastSentRevision, status.lastAttemptedRevision].map {
                KustomizationStatus.commit(of: $0)
            }
        }
    }
}
