import KubernetesModel
import YAML

extension FakeClusterAPI {
    struct HistoryEntry {
        var version: Int64
        var kind: GroupKind
        var event: WatchEvent
    }

    struct Watcher {
        var kind: GroupKind
        var namespace: String
        var selector: LabelSelector
        var continuation: AsyncThrowingStream<WatchEvent, any Error>.Continuation
    }

    /// What a dry run answers.
    func preview(_ manifest: Manifest, over existing: Manifest?) -> Manifest {
        existing.map { Self.carried(manifest, over: $0) } ?? Self.stamped(manifest, uid: "", clock: clock)
    }

    /// Stores and tells the watchers; an unchanged object keeps its resourceVersion.
    @discardableResult
    func store(_ manifest: Manifest, at key: ObjectKey) -> Manifest {
        guard let existing = objects[key] else {
            clock += 1
            nextUID += 1
            var stored = Self.stamped(manifest, uid: "uid-\(nextUID)", clock: clock)
            if key.kind == "CustomResourceDefinition" { stored = establish(stored) }
            if key.kind == "Namespace", key.group.isEmpty { stored.value["status"] = ["phase": "Active"] }
            objects[key] = stored
            publish(.added(stored))
            return stored
        }
        var next = Self.carried(manifest, over: existing)
        if next.value == existing.value { return existing }
        if Self.body(of: next) != Self.body(of: existing) {
            Self.set("generation", to: .int((existing.generation ?? 0) + 1), in: &next)
        }
        clock += 1
        Self.set("resourceVersion", to: .string(String(clock)), in: &next)
        if key.kind == "CustomResourceDefinition" { next = establish(next) }
        objects[key] = next
        publish(.modified(next))
        if next.isBeingDeleted { removeIfFree(key) }
        return next
    }

    /// Deletion: at once, or marked when finalizers hold the object.
    func markOrRemove(_ key: ObjectKey, orphans: Bool = false) {
        guard var manifest = objects[key] else { return }
        if !manifest.isBeingDeleted {
            clock += 1
            Self.set("deletionTimestamp", to: "2026-01-01T00:00:00Z", in: &manifest)
            Self.set("resourceVersion", to: .string(String(clock)), in: &manifest)
            objects[key] = manifest
            if !finalizers(of: manifest).isEmpty { publish(.modified(manifest)) }
        }
        if key.group.isEmpty, key.kind == "Namespace" {
            for inner in objects.keys.sorted() where inner.namespace == key.name { markOrRemove(inner) }
        }
        if !orphans {
            for dependent in objects.values.sorted(by: { $0.key < $1.key })
            where (dependent.value[path: "metadata", "ownerReferences"]?.array ?? []).contains(where: { $0["uid"]?.string == manifest.uid })
            {
                markOrRemove(dependent.key)
            }
        }
        removeIfFree(key)
    }

    private func removeIfFree(_ key: ObjectKey) {
        guard var manifest = objects[key], manifest.isBeingDeleted, finalizers(of: manifest).isEmpty else { return }
        if key.group.isEmpty, key.kind == "Namespace", objects.keys.contains(where: { $0.namespace == key.name }) { return }
        clock += 1
        Self.set("resourceVersion", to: .string(String(clock)), in: &manifest)
        objects[key] = nil
        ownership[key] = nil
        publish(.deleted(manifest))
        if !key.namespace.isEmpty { removeIfFree(ObjectKey(group: "", kind: "Namespace", name: key.namespace)) }
    }

    private func finalizers(of manifest: Manifest) -> [Value] { manifest.value[path: "metadata", "finalizers"]?.array ?? [] }

    /// A definition makes its kind known, as the real server does a moment later.
    private func establish(_ definition: Manifest) -> Manifest {
        let spec = definition.value["spec"]
        guard let group = spec?["group"]?.string, let kind = spec?[path: "names", "kind"]?.string else { return definition }
        let versions = spec?["versions"]?.array ?? []
        let served = versions.first { $0["storage"]?.bool == true } ?? versions.first
        resources[GroupKind(group: group, kind: kind)] = APIResource(
            kind: GroupVersionKind(group: group, version: served?["name"]?.string ?? "v1", kind: kind),
            plural: spec?[path: "names", "plural"]?.string ?? "", isNamespaced: spec?["scope"]?.string == "Namespaced")
        var result = definition
        result.value["status"] = ["conditions": [["type": "Established", "status": "True"], ["type": "NamesAccepted", "status": "True"]]]
        return result
    }

    static func stamped(_ manifest: Manifest, uid: String, clock: Int64) -> Manifest {
        var result = Manifest(manifest.value)
        if result.uid.isEmpty { set("uid", to: .string(uid), in: &result) }
        set("resourceVersion", to: .string(String(clock)), in: &result)
        if result.generation == nil { set("generation", to: 1, in: &result) }
        if result.value[path: "metadata", "creationTimestamp"]?.string == nil {
            set("creationTimestamp", to: "2026-01-01T00:00:00Z", in: &result)
        }
        return result
    }

    /// The new content with the identity the server keeps.
    private static func carried(_ manifest: Manifest, over existing: Manifest) -> Manifest {
        var result = Manifest(manifest.value)
        for field in ["uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp"] {
            set(field, to: existing.value[path: "metadata", field], in: &result)
        }
        return result
    }

    private static func body(of manifest: Manifest) -> Value {
        var value = manifest.value
        value["metadata"] = nil
        value["status"] = nil
        return value
    }

    static func set(_ field: String, to value: Value?, in manifest: inout Manifest) {
        var metadata = manifest.value["metadata"] ?? .null
        metadata[field] = value
        manifest.value["metadata"] = metadata
    }
}
