package import YAML

/// The status of a Kustomization as Flux writes it, so that its tools read ours.
package struct KustomizationStatus: Hashable, Sendable {
    /// One result, and how often it came in a row.
    package struct Snapshot: Hashable, Sendable {
        /// Of the manifests.
        package var digest: String
        package var firstReconciled: String
        package var lastReconciled: String
        package var lastDuration: String
        package var lastStatus: String
        package var total: Int64
        package var revision: String
    }

    package var observedGeneration: Int64 = 0
    package var conditions = FluxConditions()
    /// `main@sha1:<commit>`: all its objects were sent, and were healthy then, where the unit checks that.
    package var lastAppliedRevision = ""
    package var lastAttemptedRevision = ""
    package var lastHandledReconcileAt = ""
    package var inventory = ResourceInventory()
    package private(set) var history: [Snapshot] = []

    package init() {}

    /// The condition that names a revision which was sent and does not count as applied yet. Flux has none like it, and no field for that.
    package static let sent = "Sent"

    /// As `lastAppliedRevision`, whatever became of the objects' health.
    package var lastSentRevision: String { conditions[Self.sent]?.message ?? lastAppliedRevision }

    package init(of object: Manifest) {
        guard let status = object.value["status"] else { return }
        observedGeneration = status["observedGeneration"]?.int ?? 0
        conditions = FluxConditions(status["conditions"])
        lastAppliedRevision = status["lastAppliedRevision"]?.string ?? ""
        lastAttemptedRevision = status["lastAttemptedRevision"]?.string ?? ""
        lastHandledReconcileAt = status["lastHandledReconcileAt"]?.string ?? ""
        inventory = ResourceInventory(fluxValue: status["inventory"] ?? .null)
        history = (status["history"]?.array ?? []).map { item in
            func text(_ field: String) -> String { item[field]?.string ?? "" }
            return Snapshot(
                digest: text("digest"), firstReconciled: text("firstReconciled"), lastReconciled: text("lastReconciled"),
                lastDuration: text("lastReconciledDuration"), lastStatus: text("lastReconciledStatus"),
                total: item["totalReconciliations"]?.int ?? 1, revision: item[path: "metadata", "revision"]?.string ?? "")
        }
    }

    /// `main@sha1:<commit>`; `sha1:<commit>` where no reference is followed.
    package static func revision(of reference: String, at commit: String) -> String {
        reference.isEmpty ? "sha1:\(commit)" : "\(reference)@sha1:\(commit)"
    }

    /// The commit of `main@sha1:<commit>`; nil when there is none.
    package static func commit(of revision: String) -> String? {
        guard let colon = revision.lastIndex(of: ":") else { return nil }
        let commit = String(revision[revision.index(after: colon)...])
        return commit.isEmpty ? nil : commit
    }

    /// Notes a result at the top of the history of five. The same manifests with the same result again, of whatever revision, are the same
    /// entry, which comes to the top (as in Flux, fluxcd/pkg `apis/meta`, History).
    package mutating func note(digest: String, status: String, revision: String, duration: Duration, now: Timestamp) {
        var snapshot = Snapshot(
            digest: digest, firstReconciled: now.description, lastReconciled: now.description, lastDuration: duration.goText,
            lastStatus: status, total: 1, revision: revision)
        if let index = history.firstIndex(where: { $0.digest == digest && $0.lastStatus == status }) {
            let known = history.remove(at: index)
            (snapshot.firstReconciled, snapshot.total) = (known.firstReconciled, known.total + 1)
        }
        history = [snapshot] + history.prefix(4)
    }

    /// A merge patch for the status subresource; the inventory only where it is asked for, since it is by far the largest part.
    package func patch(withInventory: Bool) -> Value {
        var status: Value = ["conditions": conditions.value, "observedGeneration": .int(observedGeneration)]
        for (field, text) in [
            ("lastAppliedRevision", lastAppliedRevision), ("lastAttemptedRevision", lastAttemptedRevision),
            ("lastHandledReconcileAt", lastHandledReconcileAt),
        ] where !text.isEmpty { status[field] = .string(text) }
        if withInventory { status["inventory"] = inventory.fluxValue }
        if !history.isEmpty { status["history"] = .array(history.map(\.value)) }
        return ["status": status]
    }
}

extension KustomizationStatus.Snapshot {
    fileprivate var value: Value {
        var value: Value = [
            "digest": .string(digest), "firstReconciled": .string(firstReconciled), "lastReconciled": .string(lastReconciled),
            "lastReconciledDuration": .string(lastDuration), "lastReconciledStatus": .string(lastStatus),
            "totalReconciliations": .int(total),
        ]
        if !revision.isEmpty { value["metadata"] = ["revision": .string(revision)] }
        return value
    }
}
