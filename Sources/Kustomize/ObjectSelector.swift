package import Diagnostics
package import KubernetesModel
import RegularExpressions
import YAML

/// Picks objects as the target of a kustomize patch does: each part a regular expression that must match as a whole, labels and
/// annotations by Kubernetes' selectors; an empty part matches anything.
package struct ObjectSelector: Sendable {
    private let group, version, kind, name, namespace: RegularExpression?
    private let labels, annotations: LabelSelector?

    /// - Throws: what part cannot be read.
    package init(_ target: KustomizationSpec.PatchTarget) throws(Diagnostic) {
        group = try Self.expression(target.group, "group")
        version = try Self.expression(target.version, "version")
        kind = try Self.expression(target.kind, "kind")
        name = try Self.expression(target.name, "name")
        namespace = try Self.expression(target.namespace, "namespace")
        do throws(MergeFailure) {
            labels = try CompiledSelector.labels(target.labelSelector, "labelSelector")
            annotations = try CompiledSelector.labels(target.annotationSelector, "annotationSelector")
        } catch {
            throw Diagnostic(.error, error.problem)
        }
    }

    private static func expression(_ pattern: String, _ field: String) throws(Diagnostic) -> RegularExpression? {
        guard !pattern.isEmpty else { return nil }
        do throws(RegularExpression.Failure) {
            return try RegularExpression(anchored: pattern)
        } catch {
            throw Diagnostic(.error, "\(field) \"\(pattern)\" is no regular expression: \(error.reason)")
        }
    }

    package func matches(_ manifest: Manifest) -> Bool {
        let type = manifest.groupVersionKind
        for (expression, text) in [
            (group, type.group), (version, type.version), (kind, type.kind), (name, manifest.name), (namespace, manifest.namespace),
        ] where expression?.matches(text) == false {
            return false
        }
        let metadata = manifest.value["metadata"]
        return labels?.matches(metadata?["labels"]?.object ?? Object()) != false
            && annotations?.matches(metadata?["annotations"]?.object ?? Object()) != false
    }
}
