import Diagnostics
import KubernetesModel
import Kustomize

/// A unit's `spec.ignore`, ready to be asked for each object.
struct IgnoredFields {
    private var rules: [(selector: ObjectSelector?, paths: Set<String>)] = []

    /// - Throws: the first target that cannot be read.
    init(_ rules: [KustomizationSpec.IgnoreRule]) throws(Diagnostic) {
        for rule in rules {
            var selector: ObjectSelector?
            if let target = rule.target { selector = try ObjectSelector(target) }
            self.rules.append((selector, Set(rule.paths)))
        }
    }

    /// JSON pointers to the fields of an object that are left alone.
    func pointers(for manifest: Manifest) -> Set<String> {
        rules.reduce(into: []) { result, rule in
            if rule.selector?.matches(manifest) != false { result.formUnion(rule.paths) }
        }
    }
}
