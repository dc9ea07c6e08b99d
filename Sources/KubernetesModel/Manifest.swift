package import Diagnostics
package import YAML

/// An object as somebody wants it or as the API server holds it: unstructured, with the place it was written at.
package struct Manifest: Hashable, Sendable {
    package var value: Value
    /// Where a person wrote it; nil for live objects.
    package var origin: SourceLocation?

    package init(_ value: Value, origin: SourceLocation? = nil) {
        self.value = value
        self.origin = origin
    }

    package var apiVersion: String { value["apiVersion"]?.string ?? "" }
    package var kind: String { value["kind"]?.string ?? "" }
    package var name: String { value[path: "metadata", "name"]?.string ?? "" }
    package var namespace: String { value[path: "metadata", "namespace"]?.string ?? "" }
    package var groupVersionKind: GroupVersionKind { GroupVersionKind(apiVersion: apiVersion, kind: kind) }
    package var key: ObjectKey {
        ObjectKey(group: groupVersionKind.group, kind: kind, namespace: namespace, name: name)
    }

    package var uid: String { value[path: "metadata", "uid"]?.string ?? "" }
    package var resourceVersion: String { value[path: "metadata", "resourceVersion"]?.string ?? "" }
    /// Whether another version of the same object came after this one. resourceVersions of one kind grow; where they are no numbers, nobody
    /// can tell.
    package func isOlder(than resourceVersion: String) -> Bool {
        guard let own = UInt64(self.resourceVersion), let other = UInt64(resourceVersion) else { return false }
        return own < other
    }
    package var generation: Int64? { value[path: "metadata", "generation"]?.int }
    package var isBeingDeleted: Bool { value[path: "metadata", "deletionTimestamp"]?.string != nil }
    package func label(_ key: String) -> String? { value[path: "metadata", "labels"]?[key]?.string }
    package func annotation(_ key: String) -> String? { value[path: "metadata", "annotations"]?[key]?.string }
}
