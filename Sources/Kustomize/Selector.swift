import Diagnostics
import KubernetesModel
import RegularExpressions
import YAML

/// Picks resources by type, name, namespace, labels and annotations. In patches and in the targets of replacements its parts are
/// regular expressions that must match as a whole, in the sources of replacements they are plain; an empty part matches anything.
struct Selector {
    static let names = ["group", "version", "kind", "name", "namespace", "labelSelector", "annotationSelector"]

    var type = TypeSelector()
    var name = ""
    var namespace = ""
    var labelSelector = ""
    var annotationSelector = ""
    var mark = Mark.start

    init(_ fields: Fields) {
        type = TypeSelector(group: fields.typePart("group"), version: fields.typePart("version"), kind: fields.typePart("kind"))
        name = fields.typePart("name")
        namespace = fields.typePart("namespace")
        labelSelector = fields.string("labelSelector")
        annotationSelector = fields.string("annotationSelector")
        mark = fields.mark
    }

    /// Whether it names nothing but labels or annotations.
    var namesNoID: Bool { type == TypeSelector() && name.isEmpty && namespace.isEmpty }

    /// Whether an id has the parts named here; the empty namespace and "default" are the same.
    func isMatched(by id: ResourceID) -> Bool {
        type.selects(id.type) && (name.isEmpty || name == id.name)
            && (namespace.isEmpty || (namespace == id.effectiveNamespace && !id.isClusterScoped))
    }
}

/// A selector made ready to be asked for many resources.
struct CompiledSelector {
    private let group, version, kind, name, namespace: RegularExpression?
    private let labels, annotations: LabelSelector?

    init(_ selector: Selector) throws(MergeFailure) {
        func expression(_ pattern: String, _ field: String) throws(MergeFailure) -> RegularExpression? {
            guard !pattern.isEmpty else { return nil }
            do throws(RegularExpression.Failure) {
                return try RegularExpression(anchored: pattern)
            } catch {
                throw MergeFailure(problem: "\(field) \"\(pattern)\" is no regular expression: \(error.reason)")
            }
        }
        group = try expression(selector.type.group, "group")
        version = try expression(selector.type.version, "version")
        kind = try expression(selector.type.kind, "kind")
        name = try expression(selector.name, "name")
        namespace = try expression(selector.namespace, "namespace")
        labels = try Self.labels(selector.labelSelector, "labelSelector")
        annotations = try Self.labels(selector.annotationSelector, "annotationSelector")
    }

    static func labels(_ text: String, _ field: String) throws(MergeFailure) -> LabelSelector? {
        guard !text.isEmpty else { return nil }
        do throws(LabelSelector.Failure) {
            return try LabelSelector(text)
        } catch {
            throw MergeFailure(problem: "\(field) \"\(text)\" cannot be read: \(error.problem)")
        }
    }

    /// Whether an id has the parts named; the namespace is compared as it is written.
    func matches(_ id: ResourceID) -> Bool {
        kind?.matches(id.type.kind) != false && group?.matches(id.type.group) != false && version?.matches(id.type.version) != false
            && name?.matches(id.name) != false && namespace?.matches(id.namespace) != false
    }

    var hasLabels: Bool { labels != nil || annotations != nil }

    func matchesLabels(of resource: Resource) -> Bool {
        labels?.matches(resource.labels) != false && annotations?.matches(resource.annotations) != false
    }

    /// Name and namespace match as they are now or as they were at first.
    func matches(_ resource: Resource) -> Bool {
        let id = resource.id
        if let kind, !kind.matches(id.type.kind) { return false }
        if let group, !group.matches(id.type.group) { return false }
        if let version, !version.matches(id.type.version) { return false }
        let original = resource.former.isEmpty ? id : resource.originalID
        if let name, !name.matches(original.name), !name.matches(id.name) { return false }
        if let namespace, !namespace.matches(original.effectiveNamespace), !namespace.matches(id.effectiveNamespace) { return false }
        return matchesLabels(of: resource)
    }
}
