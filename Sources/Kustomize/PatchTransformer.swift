import Diagnostics
import YAML

/// Applies strategic merge patches, or one JSON patch, to the resources they are for.
struct PatchTransformer: Transformer {
    enum Content {
        case strategicMerge([Resource])
        case json(JSONPatch)
    }

    let content: Content
    let target: Selector?
    var kind = "PatchTransformer"

    func transform(_ set: ResourceSet, _ report: Report) {
        switch content {
        case .strategicMerge(let patches): merge(patches, set, report)
        case .json(let patch): apply(patch, set, report)
        }
        set.dropEmpty()
    }

    private func merge(_ patches: [Resource], _ set: ResourceSet, _ report: Report) {
        if let target {
            guard patches.count == 1, let patch = patches.first else {
                report.add("a patch with a target holds one object, not \(patches.count)", remedy: "split it into one entry for each")
                return
            }
            for resource in selected(by: target, set, report) {
                let copy = patch.copy()
                copy.setAPIVersion(resource.apiVersion)
                merge(copy, into: resource, set, report)
            }
            refuseEqualIDs(in: set, report)
            return
        }
        for patch in patches {
            let positions = set.positions(of: patch.originalID)
            guard let position = positions.first, positions.count == 1 else {
                report.add(
                    positions.isEmpty
                        ? "no resource is \(patch.id.description)" : "\(positions.count) resources are or were \(patch.id.description)",
                    remedy: "a patch without a target names the resource by its kind, name and namespace", isMismatch: true)
                continue
            }
            merge(patch, into: set.all[position], set, report)
        }
    }

    private func merge(_ patch: Resource, into resource: Resource, _ set: ResourceSet, _ report: Report) {
        do throws(MergeFailure) {
            let id = resource.id
            try resource.merge(patch)
            resource.settleSharedPairs()
            report.touch(resource)
            if resource.isEmpty { set.noteEmpty() }
            if resource.isEmpty || resource.id != id { set.invalidate() }
        } catch {
            report.add(error.problem, resource)
        }
    }

    /// Patches that may rename can make two resources one.
    private func refuseEqualIDs(in set: ResourceSet, _ report: Report) {
        guard case .strategicMerge(let patches) = content, patches.contains(where: { $0.allowsNameChange || $0.allowsKindChange }) else {
            return
        }
        var seen: Set<ResourceID> = []
        for resource in set.all where !resource.isEmpty && !seen.insert(resource.id).inserted {
            report.add("the patch gives a second resource the name \(resource.id.description)", resource)
        }
    }

    private func apply(_ patch: JSONPatch, _ set: ResourceSet, _ report: Report) {
        guard let target else {
            report.add("a JSON patch needs a target", remedy: "add `target:` with the kind and name of the resource")
            return
        }
        for resource in selected(by: target, set, report) {
            let id = resource.id
            // patchesJson6902 lets no reference follow a name that it changes.
            if kind == "PatchTransformer" { resource.rememberName() }
            // In kustomize a resource of which something is remembered has annotations, whatever its file says.
            if resource.hasHistory, resource.object["metadata"]?["annotations"] == nil {
                resource.setMetadata("annotations", .object(Object()))
            }
            do throws(MergeFailure) {
                try resource.apply(patch)
                if patch.copies { resource.mayHaveGrown = true }
                report.touch(resource)
            } catch {
                report.add(error.problem, resource)
            }
            if resource.isEmpty { set.noteEmpty() }
            if resource.id != id { set.invalidate() }
        }
    }

    private func selected(by target: Selector, _ set: ResourceSet, _ report: Report) -> [Resource] {
        do throws(MergeFailure) {
            let selector = try CompiledSelector(target)
            return set.all.filter { !$0.isEmpty && selector.matches($0) }
        } catch {
            report.add("target: \(error.problem)")
            return []
        }
    }
}

extension Resource {
    /// Merges a strategic merge patch in; kind, name and namespace stay unless the patch may change them.
    func merge(_ patch: Resource) throws(MergeFailure) {
        let (kind, name, namespace) = (kind, name, namespace)
        if patch.allowsNameChange || patch.allowsKindChange { rememberName() }
        let schema = schema(orOf: patch)
        let merge = StrategicMerge(forms: WrittenFormsBox(forms), patchForms: patch.forms)
        let merged = try change { (value) throws(MergeFailure) -> Bool in
            guard let merged = try merge.merge(.object(patch.object), into: value, schema: schema) else { return false }
            value = merged
            return true
        }
        guard merged, !isEmpty else {
            clear()
            return
        }
        forms = merge.forms.forms
        forms.merge(patch.forms)
        addSources(patch.sources)
        if !patch.allowsKindChange, self.kind != kind { setKind(kind) }
        if !patch.allowsNameChange, self.name != name { setName(name) }
        if self.namespace != namespace { setNamespace(namespace) }
    }
}
