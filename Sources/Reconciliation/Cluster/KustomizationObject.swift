package import KubernetesModel
package import YAML

/// The Kustomization that stands for a unit: its status is where the unit's state is shown and where its applied objects are recorded.
package actor KustomizationObject: UnitRecord {
    package nonisolated let key: ObjectKey
    package nonisolated let uid: String
    private let api: any ClusterAPI
    private let clock: any AgentClock
    private var object: Head
    /// Without its status.
    private var packed: PackedManifest
    package private(set) var status: KustomizationStatus
    private var written: KustomizationStatus
    /// A status was sent and no answer came: nobody knows which is there.
    private var isUnsure = false
    private var isFinalized: Bool
    /// The version that a change of the metadata made here, until the watch has caught up with it: what the watch brings before that was
    /// so once, and would be taken for somebody's wish.
    private var changedVersion: String?
    /// The cluster was set back to an earlier state, and nobody has seen yet what it has of the object now.
    private var isSetBack = false

    /// What of the metadata is asked for often; the rest is packed.
    private struct Head {
        var generation: Int64
        var resourceVersion: String
        var isBeingDeleted: Bool
        var annotations: Value?
        var finalizers: [String]
        /// The unit that makes it.
        var parent: Ownership?

        init(_ object: Manifest) {
            generation = object.generation ?? 0
            resourceVersion = object.resourceVersion
            isBeingDeleted = object.isBeingDeleted
            annotations = object.value[path: "metadata", "annotations"]
            finalizers = object.finalizers
            parent = Ownership(of: object)
        }

        func annotation(_ name: String) -> String? { annotations?[name]?.string }
    }

    package init(_ object: Manifest, api: any ClusterAPI, clock: any AgentClock) {
        (self.object, packed) = Self.parts(of: object)
        self.api = api
        self.clock = clock
        key = object.key
        uid = object.uid
        status = KustomizationStatus(of: object)
        written = status
        isFinalized = object.finalizers.contains(FluxKinds.finalizer)
    }

    private static func parts(of object: Manifest) -> (head: Head, packed: PackedManifest) {
        var rest = object
        rest.value["status"] = nil
        return (Head(object), PackedManifest(rest))
    }

    /// Takes in what a watch saw; the status is only ever written here. Whether a person or a parent unit has changed anything, or a
    /// restore may have.
    package func take(_ newer: Manifest) -> Bool {
        if let changedVersion, newer.isOlder(than: changedVersion) { return false }
        changedVersion = nil
        defer {
            (object, packed) = Self.parts(of: newer)
            isFinalized = newer.finalizers.contains(FluxKinds.finalizer)
        }
        if isSetBack {
            isSetBack = false
            // What it has recorded then may be there again.
            written = KustomizationStatus(of: newer)
            status.inventory = written.inventory.merged(with: status.inventory)
            return true
        }
        return newer.generation ?? 0 != object.generation || newer.isBeingDeleted != object.isBeingDeleted
            || newer.value[path: "metadata", "annotations"] != object.annotations || Ownership(of: newer) != object.parent
    }

    /// The cluster was set back to an earlier state, as by the restore of a snapshot: the next look counts whatever its version is.
    package func noteSetBack() { (changedVersion, isSetBack) = (nil, true) }

    /// As the server has it, but for a status that is newer.
    package var value: Value {
        var value = packed.manifest.value
        value["status"] = status.patch(withInventory: true)["status"]
        return value
    }

    package var isBeingDeleted: Bool { object.isBeingDeleted }
    package var generation: Int64 { object.generation }
    /// The look that was asked for and has not been answered yet.
    package var isRequested: Bool { (object.annotation(FluxKinds.requestedAt) ?? "") != status.lastHandledReconcileAt }

    // MARK: The record

    package var inventory: ResourceInventory { status.inventory }
    package var hasLostParts: Bool { false }
    package nonisolated var place: String { "kustomization -n \(key.namespace) \(key.name)" }
    package func annotation(_ name: String) -> String? { object.annotation(name) }
    package func annotate(_ name: String, _ value: String?) async throws {
        var annotations: Value = [:]
        annotations[name] = value.map { .string($0) } ?? .null
        take(
            annotationsOf: try await api.mergePatch(
                FluxKinds.kustomization, namespace: key.namespace, name: key.name, patch: ["metadata": ["annotations": annotations]],
                subresource: nil))
    }

    /// What was written here is no news when the watch brings it.
    private func take(annotationsOf newer: Manifest) {
        if newer.isOlder(than: object.resourceVersion) { return }
        changedVersion = newer.resourceVersion
        object.annotations = newer.value[path: "metadata", "annotations"]
        object.resourceVersion = newer.resourceVersion
    }

    package func load() async throws {}
    package func run() async {}

    package func write(_ inventory: ResourceInventory) async throws {
        try await hold()
        status.inventory = inventory
        if status.conditions.all.isEmpty {
            let message = "reconciliation in progress"
            status.conditions.set(
                [
                    FluxCondition("Ready", "Unknown", "Progressing", message, generation: generation),
                    FluxCondition("Reconciling", "True", "Progressing", message, generation: generation),
                ], now: clock.timestamp)
        }
        try await send()
    }

    // MARK: The status

    /// Shows a new status; the inventory is that of the record. Whether there was something to write.
    /// - Parameter generation: of the spec that it comes of, which need not be the newest.
    @discardableResult
    package func show(of generation: Int64, _ change: @Sendable (inout KustomizationStatus) -> Void) async throws -> Bool {
        change(&status)
        status.observedGeneration = generation
        guard isUnsure || status != written else { return false }
        try await send()
        return true
    }

    /// Of a suspended unit, whose status stays as it is otherwise: what was changed in the cluster, nil for nothing.
    package func showDrift(_ note: String?) async throws -> Bool {
        guard isUnsure || status.conditions[Self.drifted]?.message != note else { return false }
        let drift = note.map { [FluxCondition(Self.drifted, "True", "DriftDetected", $0, generation: generation)] } ?? []
        status.conditions.set(status.conditions.all.filter { $0.type != Self.drifted } + drift, now: clock.timestamp)
        try await send()
        return true
    }

    /// The condition of a suspended unit whose objects are not as they were applied.
    package static let drifted = "Drifted"

    /// Says that somebody's request for a look was answered.
    /// - Parameter request: the annotation's value; empty for none.
    package func noteHandled(_ request: String) {
        if !request.isEmpty { status.lastHandledReconcileAt = request }
    }

    private func send() async throws {
        let sent = status
        let patch = sent.patch(withInventory: isUnsure || sent.inventory != written.inventory)
        isUnsure = true
        _ = try await api.mergePatch(
            FluxKinds.kustomization, namespace: key.namespace, name: key.name, patch: patch, subresource: "status")
        (written, isUnsure) = (sent, false)
    }

    // MARK: Suspension

    /// Until when a person has suspended it; nil for without end.
    package var suspendedUntil: Timestamp? { object.annotation(Self.suspendedUntil).flatMap { Timestamp($0) } }
    package var suspensionReason: String? { object.annotation(Self.suspensionReason) }

    package static let suspendedUntil = "homelab.dev/suspend-until"
    package static let suspensionReason = "homelab.dev/suspend-reason"

    /// What ends a suspension.
    package static let resumption: Value = [
        "spec": ["suspend": false], "metadata": ["annotations": ["homelab.dev/suspend-until": nil, "homelab.dev/suspend-reason": nil]],
    ]

    package func resume() async throws {
        // The resourceVersion keeps a suspension that was extended meanwhile from being ended.
        var patch = Self.resumption
        patch["metadata"]?["resourceVersion"] = .string(object.resourceVersion)
        _ = try await api.mergePatch(
            FluxKinds.kustomization, namespace: key.namespace, name: key.name, patch: patch, subresource: nil)
    }

    /// Who lets it go on with other tools leaves the end of the suspension behind, which would end the next one.
    package func forgetSuspension() async throws {
        let left = [Self.suspendedUntil, Self.suspensionReason].filter { object.annotation($0) != nil }
        guard !left.isEmpty, !packed.manifest.isSuspended else { return }
        var annotations: Value = [:]
        for name in left { annotations[name] = .null }
        // The resourceVersion keeps what is suspended anew meanwhile from losing its end.
        let patch: Value = ["metadata": ["resourceVersion": .string(object.resourceVersion), "annotations": annotations]]
        take(
            annotationsOf: try await api.mergePatch(
                FluxKinds.kustomization, namespace: key.namespace, name: key.name, patch: patch, subresource: nil))
    }

    // MARK: Its end

    /// From now on it goes only when what it applied is dealt with.
    private func hold() async throws {
        guard !isFinalized, !object.isBeingDeleted else { return }
        try await setFinalizers(object.finalizers + [FluxKinds.finalizer])
        isFinalized = true
    }

    package func release() async throws {
        guard object.finalizers.contains(FluxKinds.finalizer) else { return }
        do {
            try await setFinalizers(object.finalizers.filter { $0 != FluxKinds.finalizer })
        } catch let error as ClusterError where error.kind == .notFound {
            return
        }
    }

    /// The resourceVersion keeps another's finalizer from being lost.
    private func setFinalizers(_ names: [String]) async throws {
        let patch: Value = [
            "metadata": [
                "resourceVersion": .string(object.resourceVersion), "finalizers": .array(names.map { .string($0) }),
            ]
        ]
        let newer = try await api.mergePatch(
            FluxKinds.kustomization, namespace: key.namespace, name: key.name, patch: patch, subresource: nil)
        if newer.isOlder(than: object.resourceVersion) { return }
        changedVersion = newer.resourceVersion
        (object, packed) = Self.parts(of: newer)
    }
}

extension Manifest {
    fileprivate var finalizers: [String] { (value[path: "metadata", "finalizers"]?.array ?? []).compactMap(\.string) }
}
