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

    /// A flag of the controller, and what is different here.
    private struct Known {
        let name: String
        /// Counts only with this value (`true` where it is given none); nil for one whose value is a name or a rule.
        var effective: Bool?
        let consequence: String
        let remedy: String
    }

    private static let known = [
        Known(
            name: "--default-service-account", consequence: "units without serviceAccountName are applied with the agent's rights",
            remedy: "set spec.serviceAccountName in each Kustomization"),
        Known(
            name: "--no-cross-namespace-refs", effective: true,
            consequence: "units may name sources in other namespaces",
            remedy: "let nobody make Kustomizations who may not see those, or have a ValidatingAdmissionPolicy refuse them"),
        Known(
            name: "--sops-age-secret", consequence: "units have only the keys that they name",
            remedy: "set spec.decryption with provider and secretRef in each Kustomization that has encrypted files"),
        Known(
            name: "--watch-all-namespaces", effective: false, consequence: "units in all namespaces are applied",
            remedy: "let nobody make Kustomizations in other namespaces, or have a ValidatingAdmissionPolicy refuse them"),
        Known(
            name: "--watch-label-selector", consequence: "units are applied whatever their labels",
            remedy: "set spec.suspend in the Kustomizations that it leaves out"),
    ]

    /// Tells the controllers of a divided Flux apart, all of whose units are the agent's.
    private static let shardLabel = "sharding.fluxcd.io/key"

    /// Of the Deployment of the controller; none of any other object.
    static func flags(of manifest: Manifest) -> [FluxFlag] {
        guard manifest.kind == "Deployment", manifest.name == "kustomize-controller" else { return [] }
        let containers = manifest.value[path: "spec", "template", "spec", "containers"]?.array ?? []
        return containers.flatMap { container in
            let arguments = (container["args"]?.array ?? []).compactMap(\.string)
            return arguments.indices.compactMap { index in
                let following = index + 1 < arguments.count ? arguments[index + 1] : nil
                return flag(arguments[index], following, at: manifest.origin)
            }
        }
    }

    /// - Parameter following: the value, where the argument is of a flag that needs one and has none itself.
    private static func flag(_ argument: String, _ following: String?, at origin: SourceLocation?) -> FluxFlag? {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let flag = known.first(where: { $0.name == parts[0] }) else { return nil }
        var text = argument
        if let effective = flag.effective {
            let isOff = parts.count > 1 && ["0", "f", "false"].contains(parts[1].lowercased())
            guard effective != isOff else { return nil }
        } else {
            guard let value = parts.count > 1 ? String(parts[1]) : following, !value.isEmpty, !value.contains(shardLabel) else {
                return nil
            }
            text = "\(flag.name)=\(value)"
        }
        return FluxFlag(text: text, origin: origin, consequence: flag.consequence, remedy: flag.remedy)
    }

    var note: String { "Flux ran with \(text), which is not heeded: \(consequence); \(remedy)" }

    var diagnostic: Diagnostic {
        Diagnostic(.warning, "Flux ran with \(text), which the agent does not heed", at: origin, cause: consequence, remedy: remedy)
    }
}
