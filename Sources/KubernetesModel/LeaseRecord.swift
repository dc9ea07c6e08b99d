import YAML

/// The content of a coordination.k8s.io Lease: who acts, and until when others keep away.
package struct LeaseRecord: Hashable, Sendable {
    package static let kind = GroupVersionKind(group: "coordination.k8s.io", version: "v1", kind: "Lease")

    /// Empty when nobody holds it.
    package var holder: String
    /// Seconds after `renewTime` at which another may take it.
    package var durationSeconds: Int64
    package var acquireTime: Timestamp?
    package var renewTime: Timestamp?
    package var transitions: Int64

    package init(holder: String, durationSeconds: Int64, acquireTime: Timestamp?, renewTime: Timestamp?, transitions: Int64 = 0) {
        self.holder = holder
        self.durationSeconds = durationSeconds
        self.acquireTime = acquireTime
        self.renewTime = renewTime
        self.transitions = transitions
    }

    package init(of manifest: Manifest) {
        let spec = manifest.value["spec"]
        self.init(
            holder: spec?["holderIdentity"]?.string ?? "", durationSeconds: spec?["leaseDurationSeconds"]?.int ?? 0,
            acquireTime: spec?["acquireTime"]?.string.flatMap { Timestamp($0) },
            renewTime: spec?["renewTime"]?.string.flatMap { Timestamp($0) }, transitions: spec?["leaseTransitions"]?.int ?? 0)
    }

    /// The Lease object; `resourceVersion` makes a replace fail when another has written in between.
    package func manifest(namespace: String, name: String, resourceVersion: String? = nil) -> Manifest {
        var metadata: Value = ["namespace": .string(namespace), "name": .string(name)]
        if let resourceVersion, !resourceVersion.isEmpty { metadata["resourceVersion"] = .string(resourceVersion) }
        var spec: Value = [
            "holderIdentity": .string(holder), "leaseDurationSeconds": .int(durationSeconds), "leaseTransitions": .int(transitions),
        ]
        if let acquireTime { spec["acquireTime"] = .string(acquireTime.microseconds) }
        if let renewTime { spec["renewTime"] = .string(renewTime.microseconds) }
        return Manifest([
            "apiVersion": .string(Self.kind.apiVersion), "kind": .string(Self.kind.kind), "metadata": metadata, "spec": spec,
        ])
    }

    /// Whether the holder has let it lapse. Compares two clocks: the caller allows for skew, or counts from when it last saw a change.
    package func isExpired(at now: Timestamp) -> Bool {
        guard !holder.isEmpty, let renewTime else { return true }
        return renewTime.advanced(by: .seconds(durationSeconds)) < now
    }
}
