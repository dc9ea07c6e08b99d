import YAML

/// What older Flux wrote: the kinds that the agent serves, in versions of their API that had other fields. They mean the same in `v1`.
extension FluxKinds {
    private static let old: [GroupKind: Set<String>] = [
        kustomization.groupKind: ["v1beta1", "v1beta2"], gitRepository.groupKind: ["v1beta1", "v1beta2"],
        receiver.groupKind: ["v1beta1", "v1beta2"],
    ]
    /// Fields without an effect in Flux' last versions that still had them, by kind.
    private static let dropped: [GroupKind: [String]] = [
        kustomization.groupKind: ["validation"], gitRepository.groupKind: ["accessFrom", "gitImplementation"],
    ]

    /// Whether an object is written in a version that the cluster need not serve any more.
    package static func isOld(_ manifest: Manifest) -> Bool {
        let kind = manifest.groupVersionKind
        return old[kind.groupKind]?.contains(kind.version) == true
    }

    /// The object in the version that is served; one of any other kind as it is.
    package static func served(_ manifest: Manifest) -> Manifest {
        guard isOld(manifest) else { return manifest }
        let kind = manifest.groupVersionKind
        var manifest = manifest
        manifest.value["apiVersion"] = .string(GroupVersionKind(group: kind.group, version: "v1", kind: kind.kind).apiVersion)
        guard var spec = manifest.value["spec"], spec.object != nil else { return manifest }
        for field in dropped[kind.groupKind] ?? [] { spec[field] = nil }
        if kind.groupKind == kustomization.groupKind { bringTogetherPatches(in: &spec) }
        manifest.value["spec"] = spec
        return manifest
    }

    /// Whether it is a definition, Flux' own of before 2.0, without the version in which a kind is served here.
    package static func isOutdated(definition: Manifest) -> Bool {
        let spec = definition.value["spec"]
        let kind = GroupKind(group: spec?["group"]?.string ?? "", kind: spec?[path: "names", "kind"]?.string ?? "")
        guard definition.kind == "CustomResourceDefinition", old[kind] != nil else { return false }
        return spec?["versions"]?.array?.contains { $0["name"]?.string == "v1" && $0["served"]?.bool == true } != true
    }

    /// `patchesStrategicMerge` and `patchesJson6902` are `patches`, in the order in which kustomize takes the three.
    private static func bringTogetherPatches(in spec: inout Value) {
        let merges = (spec["patchesStrategicMerge"]?.array ?? []).map { patch -> Value in
            ["patch": .string(patch.string ?? JSONWriter.text(patch))]
        }
        let operations = (spec["patchesJson6902"]?.array ?? []).map { patch -> Value in
            var result: Value = ["patch": .string(JSONWriter.text(patch["patch"] ?? []))]
            if let target = patch["target"] { result["target"] = target }
            return result
        }
        for field in ["patchesStrategicMerge", "patchesJson6902"] { spec[field] = nil }
        guard !merges.isEmpty || !operations.isEmpty else { return }
        spec["patches"] = .array(merges + (spec["patches"]?.array ?? []) + operations)
    }
}
