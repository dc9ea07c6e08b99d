package import YAML

/// `metadata.managedFields`: which writer holds which fields, as server-side apply counts it
/// (https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management).
package enum ManagedFields {
    /// Whose fields pass to the one who keeps the object by git, or they would stay for ever when they leave the repository: people with
    /// kubectl, and Flux' own controller, from which the object may come. fluxcd/kustomize-controller takes over kubectl's the same way.
    /// Not in it: `kubectl annotate` and `kubectl rollout restart`, by which a person speaks to controllers.
    private static let yielding: Set<String> = [
        "kubectl", "kubectl-client-side-apply", "kubectl-edit", "kubectl-patch", "kubectl-create", "kubectl-replace", "kubectl-set",
        "kubectl-label", "before-first-apply", "kustomize-controller",
    ]

    /// The list in which `manager` holds, by server-side apply, also what those hold; nil when they hold nothing.
    /// - Parameter sparing: JSON pointers to fields that stay theirs, with everything below them; not into lists, whose items go by key here.
    package static func takenOver(of live: Manifest, by manager: String, sparing pointers: Set<String> = []) -> Value? {
        let entries = live.value[path: "metadata", "managedFields"]?.array ?? []
        guard let own = entries.firstIndex(where: { isApply($0) && $0["manager"]?.string == manager }) else { return nil }
        var mine = entries[own]
        var others: [Value] = []
        var takesAny = false
        for index in entries.indices where index != own {
            var entry = entries[index]
            guard isYielding(entry) else {
                others.append(entry)
                continue
            }
            let parts = divided(entry["fieldsV1"] ?? [:], by: pointers)
            if let taken = parts.taken {
                takesAny = true
                mine["fieldsV1"] = union(mine["fieldsV1"] ?? [:], taken)
            }
            if let spared = parts.spared {
                entry["fieldsV1"] = spared
                others.append(entry)
            }
        }
        guard takesAny else { return nil }
        return .array([mine] + others)
    }

    /// What people with kubectl and Flux hold.
    package static func yieldingEntries(of live: Manifest) -> [Value] {
        (live.value[path: "metadata", "managedFields"]?.array ?? []).filter(isYielding)
    }

    private static func isYielding(_ entry: Value) -> Bool {
        entry["subresource"] == nil && yielding.contains(entry["manager"]?.string ?? "")
    }

    /// Some fields without those at `pointers` and below, and these.
    private static func divided(
        _ fields: Value, by pointers: Set<String>, at path: FieldPath = FieldPath()
    ) -> (taken: Value?, spared: Value?) {
        if pointers.contains(path.pointer) { return (Value?.none, fields) }
        guard !pointers.isEmpty, let members = fields.object, !members.isEmpty else { return (fields, Value?.none) }
        var (taken, spared) = (Object(), Object())
        for member in members {
            guard member.key.hasPrefix("f:") else {
                taken.append(member.key, member.value)
                continue
            }
            let parts = divided(member.value, by: pointers, at: path.key(String(member.key.dropFirst(2))))
            if let part = parts.taken { taken.append(member.key, part) }
            if let part = parts.spared { spared.append(member.key, part) }
        }
        return (taken.isEmpty ? Value?.none : .object(taken), spared.isEmpty ? Value?.none : .object(spared))
    }

    /// Whether somebody besides `manager` holds a field by server-side apply, and so wants it to stay as it is. Fields in lists are not
    /// looked for: they go by key there and by position in a pointer.
    package static func isApplied(_ keys: [String], in live: Manifest, notBy manager: String) -> Bool {
        (live.value[path: "metadata", "managedFields"]?.array ?? []).contains { entry in
            guard isApply(entry), entry["manager"]?.string != manager else { return false }
            var here = entry["fieldsV1"]
            for key in keys { here = here?["f:" + key] }
            return here != nil
        }
    }

    /// Whether nobody but `manager` holds anything of a field: the object is as it left it.
    package static func isHeld(_ field: String, in live: Manifest, onlyBy manager: String) -> Bool {
        let entries = (live.value[path: "metadata", "managedFields"]?.array ?? []).filter { $0[path: "fieldsV1", "f:" + field] != nil }
        return !entries.isEmpty && entries.allSatisfy { isApply($0) && $0["manager"]?.string == manager }
    }

    private static func isApply(_ entry: Value) -> Bool {
        entry["operation"]?.string == "Apply" && (entry["subresource"]?.string ?? "").isEmpty
    }

    private static func union(_ a: Value, _ b: Value) -> Value {
        var result = a
        for member in b.object ?? Object() { result[member.key] = union(result[member.key] ?? [:], member.value) }
        return result
    }
}
