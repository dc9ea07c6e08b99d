package import Diagnostics
package import KubernetesModel
import YAML

/// An object as a unit wants it in the cluster: the rendered manifest with the unit's labels and the digest of what was rendered. It is
/// kept as it was rendered, in the memory that the build's result has already.
package struct DesiredObject: Hashable, Sendable {
    /// Which manifest an object was last applied from; lets a restarted agent see that nothing has to be sent.
    package static let digestAnnotation = "homelab.dev/digest"

    private struct Content: Hashable {
        var rendered: PackedManifest
        var owner: Ownership
        var digest: String
        var marks: ObjectMarks
        var ignored: Set<String>
        var secrecy: Secrecy
        var isHeld: Bool
    }

    private final class Box: Sendable {
        let content: Content
        init(_ content: Content) { self.content = content }
    }

    private let box: Box

    /// - Parameter ignored: gives JSON pointers to the fields that are left as they are in the cluster.
    /// - Parameter secrecy: what is not to be told of it.
    /// - Parameter isHeld: as a unit that is kept, it may not go before what it applies.
    package init(
        _ packed: PackedManifest, owner: Ownership, ignored: (Manifest) -> Set<String>, secrecy: Secrecy = Secrecy(), isHeld: Bool = true
    ) {
        let rendered = packed.manifest
        let fields = ignored(rendered)
        box = Box(
            Content(
                rendered: packed, owner: owner, digest: ContentDigest.of(rendered, ignored: fields), marks: ObjectMarks(of: rendered),
                ignored: fields, secrecy: secrecy, isHeld: isHeld))
    }

    package init(_ rendered: Manifest, owner: Ownership, ignored: Set<String> = []) {
        self.init(PackedManifest(rendered), owner: owner) { _ in ignored }
    }

    package var key: ObjectKey { box.content.rendered.key }
    /// The unit that wants it.
    package var owner: Ownership { box.content.owner }

    /// As it is sent; made anew with each call.
    package var manifest: Manifest {
        let content = box.content
        var manifest = content.owner.labelled(content.rendered.manifest)
        manifest.value["status"] = nil
        var metadata = manifest.value["metadata"] ?? .null
        metadata["creationTimestamp"] = nil
        var annotations = metadata["annotations"] ?? .null
        annotations[Self.digestAnnotation] = .string(content.digest)
        // A unit is held from its beginning, or what it applies could be left behind.
        if content.isHeld, manifest.key.unit != nil {
            let others = (metadata["finalizers"]?.array ?? []).filter { $0.string != FluxKinds.finalizer }
            metadata["finalizers"] = .array(others + [.string(FluxKinds.finalizer)])
        }
        metadata["annotations"] = annotations
        manifest.value["metadata"] = metadata
        return manifest
    }

    package var digest: String { box.content.digest }
    package var marks: ObjectMarks { box.content.marks }
    /// JSON pointers to the fields that are left as they are in the cluster.
    package var ignored: Set<String> { box.content.ignored }
    package var secrecy: Secrecy { box.content.secrecy }
    package var kind: GroupVersionKind { box.content.rendered.kind }
    package var origin: SourceLocation? { box.content.rendered.origin }
    /// A Job is a step: it runs once for what it says, and again when it says something else.
    package var runsOnce: Bool { key.groupKind == Self.job }

    package static let job = GroupKind(group: "batch", kind: "Job")

    package static func == (a: Self, b: Self) -> Bool { a.box === b.box || a.box.content == b.box.content }

    package func hash(into hasher: inout Hasher) { hasher.combine(key) }
}

/// All that a unit wants, checked as far as it can be without asking the cluster about any object.
package struct DesiredTree: Hashable, Sendable {
    package let objects: [DesiredObject]
    package let inventory: ResourceInventory

    /// - Parameter scopes: whether a kind is namespaced, for the kinds that the cluster knows.
    /// - Parameter ignored: the fields of an object that are left as they are.
    /// - Parameter secrecy: what is not to be told of them.
    /// - Parameter holds: whether a unit among them is kept.
    /// - Throws: every object wanted twice, every namespaced object that says no namespace, and what a Secret cannot say.
    package init(
        _ manifests: [PackedManifest], owner: Ownership, scopes: [GroupKind: Bool], ignored: (Manifest) -> Set<String> = { _ in [] },
        secrecy: Secrecy = Secrecy(), holds: (Manifest) -> Bool = { _ in true }
    ) throws(Diagnostics) {
        var problems = Diagnostics()
        let placed = manifests.map { manifest in
            guard scopes[manifest.key.groupKind] == false, !manifest.key.namespace.isEmpty else { return manifest }
            var clusterWide = manifest.manifest
            clusterWide.value["metadata"]?["namespace"] = nil
            return PackedManifest(clusterWide)
        }
        for manifest in placed where manifest.key.namespace.isEmpty && scopes[manifest.key.groupKind] == true {
            problems.append(
                Diagnostic(
                    .error, "a \(manifest.key.kind) lives in a namespace, and none is given", subject: manifest.key.description,
                    at: manifest.origin, remedy: "add metadata.namespace, or a kustomization.yaml with `namespace:` beside it"))
        }
        problems.append(contentsOf: Diagnostics(Self.duplicates(in: placed)))
        for manifest in placed where manifest.key.groupKind == Self.secret {
            problems.append(contentsOf: Diagnostics(manifest.manifest.stringDataProblems))
        }
        try problems.throwIfErrors()
        objects = ApplyOrder.sorted(placed, by: \.key).map {
            DesiredObject(
                $0, owner: owner, ignored: ignored, secrecy: secrecy, isHeld: $0.key.unit == nil || holds($0.manifest))
        }
        inventory = ResourceInventory(Dictionary(objects.map { ($0.key, ResourceInventory.Entry(version: $0.kind.version)) }) { $1 })
    }

    private static let secret = GroupKind(group: "", kind: "Secret")

    /// One finding for each object that is wanted more than once, at the later place and naming the earlier one.
    private static func duplicates(in manifests: [PackedManifest]) -> [Diagnostic] {
        var first: [ObjectKey: PackedManifest] = [:]
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
