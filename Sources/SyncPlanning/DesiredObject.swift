package import Diagnostics
package import KubernetesModel
import YAML

/// An object as a unit wants it in the cluster: the rendered manifest with the unit's labels and the digest of what was rendered.
package struct DesiredObject: Hashable, Sendable {
    /// Which manifest an object was last applied from; lets a restarted agent see that nothing has to be sent.
    package static let digestAnnotation = "homelab.dev/digest"

    private let packed: PackedManifest
    package let digest: String
    package let marks: ObjectMarks
    /// JSON pointers to the fields that are left as they are in the cluster.
    package let ignored: Set<String>

    package init(_ rendered: Manifest, owner: Ownership, ignored: Set<String> = []) {
        let digest = ContentDigest.of(rendered, ignored: ignored)
        self.ignored = ignored
        var manifest = owner.labelled(rendered)
        manifest.value["status"] = nil
        var metadata = manifest.value["metadata"] ?? .null
        metadata["creationTimestamp"] = nil
        var annotations = metadata["annotations"] ?? .null
        annotations[Self.digestAnnotation] = .string(digest)
        // A unit is held from its beginning, or what it applies could be left behind.
        if manifest.key.unit != nil {
            let others = (metadata["finalizers"]?.array ?? []).filter { $0.string != FluxKinds.finalizer }
            metadata["finalizers"] = .array(others + [.string(FluxKinds.finalizer)])
        }
        metadata["annotations"] = annotations
        manifest.value["metadata"] = metadata
        packed = PackedManifest(manifest)
        self.digest = digest
        marks = ObjectMarks(of: rendered)
    }

    package var key: ObjectKey { packed.key }
    /// As it is sent; unpacked with each call.
    package var manifest: Manifest { packed.manifest }
    package var kind: GroupVersionKind { packed.kind }
    package var origin: SourceLocation? { packed.origin }
    /// A Job is a step: it runs once for what it says, and again when it says something else.
    package var runsOnce: Bool { key.groupKind == Self.job }

    private static let job = GroupKind(group: "batch", kind: "Job")
}

/// All that a unit wants, checked as far as it can be without asking the cluster about any object.
package struct DesiredTree: Hashable, Sendable {
    package let objects: [DesiredObject]
    package let inventory: ResourceInventory

    /// - Parameter scopes: whether a kind is namespaced, for the kinds that the cluster knows.
    /// - Parameter ignored: the fields of an object that are left as they are.
    /// - Throws: every object wanted twice, and every namespaced object that says no namespace.
    package init(_ manifests: [Manifest], owner: Ownership, scopes: [GroupKind: Bool], ignored: (Manifest) -> Set<String> = { _ in [] })
        throws(Diagnostics)
    {
        var problems = Diagnostics()
        let placed = manifests.map { manifest in
            guard scopes[manifest.key.groupKind] == false, !manifest.namespace.isEmpty else { return manifest }
            var clusterWide = manifest
            clusterWide.value["metadata"]?["namespace"] = nil
            return clusterWide
        }
        for manifest in placed where manifest.namespace.isEmpty && scopes[manifest.key.groupKind] == true {
            problems.append(
                Diagnostic(
                    .error, "a \(manifest.kind) lives in a namespace, and none is given", subject: manifest.key.description,
                    at: manifest.origin, remedy: "add metadata.namespace, or a kustomization.yaml with `namespace:` beside it"))
        }
        problems.append(contentsOf: Diagnostics(Self.duplicates(in: placed)))
        try problems.throwIfErrors()
        objects = ApplyOrder.sorted(placed).map { DesiredObject($0, owner: owner, ignored: ignored($0)) }
        inventory = ResourceInventory(Dictionary(objects.map { ($0.key, ResourceInventory.Entry(version: $0.kind.version)) }) { $1 })
    }

    /// One finding for each object that is wanted more than once, at the later place and naming the earlier one.
    package static func duplicates(in manifests: [Manifest]) -> [Diagnostic] {
        var first: [ObjectKey: Manifest] = [:]
        return manifests.compactMap { manifest in
            guard let earlier = first.updateValue(manifest, forKey: manifest.key) else { return nil }
            first[manifest.key] = earlier
            let place = earlier.origin.map(\.description) ?? "another manifest"
            return Diagnostic(
                .error, "is wanted twice", subject: manifest.key.description, at: manifest.origin,
                cause: "it is already defined at \(place)", remedy: "remove one of the two; for a variation, use a kustomize patch")
        }
    }
}
