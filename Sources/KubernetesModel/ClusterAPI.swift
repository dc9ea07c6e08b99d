package import YAML

/// What the project asks of a Kubernetes API server. The client in KubernetesClient speaks it over HTTP; tests have one in memory.
/// Every call throws `ClusterError`.
package protocol ClusterAPI: Sendable {
    /// The scope and plural name of a kind, or nil while the server does not know it.
    func resource(for kind: GroupVersionKind) async throws -> APIResource?
    /// The same of a kind in whichever version the server has, the one that it prefers before others; it is asked each time.
    func resource(for kind: GroupKind) async throws -> APIResource?
    /// nil when there is no such object.
    /// - Parameter user: with whose rights it is read (`Impersonate-User`); nil for the caller's own.
    func get(_ kind: GroupVersionKind, namespace: String, name: String, as user: String?) async throws -> Manifest?
    /// All objects of a kind, page by page; an empty namespace means all namespaces.
    func list(_ kind: GroupVersionKind, namespace: String, labelSelector: String?) async throws -> ObjectList
    /// Server-side apply; returns the object as the server now has it (or would have it, with `dryRun`).
    func apply(_ manifest: Manifest, options: ApplyOptions) async throws -> Manifest
    func create(_ manifest: Manifest) async throws -> Manifest
    /// Replaces the whole object (or its status); the resourceVersion in it guards against a lost update.
    func replace(_ manifest: Manifest, subresource: String?) async throws -> Manifest
    /// A JSON merge patch (RFC 7386).
    func mergePatch(_ kind: GroupVersionKind, namespace: String, name: String, patch: Value, subresource: String?) async throws -> Manifest
    /// Answers when the server accepted the deletion; false when there was no such object. A `uid` guards against deleting a successor.
    func delete(_ kind: GroupVersionKind, namespace: String, name: String, options: DeleteOptions) async throws -> Bool
    /// A token of a ServiceAccount for these audiences; for the API server's own where none is named.
    func requestToken(namespace: String, serviceAccount: String, audiences: [String]) async throws -> ServiceAccountToken
    /// Changes after `resourceVersion`, until the server ends the stream (normal) or an error is thrown.
    func watch(_ kind: GroupVersionKind, namespace: String, labelSelector: String?, resourceVersion: String) async throws
        -> AsyncThrowingStream<WatchEvent, any Error>
    /// GET of a path that is no object: `/readyz`, `/version`.
    func raw(_ path: String) async throws -> (status: Int, body: String)
}

extension ClusterAPI {
    /// With the caller's own rights.
    package func get(_ kind: GroupVersionKind, namespace: String, name: String) async throws -> Manifest? {
        try await get(kind, namespace: namespace, name: name, as: nil)
    }
}

/// How a kind is addressed.
package struct APIResource: Hashable, Sendable {
    package var kind: GroupVersionKind
    package var plural: String
    package var isNamespaced: Bool
    package var verbs: Set<String>

    package init(kind: GroupVersionKind, plural: String, isNamespaced: Bool, verbs: Set<String> = []) {
        self.kind = kind
        self.plural = plural
        self.isNamespaced = isNamespaced
        self.verbs = verbs
    }
}

package struct ObjectList: Sendable {
    package var items: [Manifest]
    /// Where a watch goes on from.
    package var resourceVersion: String

    package init(items: [Manifest], resourceVersion: String) {
        self.items = items
        self.resourceVersion = resourceVersion
    }
}

package struct ApplyOptions: Hashable, Sendable {
    package var fieldManager: String
    package var force: Bool
    package var dryRun: Bool
    /// The user with whose rights it is done (`Impersonate-User`); nil for the caller's own.
    package var user: String?

    package init(fieldManager: String = "homelab", force: Bool = true, dryRun: Bool = false, user: String? = nil) {
        self.fieldManager = fieldManager
        self.force = force
        self.dryRun = dryRun
        self.user = user
    }
}

package struct DeleteOptions: Hashable, Sendable {
    package enum Propagation: String, Sendable { case background = "Background", foreground = "Foreground", orphan = "Orphan" }

    package var propagation: Propagation
    package var uid: String?
    /// The user with whose rights it is done; nil for the caller's own.
    package var user: String?

    package init(propagation: Propagation = .background, uid: String? = nil, user: String? = nil) {
        self.propagation = propagation
        self.uid = uid
        self.user = user
    }
}

package enum WatchEvent: Sendable {
    case added(Manifest)
    case modified(Manifest)
    case deleted(Manifest)
    /// Nothing changed up to this resourceVersion.
    case bookmark(String)
}
