package import KubernetesModel
import Provisioning
import SyncPlanning

/// An object that a unit has applied, as its cluster has it.
package struct RecordedObject: Sendable {
    package let key: ObjectKey
    /// Unknown, with the server's words, where it cannot be looked at.
    package fileprivate(set) var health: Health
    /// Kept of what is not well only: a record may have thousands.
    let live: Manifest?

    fileprivate init(_ key: ObjectKey, _ health: Health, _ live: Manifest? = nil) {
        self.key = key
        self.health = health
        self.live = health.isCurrent ? nil : live
    }

    /// Whether its author has the agent leave it as it is, so that the unit is ready however it is.
    var isLeftAlone: Bool {
        live.map { !ObjectMarks(of: $0).isDisjoint(with: [.ignored, .reconcileDisabled, .onlyIfAbsent]) } ?? false
    }
}

extension UnitCatalog {
    /// What a unit has applied, the units among it left out; eight requests at a time.
    /// - Parameter home: the cluster that has the unit itself.
    /// - Throws: `ClusterError` where the cluster does not answer at all, or not to the one who asks.
    package func objects(
        of unit: Manifest, on cluster: UnitCluster, home: any ClusterAPI
    ) async throws -> [ObjectKey: RecordedObject] {
        let record = KustomizationStatus(of: unit).inventory
        let known = Set(units.map(\.key))
        let wanted = record.keys.filter { !known.contains($0) }
            .compactMap { key in record.groupVersionKind(of: key).map { (key: key, kind: $0) } }
        let look = Look(catalog: self, cluster: cluster)
        let looks = await parallel(wanted, limit: 8) { await look.object($0.key, $0.kind) }
        var objects: [ObjectKey: RecordedObject] = [:]
        for outcome in looks {
            let object = try outcome.get()
            objects[object.key] = object
        }
        let missing = objects.values.filter { $0.health.status == .notFound && $0.key.groupKind == DesiredObject.job }.map(\.key)
        guard !missing.isEmpty else { return objects }
        do {
            let completed = try await UnitReconciler.recordedJobs(of: unit, home)
            for key in missing where completed[key] != nil {
                objects[key]?.health = .current("ran to its end, and was cleared away")
            }
        } catch let error as ClusterError {
            for key in missing { objects[key]?.health.message += "; whether it ran to its end cannot be read: \(error)" }
        }
        return objects
    }
}

/// A look at many objects of one cluster, side by side.
private struct Look: Sendable {
    let catalog: UnitCatalog
    let cluster: UnitCluster
    /// About what kinds the server has not answered in time: it is waited for once.
    let silent = Shared<[GroupVersionKind: ClusterError]>([:])

    func object(_ key: ObjectKey, _ kind: GroupVersionKind) async -> Result<RecordedObject, any Error> {
        if let error = silent.value[kind] { return .success(Self.unknown(key, error)) }
        do {
            guard let found = try await cluster.api.get(kind, namespace: key.namespace, name: key.name) else {
                return .success(RecordedObject(key, Health(.notFound, "is not there")))
            }
            return .success(RecordedObject(key, catalog.health(of: found, in: cluster.health), found))
        } catch let error as ClusterError {
            switch error.kind {
            case .unknownKind: return .success(RecordedObject(key, Health(.notFound, "the cluster does not know \(kind)")))
            case .unreachable, .unauthorized: return .failure(error)
            case .timedOut: silent.update { $0[kind] = error }
            default: break
            }
            return .success(Self.unknown(key, error))
        } catch {
            return .failure(error)
        }
    }

    private static func unknown(_ key: ObjectKey, _ error: ClusterError) -> RecordedObject {
        RecordedObject(key, Health(.unknown, "cannot be looked at: \(error.message)"))
    }
}
