import YAML

/// Which unit an object belongs to, as its labels say; the labels are Flux's, so that its tools see the owner too.
package struct Ownership: Hashable, Sendable, Comparable, CustomStringConvertible {
    package static let nameLabel = "kustomize.toolkit.fluxcd.io/name"
    package static let namespaceLabel = "kustomize.toolkit.fluxcd.io/namespace"

    package var namespace: String
    package var name: String

    package init(namespace: String, name: String) {
        self.namespace = namespace
        self.name = name
    }

    /// nil when the object has no owner labels.
    package init?(of manifest: Manifest) {
        guard let name = manifest.label(Self.nameLabel), let namespace = manifest.label(Self.namespaceLabel) else { return nil }
        self.init(namespace: namespace, name: name)
    }

    /// The object with this owner's labels.
    package func labelled(_ manifest: Manifest) -> Manifest {
        var result = manifest
        var metadata = manifest.value["metadata"] ?? .null
        var labels = metadata["labels"] ?? .null
        labels[Self.nameLabel] = .string(name)
        labels[Self.namespaceLabel] = .string(namespace)
        metadata["labels"] = labels
        result.value["metadata"] = metadata
        return result
    }

    /// What finds this owner's objects in a list.
    package var labelSelector: String { "\(Self.nameLabel)=\(name),\(Self.namespaceLabel)=\(namespace)" }

    package var description: String { "\(namespace)/\(name)" }

    package static func < (a: Self, b: Self) -> Bool { (a.namespace, a.name) < (b.namespace, b.name) }
}
