import Diagnostics
import KubernetesModel
import YAML

/// How Flux' kustomize-controller was told to run, where a unit would notice: nobody here heeds it, so it is told.
struct FluxFlag: Hashable, Sendable {
    /// `--default-service-account=default`.
    let text: String
    let origin: SourceLocation?
    let consequence: String
    let remedy: String

    private static let known: [(name: String, consequence: String, remedy: String)] = [
        (
            "--default-service-account", "units without serviceAccountName are applied with the agent's rights",
            "set spec.serviceAccountName in each Kustomization"
        ),
        (
            "--no-cross-namespace-refs", "units may name sources and dependencies in other namespaces",
            "let nobody make Kustomizations who may not see those, or have a ValidatingAdmissionPolicy refuse them"
        ),
        (
            "--sops-age-secret", "units have only the keys that they name",
            "set spec.decryption with provider and secretRef in each Kustomization that has encrypted files"
        ),
    ]

    /// Of the Deployment of the controller; none of any other object.
    static func flags(of manifest: Manifest) -> [FluxFlag] {
        guard manifest.kind == "Deployment", manifest.name == "kustomize-controller" else { return [] }
        let containers = manifest.value[path: "spec", "template", "spec", "containers"]?.array ?? []
        let arguments = containers.flatMap { $0["args"]?.array ?? [] }.compactMap(\.string)
        return arguments.compactMap { argument in
            let parts = argument.split(separator: "=", maxSplits: 1)
            guard let flag = known.first(where: { $0.name == parts.first ?? "" }), parts.count == 1 || parts[1] != "false" else {
                return nil
            }
            return FluxFlag(text: argument, origin: manifest.origin, consequence: flag.consequence, remedy: flag.remedy)
        }
    }

    var note: String { "Flux ran with \(text), which is not heeded: \(consequence); \(remedy)" }

    var diagnostic: Diagnostic {
        Diagnostic(.warning, "Flux ran with \(text), which the agent does not heed", at: origin, cause: consequence, remedy: remedy)
    }
}
