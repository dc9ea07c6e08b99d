import KubernetesModel
import YAML

/// Follows renamed resources in the places that name them. Everything is looked up by name in tables, so that the work grows
/// with the number of references, not with its square.
struct NameReferences {
    private let set: ResourceSet
    private let rules: [NameReference]
    /// The resources that were renamed or moved, by the names they had, in order.
    private var byFormerName: [String: [Resource]] = [:]
    /// For every present namespace, the namespaces its resources came from.
    private var originsByNamespace: [String: Set<String>] = [:]
    private var rulesByType: [GroupVersionKind: [(target: TypeSelector, spec: FieldSpec)]] = [:]

    init(_ set: ResourceSet, rules: [NameReference]) {
        self.set = set
        self.rules = rules
        for resource in set.all {
            originsByNamespace[resource.id.effectiveNamespace, default: []].insert(resource.originalID.effectiveNamespace)
            var names: Set<String> = []
            for name in resource.former where names.insert(name.name).inserted { byFormerName[name.name, default: []].append(resource) }
        }
    }

    mutating func update(_ report: Report) {
        for referrer in set.all where referrer.kind == "RoleBinding" { checkSubjects(of: referrer, report) }
        guard !byFormerName.isEmpty else { return }
        for referrer in set.all {
            let rules = rules(for: referrer.originalID.type)
            guard !rules.isEmpty else { continue }
            let scope = Scope(referrer, originsByNamespace)
            for rule in rules where rule.spec.isPresent(in: .object(referrer.object)) {
                do throws(MergeFailure) {
                    try update(referrer, rule.target, rule.spec, scope)
                } catch {
                    report.add(error.problem, referrer)
                }
            }
        }
        set.invalidate()
    }

    /// A subject's namespace that is there but no text would be taken for another.
    private func checkSubjects(of binding: Resource, _ report: Report) {
        for subject in binding.object["subjects"]?.array ?? [] where subject["kind"] == "ServiceAccount" {
            if let namespace = subject["namespace"], namespace.string == nil {
                report.add("the namespace of a subject must be a string, not \(namespace.kindName)", binding)
            }
        }
    }

    private mutating func rules(for type: GroupVersionKind) -> [(target: TypeSelector, spec: FieldSpec)] {
        if let known = rulesByType[type] { return known }
        let found = rules.flatMap { rule in rule.referrers.matching(type).map { (rule.target, $0) } }
        rulesByType[type] = found
        return found
    }

    /// Which resources a referrer can mean: those of its namespace and cluster-scoped ones; for a role binding also those in the
    /// namespaces of its accounts; anything for a cluster-scoped referrer.
    private struct Scope {
        let referrer: Resource
        let id: ResourceID
        let namespaces: Set<String>?
        let origins: [String: Set<String>]

        init(_ referrer: Resource, _ origins: [String: Set<String>]) {
            self.referrer = referrer
            self.origins = origins
            id = referrer.id
            guard !id.isClusterScoped else {
                namespaces = nil
                return
            }
            var namespaces: Set<String> = [id.effectiveNamespace]
            if id.type.kind == "RoleBinding" {
                for subject in referrer.object["subjects"]?.array ?? [] where subject["kind"] == "ServiceAccount" {
                    if let namespace = subject["namespace"]?.string { namespaces.insert(namespace) }
                }
            }
            self.namespaces = namespaces
        }

        func sees(_ resource: Resource) -> Bool {
            guard let namespaces else { return true }
            let other = resource.id
            if other.isClusterScoped || other.effectiveNamespace == id.effectiveNamespace { return true }
            return resource.kind == "ServiceAccount" && namespaces.contains(resource.namespace)
        }

        /// Whether any resource in sight came from a namespace.
        func hasOrigin(_ namespace: String) -> Bool {
            guard let namespaces else { return origins.values.contains { $0.contains(namespace) } }
            return namespaces.contains { origins[$0]?.contains(namespace) == true }
        }
    }

    private func update(_ referrer: Resource, _ target: TypeSelector, _ spec: FieldSpec, _ scope: Scope) throws(MergeFailure) {
        let role = roleReference(referrer, spec)
        try referrer.change(keepsIdentity: spec.keepsIdentity) { (root) throws(MergeFailure) in
            try spec.visit(&root, missing: nil) { (value) throws(MergeFailure) in
                switch value {
                case .null: return
                case .array:
                    try value.changeArray { (items) throws(MergeFailure) in
                        for index in items.indices where !items[index].isNull { try update(&items[index], target, role, scope, spec) }
                    }
                default: try update(&value, target, role, scope, spec)
                }
            }
        }
    }

    private func update(
        _ value: inout Value, _ target: TypeSelector, _ role: TypeSelector?, _ scope: Scope, _ spec: FieldSpec
    ) throws(MergeFailure) {
        if value.object != nil { return try updateMapping(&value, target, role, scope, spec) }
        let forms = scope.referrer.forms
        guard let name = forms.text(of: value, key: spec.key) else {
            throw MergeFailure(problem: "\(spec.path) holds a list within a list")
        }
        guard let referral = try referral(name, candidates(name, scope), target, role, scope, sameNamespace: false) else { return }
        if referral.name != name { value = forms.value(referral.name, over: value, key: spec.key) }
    }

    /// A mapping names a resource by its `name` and, where it has one, its `namespace`.
    private func updateMapping(
        _ value: inout Value, _ target: TypeSelector, _ role: TypeSelector?, _ scope: Scope, _ spec: FieldSpec
    ) throws(MergeFailure) {
        guard let name = value["name"]?.scalarText else { throw MergeFailure(problem: "\(spec.path) holds a mapping without a name") }
        var candidates = candidates(name, scope)
        if let namespace = value["namespace"]?.scalarText {
            let byOrigin = scope.hasOrigin(namespace)
            candidates = candidates.filter { (byOrigin ? $0.originalID : $0.id).effectiveNamespace == namespace }
        }
        guard let referral = try referral(name, candidates, target, role, scope, sameNamespace: true) else { return }
        let namespace = referral.namespace
        if referral.name == name, namespace.isEmpty { return }
        value["name"] = .string(referral.name)
        if !namespace.isEmpty { value["namespace"] = .string(namespace) }
    }

    private func candidates(_ name: String, _ scope: Scope) -> [Resource] {
        (byFormerName[name] ?? []).filter { scope.sees($0) }
    }

    /// The kind of role that a binding's roleRef names.
    private func roleReference(_ referrer: Resource, _ spec: FieldSpec) -> TypeSelector? {
        guard spec.path.hasSuffix("roleRef/name"), let role = referrer.object["roleRef"], let group = role["apiGroup"]?.scalarText,
            let kind = role["kind"]?.scalarText
        else { return nil }
        return TypeSelector(group: group, kind: kind)
    }

    private func referral(
        _ name: String, _ all: [Resource], _ target: TypeSelector, _ role: TypeSelector?, _ scope: Scope, sameNamespace: Bool
    ) throws(MergeFailure) -> Resource? {
        guard !all.isEmpty else { return nil }
        var candidates = all.filter { candidate in
            let ids = candidate.formerIDs
            return ids.contains { target.selects($0.type) } && (role.map { role in ids.contains { role.selects($0.type) } } ?? true)
        }
        if candidates.count <= 1 { return candidates.first }
        candidates = candidates.filter { scope.referrer.sharesAffixes(with: $0, allowingNone: true) }
        if candidates.count > 1 { candidates = candidates.filter { scope.referrer.sharesAffixes(with: $0, allowingNone: false) } }
        guard let first = candidates.first else { return nil }
        guard candidates.dropFirst().allSatisfy({ $0.name == first.name && (!sameNamespace || $0.namespace == first.namespace) }) else {
            let list = candidates.map(\.id.description).joined(separator: ", ")
            throw MergeFailure(problem: "\"\(name)\" may mean several resources: \(list)")
        }
        return first
    }
}

extension Resource {
    /// Whether two resources got the same prefixes and suffixes, as far as the shorter list goes, counted from the outermost.
    func sharesAffixes(with other: Resource, allowingNone: Bool) -> Bool {
        func same(_ a: [String], _ b: [String]) -> Bool {
            if allowingNone, a.isEmpty || b.isEmpty { return true }
            let count = min(a.count, b.count)
            if count == 0 { return a.count == b.count }
            return a.suffix(count) == b.suffix(count)
        }
        return same(prefixes, other.prefixes) && same(suffixes, other.suffixes)
    }
}
