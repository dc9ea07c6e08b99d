/// The type of an object: API group (empty for the core group), version and kind.
package struct GroupVersionKind: Hashable, Sendable, Comparable, CustomStringConvertible {
    package var group: String
    package var version: String
    package var kind: String

    package init(group: String, version: String, kind: String) {
        self.group = group
        self.version = version
        self.kind = kind
    }

    /// From an object's `apiVersion` (`apps/v1`, `v1`) and `kind`.
    package init(apiVersion: String, kind: String) {
        let kind = SharedText.of(kind)
        if let slash = apiVersion.firstIndex(of: "/") {
            let version = String(apiVersion[apiVersion.index(after: slash)...])
            self.init(group: SharedText.of(apiVersion[..<slash]), version: version, kind: kind)
        } else {
            self.init(group: "", version: apiVersion, kind: kind)
        }
    }

    package var apiVersion: String { group.isEmpty ? version : "\(group)/\(version)" }
    package var groupKind: GroupKind { GroupKind(group: group, kind: kind) }
    package var description: String { "\(apiVersion) \(kind)" }

    package static func < (a: Self, b: Self) -> Bool { (a.group, a.kind, a.version) < (b.group, b.kind, b.version) }
}

/// A type whatever its version: what names the same objects.
package struct GroupKind: Hashable, Sendable, CustomStringConvertible {
    package var group: String
    package var kind: String

    package init(group: String, kind: String) {
        self.group = group
        self.kind = kind
    }

    package var description: String { group.isEmpty ? kind : "\(kind).\(group)" }

    /// Whether Kubernetes itself has the group: no definition brings a kind of it.
    package var isBuiltIn: Bool { ListKeys.isBuiltIn(group) }
}
