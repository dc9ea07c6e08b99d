package import KubernetesModel

extension DesiredObject {
    /// JSON pointers to fields that the manifest does not have and that are others' to set: those that are to be left alone, the status,
    /// marks, whether a unit or a repository is suspended, and how many replicas run where the manifest leaves that to an autoscaler or a
    /// person: without a number the server would set it to 1.
    package var spared: Set<String> {
        let canBeSuspended = [FluxKinds.kustomization.groupKind, FluxKinds.gitRepository.groupKind].contains(key.groupKind)
        let isScaled = key.group == "apps" && ["Deployment", "StatefulSet", "ReplicaSet"].contains(key.kind)
        var fields = ignored.union(ObjectMarks.pointers).union(["/status"])
        if canBeSuspended { fields.insert("/spec/suspend") }
        if isScaled { fields.insert("/spec/replicas") }
        return manifest.lacking(fields)
    }

    /// What people with kubectl, or Flux, have set in the object besides what the manifest says: it goes, unless the object is marked
    /// otherwise. Found only where `live` has its list of writers.
    package func additions(in live: Manifest) -> [FieldDifference] {
        guard !marks.contains(.merged), !ManagedFields.yieldingEntries(of: live).isEmpty else { return [] }
        return KubernetesModel.additions(to: manifest, in: live, sparing: spared).map { secrecy.masked($0, of: origin) }
    }
}
