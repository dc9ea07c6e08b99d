internal import Diagnostics
package import KubernetesModel
package import YAML

/// Objects, one at a time.
extension KubernetesClient {
    package func get(_ kind: GroupVersionKind, namespace: String, name: String, as user: String?) async throws -> Manifest? {
        let target = try await target(kind, namespace, name)
        do {
            return Manifest(try await sender.value(Call(method: "GET", path: target.path, user: user, subject: target.subject)))
        } catch let error as ClusterError where error.kind == .notFound {
            if Self.tellsUnknownKind(error) { throw await unknown(kind, target.subject) }
            return nil
        }
    }

    package func apply(_ manifest: Manifest, options: ApplyOptions) async throws -> Manifest {
        let target = try await target(manifest.groupVersionKind, manifest.namespace, manifest.name)
        let body = target.body(manifest.preparedForApply)
        // Fields that the schema does not have are refused by any apply. Strict would have the server parse the body a second time, only to
        // find members that are there twice, which a body written from a value cannot have.
        var query = [("fieldManager", options.fieldManager), ("force", options.force ? "true" : "false"), ("fieldValidation", "Ignore")]
        if options.dryRun { query.append(("dryRun", "All")) }
        return try await write("PATCH", target, query, "application/apply-patch+yaml", body, user: options.user)
    }

    package func create(_ manifest: Manifest) async throws -> Manifest {
        let target = try await target(manifest.groupVersionKind, manifest.namespace, manifest.name)
        return try await write("POST", target, Self.creationQuery, "application/json", target.body(manifest), path: target.collection)
    }

    /// Asks whether the object could be created, and creates nothing.
    package func dryRunCreate(_ manifest: Manifest) async throws -> Manifest {
        let target = try await target(manifest.groupVersionKind, manifest.namespace, manifest.name)
        return try await write(
            "POST", target, Self.creationQuery + [("dryRun", "All")], "application/json", target.body(manifest), path: target.collection)
    }

    package func replace(_ manifest: Manifest, subresource: String?) async throws -> Manifest {
        let target = try await target(manifest.groupVersionKind, manifest.namespace, manifest.name)
        return try await write("PUT", target, Self.creationQuery, "application/json", target.body(manifest), subresource: subresource)
    }

    package func mergePatch(
        _ kind: GroupVersionKind, namespace: String, name: String, patch: Value, subresource: String?
    ) async throws -> Manifest {
        let target = try await target(kind, namespace, name)
        return try await write("PATCH", target, Self.creationQuery, "application/merge-patch+json", patch, subresource: subresource)
    }

    package func delete(_ kind: GroupVersionKind, namespace: String, name: String, options: DeleteOptions) async throws -> Bool {
        let target = try await target(kind, namespace, name)
        var body: Value = ["kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": .string(options.propagation.rawValue)]
        if let uid = options.uid { body["preconditions"] = ["uid": .string(uid)] }
        do {
            _ = try await sender.value(
                Call(method: "DELETE", path: target.path, body: JSONWriter.bytes(body), user: options.user, subject: target.subject))
            return true
        } catch let error as ClusterError where error.kind == .notFound {
            if Self.tellsUnknownKind(error) { throw await unknown(kind, target.subject) }
            return false
        }
    }

    package func requestToken(namespace: String, serviceAccount: String, audiences: [String]) async throws -> ServiceAccountToken {
        let account = GroupVersionKind(group: "", version: "v1", kind: "ServiceAccount")
        let target = try await target(account, namespace, serviceAccount)
        let body: Value = [
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": audiences.isEmpty ? [:] : ["audiences": .array(audiences.map { .string($0) })],
        ]
        let answer = try await sender.value(
            Call(method: "POST", path: target.path + "/token", body: JSONWriter.bytes(body), subject: target.subject))
        guard let text = answer[path: "status", "token"]?.string, !text.isEmpty else {
            throw ClusterError(.serverFailure, subject: target.subject, message: "the server's answer has no token")
        }
        // Ten minutes is the shortest that a server gives.
        let seconds = answer[path: "spec", "expirationSeconds"]?.int ?? 600
        return ServiceAccountToken(text: Secret(text), lifetime: .seconds(max(seconds, 1)))
    }

    /// Servers that do not know `fieldValidation` (before 1.25) ignore it, so it is always asked for.
    private static var creationQuery: [(String, String)] { [("fieldManager", "homelab"), ("fieldValidation", "Strict")] }

    private func write(
        _ method: String, _ target: ObjectTarget, _ query: [(String, String)], _ contentType: String, _ body: Value, path: String? = nil,
        subresource: String? = nil, user: String? = nil
    ) async throws -> Manifest {
        let path = (path ?? target.path) + (subresource.map { "/\($0)" } ?? "")
        let call = Call(
            method: method, path: path, query: query.map { (name: $0.0, value: $0.1) }, contentType: contentType,
            body: JSONWriter.bytes(body), user: user, subject: target.subject)
        do {
            return Manifest(try await sender.value(call))
        } catch let error as ClusterError where error.kind == .notFound && Self.tellsUnknownKind(error) {
            throw await unknown(target.kind, target.subject)
        }
    }
}

/// Where an object is.
struct ObjectTarget {
    var kind: GroupVersionKind
    var isNamespaced: Bool
    var collection: String
    var name: String
    var subject: String

    var path: String { "\(collection)/\(RequestSender.encoded(name))" }

    /// The object as it is sent; a namespace on a kind that has none would be refused.
    func body(_ manifest: Manifest) -> Value {
        guard !isNamespaced, var metadata = manifest.value["metadata"], metadata["namespace"] != nil else { return manifest.value }
        metadata["namespace"] = nil
        var value = manifest.value
        value["metadata"] = metadata
        return value
    }
}

extension KubernetesClient {
    func target(_ kind: GroupVersionKind, _ namespace: String, _ name: String) async throws -> ObjectTarget {
        let key = ObjectKey(group: kind.group, kind: kind.kind, namespace: namespace, name: name)
        guard let resource = try await discovery.resource(for: kind) else { throw await unknown(kind, key.description) }
        if name.isEmpty { throw ClusterError(.badRequest, subject: key.description, message: "the object has no metadata.name") }
        if resource.isNamespaced, namespace.isEmpty {
            throw ClusterError(.badRequest, subject: key.description, message: "the object has no namespace, and its kind needs one")
        }
        let subject = ObjectKey(group: kind.group, kind: kind.kind, namespace: resource.isNamespaced ? namespace : "", name: name)
        return ObjectTarget(
            kind: kind, isNamespaced: resource.isNamespaced, collection: Self.collection(resource, namespace), name: name,
            subject: subject.description)
    }

    static func collection(_ resource: APIResource, _ namespace: String) -> String {
        let root = resource.kind.group.isEmpty ? "/api/" : "/apis/"
        let scope = resource.isNamespaced && !namespace.isEmpty ? "/namespaces/\(RequestSender.encoded(namespace))" : ""
        return root + resource.kind.apiVersion + scope + "/" + resource.plural
    }

    /// A 404 that is about the kind and not the object: its definition went away under us.
    static func tellsUnknownKind(_ error: ClusterError) -> Bool {
        error.message.hasPrefix("the server could not find the requested resource") || error.message.hasPrefix("404 page not found")
    }

    func unknown(_ kind: GroupVersionKind, _ subject: String) async -> ClusterError {
        await discovery.forget(kind)
        return ClusterError(.unknownKind, subject: subject, message: "the server knows no kind \(kind) (yet)")
    }
}
