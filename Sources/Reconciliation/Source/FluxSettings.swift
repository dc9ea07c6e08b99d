package import KubernetesModel
import Kustomize
package import YAML

/// How the controllers of a Flux that is left out were told to run, as far as the agent keeps its units, and answers messages, the same way.
package struct FluxSettings: Hashable, Sendable {
    /// With whose rights a unit is applied that names no ServiceAccount itself: this one in the unit's namespace.
    package var defaultServiceAccount: String?
    /// A unit may be built from a source in its own namespace only.
    package var keepsToNamespace = false
    /// A Receiver may name objects in its own namespace only.
    package var receiversKeepToNamespace = false
    /// Units in this namespace only are kept (`--watch-all-namespaces=false`).
    package var watchedNamespace: String?
    /// Units with such labels only are kept (`--watch-label-selector`).
    package var watchedLabels: String?
    /// Has the age keys for units that decrypt and name no Secret.
    package var ageSecret: ObjectKey?

    package init() {}

    package init(json: Value?) {
        defaultServiceAccount = json?["defaultServiceAccount"]?.string
        keepsToNamespace = json?["noCrossNamespaceRefs"]?.bool ?? false
        receiversKeepToNamespace = json?["receiversNoCrossNamespaceRefs"]?.bool ?? false
        watchedNamespace = json?["watchedNamespace"]?.string
        watchedLabels = json?["watchedLabels"]?.string
        if let namespace = json?[path: "sopsAgeSecret", "namespace"]?.string, let name = json?[path: "sopsAgeSecret", "name"]?.string {
            ageSecret = Self.secret(namespace, name)
        }
    }

    /// Takes what the Deployment of a controller says; any other object says nothing.
    mutating func take(_ manifest: Manifest) {
        for argument in FluxFlag.arguments(of: manifest, "notification-controller") where argument.name == "--no-cross-namespace-refs" {
            receiversKeepToNamespace = argument.isOn
        }
        for argument in FluxFlag.arguments(of: manifest, "kustomize-controller") {
            switch argument.name {
            case "--default-service-account": defaultServiceAccount = argument.text
            case "--no-cross-namespace-refs": keepsToNamespace = argument.isOn
            case "--watch-all-namespaces": watchedNamespace = argument.isOn ? nil : manifest.namespace
            case FluxFlag.labelSelector: watchedLabels = FluxFlag.isHeeded(selector: argument.text) ? argument.text : nil
            case "--sops-age-secret": ageSecret = argument.text.map { Self.secret(manifest.namespace, $0) }
            default: break
            }
        }
    }

    /// - Returns: nil where Flux was told nothing that is heeded.
    package var json: Value? {
        guard self != FluxSettings() else { return nil }
        var value: Value = [
            "noCrossNamespaceRefs": .bool(keepsToNamespace), "receiversNoCrossNamespaceRefs": .bool(receiversKeepToNamespace),
        ]
        if let watchedNamespace { value["watchedNamespace"] = .string(watchedNamespace) }
        if let watchedLabels { value["watchedLabels"] = .string(watchedLabels) }
        if let defaultServiceAccount { value["defaultServiceAccount"] = .string(defaultServiceAccount) }
        if let ageSecret { value["sopsAgeSecret"] = ["namespace": .string(ageSecret.namespace), "name": .string(ageSecret.name)] }
        return value
    }

    /// Whether any units are left alone.
    var leavesUnits: Bool { watchedNamespace != nil || watchedLabels != nil }

    /// Why a unit is left alone, as Flux left it; nil for one that is kept.
    func reasonToLeave(_ unit: Manifest) -> String? {
        if let watchedNamespace, unit.namespace != watchedNamespace {
            return "Flux ran with --watch-all-namespaces=false in \(watchedNamespace)"
        }
        guard let watchedLabels, let selector = try? LabelSelector(watchedLabels) else { return nil }
        let labels = unit.value[path: "metadata", "labels"]?.object ?? Object()
        return selector.matches(labels) ? nil : "Flux ran with \(FluxFlag.labelSelector)=\(watchedLabels)"
    }

    /// As the agent of the cluster keeps its units.
    static func inForce(_ api: any ClusterAPI) async throws -> FluxSettings {
        try await StatusReport.all(api).lazy.map(\.flux).first { $0 != FluxSettings() } ?? FluxSettings()
    }

    private static func secret(_ namespace: String, _ name: String) -> ObjectKey {
        ObjectKey(group: "", kind: "Secret", namespace: namespace, name: name)
    }
}
