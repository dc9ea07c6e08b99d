import Diagnostics
import KubernetesModel
import YAML

/// How Flux' kustomize-controller was told to run, where a unit would notice and nobody here heeds it, so it is told.
struct FluxFlag: Hashable, Sendable {
    /// `--watch-all-namespaces=false`.
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
            name: "--watch-all-namespaces", effective: false, consequence: "units in all namespaces are applied",
            remedy: "let nobody make Kustomizations in other namespaces, or have a ValidatingAdmissionPolicy refuse them"),
        Known(
            name: "--watch-label-selector", consequence: "units are applied whatever their labels",
            remedy: "set spec.suspend in the Kustomizations that it leaves out"),
    ]

    /// Tells the controllers of a divided Flux apart, all of whose units are the agent's.
    private static let shardLabel = "sharding.fluxcd.io/key"

    /// An argument of the controller.
    struct Argument {
        let name: String
        /// nil for a flag that stands alone, and for one that is given nothing.
        let text: String?

        /// As a switch, which Go's flags read so.
        var isOn: Bool { text.map { !["0", "f", "false"].contains($0.lowercased()) } ?? true }
    }

    /// Of the Deployment of the controller; none of any other object.
    static func arguments(of manifest: Manifest, _ controller: String) -> [Argument] {
        guard manifest.kind == "Deployment", manifest.name == controller else { return [] }
        let containers = manifest.value[path: "spec", "template", "spec", "containers"]?.array ?? []
        return containers.flatMap { container in
            let arguments = (container["args"]?.array ?? []).compactMap(\.string)
            return arguments.indices.map { index in
                let parts = arguments[index].split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                let following = index + 1 < arguments.count ? arguments[index + 1] : nil
                let value = parts.count > 1 ? parts[1] : following.flatMap { $0.hasPrefix("-") ? nil : $0 }
                return Argument(name: parts[0], text: value?.isEmpty == true ? nil : value)
            }
        }
    }

    /// Those that are not heeded, as far as they change anything.
    static func flags(of manifest: Manifest) -> [FluxFlag] {
        arguments(of: manifest, "kustomize-controller").compactMap { argument in
            guard let flag = known.first(where: { $0.name == argument.name }) else { return nil }
            if let effective = flag.effective, effective != argument.isOn { return nil }
            if flag.effective == nil, argument.text?.contains(shardLabel) ?? true { return nil }
            return FluxFlag(
                text: argument.name + (argument.text.map { "=" + $0 } ?? ""), origin: manifest.origin, consequence: flag.consequence,
                remedy: flag.remedy)
        }
    }

    var note: String { "Flux ran with \(text), which is not heeded: \(consequence); \(remedy)" }

    var diagnostic: Diagnostic {
        Diagnostic(.warning, "Flux ran with \(text), which the agent does not heed", at: origin, cause: consequence, remedy: remedy)
    }
}
