package import KubernetesModel

/// What is known of one object in the cluster: as little as planning needs, so that thousands can be kept.
package enum Observation: Hashable, Sendable {
    /// The server does not know the kind (yet).
    case kindUnknown
    /// Nobody can see the objects of the kind now, and why.
    case kindUnseen(String)
    case absent
    case present(PresentObject)

    package var present: PresentObject? { if case .present(let object) = self { object } else { nil } }
}

package struct PresentObject: Hashable, Sendable {
    package var uid: String
    package var owner: Ownership?
    /// Of the manifest it was last applied from; empty when we never applied it.
    package var digest: String
    /// What is not as desired, less what the server is known to write in its own way.
    package var differences: [FieldDifference]
    package var marks: ObjectMarks
    package var isBeingDeleted: Bool
    /// False where the object carries the wanted digest and nobody has looked yet whether it is otherwise as the manifest says.
    package var isCompared = true
    /// False where somebody has changed it, and nobody has looked yet whether fields were set that the manifest does not have.
    package var isExamined = true
    /// False where nobody has looked yet, since the agent began, whether it has such fields.
    package var wasLookedAt = true
    /// Whether this process has applied it from the wanted manifest and for the same unit before: then another digest or owner is
    /// somebody else's doing.
    package var wasAsWanted = false

    package init(
        uid: String, owner: Ownership?, digest: String, differences: [FieldDifference] = [], marks: ObjectMarks = [],
        isBeingDeleted: Bool = false
    ) {
        self.uid = uid
        self.owner = owner
        self.digest = digest
        self.differences = differences
        self.marks = marks
        self.isBeingDeleted = isBeingDeleted
    }

    /// - Parameter settled: the differences that the server left standing when it accepted this very manifest: a normalised value,
    ///   a field that an admission webhook owns. They are no drift.
    package init(of live: Manifest, desired: DesiredObject?, settled: [FieldDifference] = []) {
        let standing = Set(settled)
        let found =
            desired.map { desired in
                difference(desired: desired.manifest, live: live, ignoring: desired.ignored.union([Self.digestPointer]))
                    .map { desired.secrecy.masked($0, of: desired.origin) }
            } ?? []
        var digest = live.annotation(DesiredObject.digestAnnotation) ?? ""
        // Nearly always the same, and then in memory once.
        if let wanted = desired?.digest, wanted == digest { digest = wanted }
        self.init(
            uid: live.uid, owner: Ownership(of: live), digest: digest,
            differences: found.filter { !standing.contains($0) }, marks: ObjectMarks(of: live), isBeingDeleted: live.isBeingDeleted)
    }

    /// The digest is compared as such, not as a field.
    package static let digestPointer = "/metadata/annotations/homelab.dev~1digest"
}
