import YAML

/// kstatus waits for `Bound` for ever where the class binds at the first pod (k3s' own local-path does), which is no error and nothing
/// to wait for: such a claim is current until a pod has chosen its node.
@Sendable func persistentVolumeClaimHealth(_ manifest: Manifest, _ context: HealthContext) -> Health {
    let phase = manifest.value[path: "status", "phase"]?.string ?? "Pending"
    switch phase {
    case "Bound":
        if let resizing = manifest.conditions.first(where: { $0.type.hasSuffix("Resizing") || $0.type.hasPrefix("FileSystemResize") }) {
            return .current("bound; resizing: \(resizing.explanation)")
        }
        return .current("bound")
    case "Lost":
        return .failed("its volume \(manifest.value[path: "spec", "volumeName"]?.string ?? "") is gone")
    default:
        let storageClass = manifest.value[path: "spec", "storageClassName"]?.string ?? context.defaultStorageClass
        if let storageClass, context.classesWaitingForConsumer.contains(storageClass),
            manifest.annotation("volume.kubernetes.io/selected-node") == nil
        {
            return .current("waits for its first pod (class \(storageClass))")
        }
        let place = storageClass.map { $0.isEmpty ? "" : " of class \($0)" } ?? ""
        return .inProgress("\(phase): waits for a volume\(place)")
    }
}
