package import KubernetesModel
package import YAML

extension FakeClusterAPI {
    package func apply(_ manifest: Manifest, options: ApplyOptions) async throws -> Manifest {
        let kind = manifest.groupVersionKind
        try begin(.apply, kind, manifest.namespace, manifest.name, isDryRun: options.dryRun, user: options.user)
        try await pass(.apply, manifest.name)
        let key = try key(kind, manifest.namespace, manifest.name)
        try requireNamespace(of: key)
        let existing = objects[key]
        var owners = ownership[key] ?? FieldOwnership()
        let merged: Value
        do {
            merged = try owners.apply(
                manifest.preparedForApply.value, to: existing?.value ?? skeleton(of: key, kind), manager: options.fieldManager,
                force: options.force,
                listKeys: ListKeys(for: kind))
        } catch {
            throw ClusterError(
                .conflict, subject: key.description,
                message: "Apply failed with 1 conflict: conflict with \"\(error.manager)\": \(error.field)",
                causes: [.init(field: error.field, reason: "FieldManagerConflict", message: "conflict with \"\(error.manager)\"")])
        }
        try validate(Manifest(merged), kind)
        if options.dryRun { return preview(Manifest(merged), over: existing) }
        ownership[key] = owners
        return store(Manifest(merged), at: key)
    }

    package func create(_ manifest: Manifest) async throws -> Manifest {
        let kind = manifest.groupVersionKind
        try begin(.create, kind, manifest.namespace, manifest.name)
        let key = try key(kind, manifest.namespace, manifest.name)
        try requireNamespace(of: key)
        try validate(manifest, kind)
        if objects[key] != nil { throw ClusterError(.alreadyExists, subject: key.description, message: "already exists") }
        ownership[key, default: FieldOwnership()].update(
            from: .null, to: manifest.value, manager: "create", listKeys: ListKeys(for: kind))
        return store(manifest, at: key)
    }

    package func replace(_ manifest: Manifest, subresource: String?) async throws -> Manifest {
        let kind = manifest.groupVersionKind
        try begin(.replace, kind, manifest.namespace, manifest.name)
        try await pass(.replace, manifest.name)
        let key = try key(kind, manifest.namespace, manifest.name)
        guard let existing = objects[key] else { throw missing(key) }
        if !manifest.resourceVersion.isEmpty, manifest.resourceVersion != existing.resourceVersion {
            throw ClusterError(
                .conflict, subject: key.description,
                message: "the object has been modified; please apply your changes to the latest version and try again")
        }
        var new = manifest
        if let subresource {
            new = existing
            new.value[subresource] = manifest.value[subresource]
        } else if let status = existing.value["status"] {
            new.value["status"] = status
        }
        try validate(new, kind)
        ownership[key, default: FieldOwnership()].update(
            from: existing.value, to: new.value, manager: "replace", listKeys: ListKeys(for: kind))
        return store(new, at: key)
    }

    package func mergePatch(
        _ kind: GroupVersionKind, namespace: String, name: String, patch: Value, subresource: String?
    ) async throws -> Manifest {
        try begin(.patch, kind, namespace, name)
        try await pass(.patch, name)
        let key = try key(kind, namespace, name)
        guard let existing = objects[key] else { throw missing(key) }
        if let wanted = patch[path: "metadata", "resourceVersion"]?.string, wanted != existing.resourceVersion {
            throw ClusterError(.conflict, subject: key.description, message: "the object has been modified")
        }
        var relevant = patch
        if let subresource { relevant = [:] as Value; relevant[subresource] = patch[subresource] }
        let new = Self.merged(existing.value, relevant)
        try validate(Manifest(new), kind)
        if let writers = patch[path: "metadata", "managedFields"]?.array {
            ownership[key]?.set(writers: writers.compactMap { $0["manager"]?.string })
        }
        ownership[key, default: FieldOwnership()].update(
            from: existing.value, to: new, manager: "patch", listKeys: ListKeys(for: kind))
        return store(Manifest(new), at: key)
    }

    package func delete(
        _ kind: GroupVersionKind, namespace: String, name: String, options: DeleteOptions
    ) async throws -> Bool {
        try begin(.delete, kind, namespace, name, user: options.user)
        let key = try key(kind, namespace, name)
        guard let existing = objects[key] else { return false }
        if let uid = options.uid, uid != existing.uid {
            throw ClusterError(
                .conflict, subject: key.description,
                message: "Precondition failed: UID in precondition: \(uid), UID in object meta: \(existing.uid)")
        }
        markOrRemove(key, orphans: options.propagation == .orphan)
        return true
    }

    /// By the definition of the kind, where it has one.
    private func validate(_ manifest: Manifest, _ kind: GroupVersionKind) throws {
        guard let plural = resources[kind.groupKind]?.plural,
            let definition = objects[
                ObjectKey(group: "apiextensions.k8s.io", kind: "CustomResourceDefinition", name: "\(plural).\(kind.group)")],
            let validator = DefinitionValidator(definition, version: kind.version)
        else { return }
        let problems = validator.problems(of: manifest)
        guard problems.isEmpty else {
            throw ClusterError(.invalid, subject: manifest.key.description, message: problems.joined(separator: "; "))
        }
    }

    func missing(_ key: ObjectKey) -> ClusterError {
        ClusterError(.notFound, subject: key.description, message: "not found")
    }

    private func requireNamespace(of key: ObjectKey) throws {
        guard !key.namespace.isEmpty else { return }
        guard let namespace = objects[ObjectKey(group: "", kind: "Namespace", name: key.namespace)] else {
            throw ClusterError(.notFound, subject: key.description, message: "namespaces \"\(key.namespace)\" not found")
        }
        if namespace.isBeingDeleted, objects[key] == nil {
            throw ClusterError(
                .forbidden, subject: key.description,
                message: "unable to create new content in namespace \(key.namespace) because it is being terminated")
        }
    }

    private func skeleton(of key: ObjectKey, _ kind: GroupVersionKind) -> Value {
        var metadata: Value = ["name": .string(key.name)]
        if !key.namespace.isEmpty { metadata["namespace"] = .string(key.namespace) }
        return ["apiVersion": .string(kind.apiVersion), "kind": .string(kind.kind), "metadata": metadata]
    }

    /// RFC 7386.
    private static func merged(_ target: Value, _ patch: Value) -> Value {
        guard let changes = patch.object else { return patch }
        var result = target.object.map(Value.object) ?? .object(Object())
        for change in changes {
            // Typed, since a bare nil would be JSON's null.
            result[change.key] = change.value.isNull ? Value?.none : merged(result[change.key] ?? .null, change.value)
        }
        return result
    }
}
