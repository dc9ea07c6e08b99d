import Diagnostics
import KubernetesModel
import Kustomize
import YAML

/// How Flux' kustomize-controller was told to run, where that cannot be heeded, so it is told.
struct FluxFlag: Hashable, Sendable {
    static let labelSelector = "--watch-label-selector"

    /// `--watch-label-selector=team in`.
    let text: String
    let origin: SourceLocation?

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

    static func isHeeded(selector: String?) -> Bool {
        guard let selector, !selector.contains(shardLabel) else { return false }
        return (try? LabelSelector(selector)) != nil
    }

    /// Those that cannot be read.
    static func flags(of manifest: Manifest) -> [FluxFlag] {
        arguments(of: manifest, "kustomize-controller").compactMap { argument in
            guard argument.name == labelSelector, let selector = argument.text, (try? LabelSelector(selector)) == nil else { return nil }
            return FluxFlag(text: "\(argument.name)=\(selector)", origin: manifest.origin)
        }
    }

    private static let consequence = "units are applied whatever their labels"
    private static let remedy = "correct the selector, which is of the form app=web,tier!=db,env in (a,b),!legacy"

    var note: String { "Flux ran with \(text), which cannot be read: \(Self.consequence); \(Self.remedy)" }

    var diagnostic: Diagnostic {
        Diagnostic(.warning, "Flux ran with \(text), which cannot be read", at: origin, cause: Self.consequence, remedy: Self.remedy)
    }
}
