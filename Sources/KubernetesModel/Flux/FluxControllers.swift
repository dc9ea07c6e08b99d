package import Diagnostics
import YAML

/// Controllers of Flux that run in a cluster beside the agent. Both keep the same Kustomizations and GitRepositories then.
package enum FluxControllers {
    package static let deployment = GroupVersionKind(group: "apps", version: "v1", kind: "Deployment")

    /// Finds their Deployments in a list: `flux install` sets it on all that it makes.
    package static let label = "app.kubernetes.io/part-of=flux"

    /// One warning for each namespace in which controllers run whose work is the agent's.
    /// - Parameter deployments: those with the label.
    package static func findings(_ deployments: [Manifest]) -> [Diagnostic] {
        Dictionary(grouping: deployments.filter(isAtWork), by: \.namespace).sorted { $0.key < $1.key }.map { namespace, found in
            let names = found.map(\.name).sorted()
            let running = names.joined(separator: " and ") + (names.count == 1 ? " is" : " are") + " running"
            let stop = "kubectl -n \(namespace) scale deployment \(names.joined(separator: " ")) --replicas=0"
            return Diagnostic(
                .warning, "Flux runs here, too, and keeps what the agent keeps", subject: "namespace \(namespace)",
                cause: "\(running): both write the same statuses, and Flux deletes what left git without the agent's limit",
                remedy: "stop Flux: `\(stop)`, and what would start it again (a Helm release, a FluxInstance)")
        }
    }

    /// A shard's controller has its name behind the usual one.
    private static func isAtWork(_ deployment: Manifest) -> Bool {
        let names = ["kustomize-controller", "source-controller"]
        guard names.contains(where: { deployment.name == $0 || deployment.name.hasPrefix($0 + "-") }) else { return false }
        return (deployment.value[path: "status", "readyReplicas"]?.int ?? 0) > 0
    }
}
