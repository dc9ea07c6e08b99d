import Diagnostics
import KubernetesModel
import YAML

/// An object on its way through a build: what it is now, what it was called before, where it came from and what touched it.
final class Resource {
    /// A name the resource had before a transformer changed it.
    struct FormerName {
        var kind: String
        var name: String
        var namespace: String
    }

    enum Behavior: String { case create, merge, replace }

    private(set) var object: Object
    private let kinds: KindTable
    private(set) var former: [FormerName] = []
    private var cachedID: ResourceID?

    var origin: SourceLocation?
    var touches: [Provenance.Touch] = []
    var prefixes: [String] = []
    var suffixes: [String] = []
    var needsHash = false
    var behavior = Behavior.create
    var isGenerated = false
    var allowsNameChange = false
    var allowsKindChange = false
    /// How the file wrote its scalars.
    var forms = WrittenForms()
    /// What it was read from and what was merged in, as far as it is looked at again.
    var sources: [SourceText] = []
    private static let maximumSources = 16
    /// What comments in the file say of its lists.
    var commentSchema: MergeSchema?
    var sharedPairs: [SharedPair] = []
    /// Whether its size is to be looked at once more before it is written.
    var mayHaveGrown = false
    /// The variables whose values are read from this resource.
    var variables: [String] = []
    /// What `config.kubernetes.io/origin` and `alpha.config.kubernetes.io/transformations` would say.
    var buildOrigin: BuildOrigin?
    var buildTransformations: [BuildOrigin] = []

    init(_ object: Object, kinds: KindTable, origin: SourceLocation?) {
        self.object = object
        self.kinds = kinds
        self.origin = origin
        if let annotations = object["metadata"]?["annotations"]?.object, !annotations.isEmpty { readHistory(annotations) }
    }

    /// Takes over what an earlier, partial kustomize run noted in annotations.
    private func readHistory(_ annotations: Object) {
        func list(_ key: String) -> [String] {
            annotations["internal.config.kubernetes.io/" + key]?.string?.split(separator: ",", omittingEmptySubsequences: false).map(
                String.init) ?? []
        }
        let (names, kinds, namespaces) = (list("previousNames"), list("previousKinds"), list("previousNamespaces"))
        if names.count == kinds.count, names.count == namespaces.count {
            for (index, name) in names.enumerated() {
                former.append(FormerName(kind: kinds[index], name: name, namespace: namespaces[index]))
            }
        }
        prefixes = list("prefixes")
        suffixes = list("suffixes")
        needsHash = list("needsHashSuffix") == ["enabled"]
    }

    /// A resource that a patch deleted, to be dropped from the list.
    var isEmpty: Bool { object.isEmpty }
    func clear() {
        object = Object()
        cachedID = nil
    }

    func copy() -> Resource {
        let copy = Resource(object, kinds: kinds, origin: origin)
        copy.former = former
        copy.cachedID = cachedID
        copy.touches = touches
        copy.prefixes = prefixes
        copy.suffixes = suffixes
        copy.needsHash = needsHash
        copy.behavior = behavior
        copy.isGenerated = isGenerated
        copy.allowsNameChange = allowsNameChange
        copy.allowsKindChange = allowsKindChange
        copy.forms = forms
        copy.sources = sources
        copy.commentSchema = commentSchema
        copy.sharedPairs = sharedPairs
        copy.variables = variables
        copy.buildOrigin = buildOrigin
        copy.buildTransformations = buildTransformations
        return copy
    }

    /// Changes the object. While that goes on the resource still has its old identity, and is not to be looked into.
    ///
    /// - Parameter keepsIdentity: that type, name and namespace stay what they are, which saves looking.
    func change<R, E: Error>(keepsIdentity: Bool = false, _ body: (inout Value) throws(E) -> R) throws(E) -> R {
        let before = keepsIdentity ? nil : (id: id, version: object["apiVersion"])
        var value = Value.object(object)
        object = Object()
        defer {
            object = value.object ?? Object()
            if let before, hasOther(than: before.id, before.version) { cachedID = nil }
        }
        return try body(&value)
    }

    private func hasOther(than id: ResourceID, _ version: Value?) -> Bool {
        object["apiVersion"] != version || text("kind") != id.type.kind || metadata("name") != id.name
            || metadata("namespace") != id.namespace
    }

    /// Whether kustomize has noted something of it in annotations.
    var hasHistory: Bool { !former.isEmpty || !prefixes.isEmpty || !suffixes.isEmpty || needsHash || buildOrigin != nil }

    /// How often something of it was noted.
    var historyCount: Int { former.count + prefixes.count + suffixes.count }

    // MARK: Identity

    var type: GroupVersionKind { id.type }
    var kind: String { id.type.kind }
    var apiVersion: String { text("apiVersion") }
    var name: String { id.name }
    var namespace: String { id.namespace }

    private func text(_ key: String) -> String { object[key].flatMap { forms.text(of: $0, key: key) } ?? "" }

    private func metadata(_ key: String) -> String {
        guard let value = object["metadata"]?[key], !value.isNull else { return "" }
        return forms.text(of: value, key: key) ?? ""
    }

    var id: ResourceID {
        if let cachedID { return cachedID }
        let type = GroupVersionKind(apiVersion: apiVersion, kind: text("kind"))
        let id = ResourceID(
            type: type, name: metadata("name"), namespace: metadata("namespace"), isClusterScoped: kinds.isClusterScoped(type))
        cachedID = id
        return id
    }

    /// The ids it had, the oldest first; group and version are those it has now.
    var formerIDs: [ResourceID] {
        let now = type
        return former.map {
            let type = GroupVersionKind(group: now.group, version: now.version, kind: $0.kind)
            return ResourceID(type: type, name: $0.name, namespace: $0.namespace, isClusterScoped: kinds.isClusterScoped(type))
        }
    }

    var originalID: ResourceID {
        guard let first = former.first else { return id }
        let type = GroupVersionKind(group: type.group, version: type.version, kind: first.kind)
        return ResourceID(type: type, name: first.name, namespace: first.namespace, isClusterScoped: kinds.isClusterScoped(type))
    }

    /// All ids it has or had.
    var anyIDs: [ResourceID] { former.isEmpty ? [id] : formerIDs + [id] }

    /// Notes the present name as a former one, before a change.
    func rememberName() {
        let id = id
        let namespace = id.isClusterScoped ? ResourceID.clusterScope : id.effectiveNamespace
        former.append(FormerName(kind: id.type.kind, name: id.name, namespace: namespace))
    }

    /// How lists of this resource merge; of a patch's where nothing is known of this one's type.
    func schema(orOf patch: Resource) -> MergeSchema? {
        let known = kinds.schema(type) ?? kinds.schema(patch.type)
        if commentSchema == nil, patch.commentSchema == nil { return known }
        let given = [known, patch.commentSchema, commentSchema].compactMap { $0 }
        return given.dropFirst().reduce(given[0]) { $0.overlaid(by: $1) }
    }

    /// Makes another resource's former names and the marks of its build this one's own.
    func takeHistory(of other: Resource) {
        former = other.former
        prefixes = other.prefixes
        suffixes = other.suffixes
        needsHash = needsHash && other.needsHash
        behavior = other.behavior
        variables = other.variables
        touches = other.touches + [Provenance.Touch(step: "generator", location: origin)]
        origin = other.origin
        buildTransformations = other.buildTransformations
    }

    // MARK: Writing

    func addSources(_ more: [SourceText]) { if sources.count + more.count <= Self.maximumSources { sources += more } }

    /// How a value of the object, as it is now, is written where it came from.
    func writing(at path: [PathStep]) -> () -> CommentedNode {
        let (object, sources, forms) = (object, sources, forms)
        return { CommentedNode(at: path, of: .object(object), sources: sources, forms: forms) }
    }

    // MARK: Metadata

    func setName(_ name: String) { setMetadata("name", .string(name)) }
    func setKind(_ kind: String) { change { $0["kind"] = .string(kind) } }
    func setAPIVersion(_ version: String) { change { $0["apiVersion"] = .string(version) } }
    func setNamespace(_ namespace: String) { setMetadata("namespace", namespace.isEmpty ? nil : .string(namespace)) }

    func setMetadata(_ key: String, _ value: Value?) {
        change { root in
            root.changeObject { object in
                if let index = object.index(of: "metadata") {
                    object.change(at: index) { metadata in
                        if metadata.object == nil, value == nil { return }
                        if metadata.object == nil { metadata = .object(Object()) }
                        metadata.changeObject { $0[key] = value }
                    }
                } else if let value {
                    object["metadata"] = .object(Object([Object.Member(key: key, value: value)]))
                }
            }
        }
    }

    var labels: Object { object["metadata"]?["labels"]?.object ?? Object() }
    var annotations: Object { object["metadata"]?["annotations"]?.object ?? Object() }
}
