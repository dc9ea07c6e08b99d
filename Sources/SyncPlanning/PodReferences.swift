package import KubernetesModel
import YAML

/// The ConfigMaps and Secrets that a pod reads: they stay as long as a pod that is running, or may be started, needs them.
package enum PodReferences {
    /// - Parameter object: a Pod, or a ReplicaSet with its template.
    package static func keys(of object: Manifest) -> Set<ObjectKey> {
        let spec = object.kind == "Pod" ? object.value["spec"] : object.value[path: "spec", "template", "spec"]
        guard let spec else { return [] }
        var result: Set<ObjectKey> = []
        func add(_ kind: String, _ name: Value?) {
            guard let name = name?.string else { return }
            result.insert(ObjectKey(group: "", kind: kind, namespace: object.namespace, name: name))
        }
        func addVolume(_ volume: Value) {
            add("ConfigMap", volume[path: "configMap", "name"])
            add("Secret", volume[path: "secret", "secretName"] ?? volume[path: "secret", "name"])
        }
        for volume in spec["volumes"]?.array ?? [] {
            addVolume(volume)
            for source in volume[path: "projected", "sources"]?.array ?? [] { addVolume(source) }
        }
        for secret in spec["imagePullSecrets"]?.array ?? [] { add("Secret", secret["name"]) }
        for field in ["containers", "initContainers", "ephemeralContainers"] {
            for container in spec[field]?.array ?? [] {
                for source in container["envFrom"]?.array ?? [] {
                    add("ConfigMap", source[path: "configMapRef", "name"])
                    add("Secret", source[path: "secretRef", "name"])
                }
                for variable in container["env"]?.array ?? [] {
                    add("ConfigMap", variable[path: "valueFrom", "configMapKeyRef", "name"])
                    add("Secret", variable[path: "valueFrom", "secretKeyRef", "name"])
                }
            }
        }
        return result
    }
}
