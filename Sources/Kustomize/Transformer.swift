import Diagnostics
import YAML

/// One step that changes the resources of a layer.
protocol Transformer {
    /// The kind in kustomize's words, `PrefixTransformer`.
    var kind: String { get }
    /// Changes the resources; what fails goes to `report`, the others go on.
    func transform(_ set: ResourceSet, _ report: Report)
}

/// Where a step's failures go, with the place in the repository that asked for the step.
final class Report {
    let location: SourceLocation?
    /// What the step is called in messages and provenance: `patches[2]`.
    let step: String
    private(set) var diagnostics = Diagnostics()
    /// Of these, that nothing was found to change or to copy from.
    private(set) var mismatches = Diagnostics()

    init(step: String, location: SourceLocation?) {
        self.step = step
        self.location = location
    }

    func add(_ problem: String, _ resource: Resource? = nil, remedy: String? = nil, isMismatch: Bool = false) {
        add(problem, step, at: location, resource, remedy: remedy, isMismatch: isMismatch)
    }

    /// - Parameter step: a part of this step, with a place of its own.
    func add(
        _ problem: String, _ step: String, at location: SourceLocation?, _ resource: Resource? = nil, remedy: String? = nil,
        isMismatch: Bool = false
    ) {
        var cause: String?
        if let resource {
            cause = "\(resource.id.description)" + (resource.origin.map { " of \($0.file):\($0.line)" } ?? "")
        }
        let finding = Diagnostic(.error, "\(step): \(problem)", at: location, cause: cause, remedy: remedy)
        diagnostics.append(finding)
        if isMismatch { mismatches.append(finding) }
    }

    /// Notes in a resource that this step changed it.
    func touch(_ resource: Resource) { resource.touches.append(Provenance.Touch(step: step, location: location)) }
}

extension Resource {
    /// Sets every pair in the mappings at the places; true when there was one.
    @discardableResult
    func set(_ pairs: [(key: String, value: String)], at specs: [FieldSpec]) throws(MergeFailure) -> Bool {
        var added: [[FieldSpec]] = Array(repeating: [], count: pairs.count)
        try change(keepsIdentity: specs.allSatisfy(\.keepsIdentity)) { (value) throws(MergeFailure) in
            for spec in specs {
                try spec.visit(&value, missing: .object(Object())) { (mapping) throws(MergeFailure) in
                    let set: Void? = mapping.changeObject { object in
                        for (index, pair) in pairs.enumerated() {
                            if object.index(of: pair.key) == nil { added[index].append(spec) }
                            object[pair.key] = .string(pair.value)
                        }
                    }
                    if set == nil { throw MergeFailure(problem: "a mapping is expected, not \(mapping.kindName)") }
                }
            }
        }
        settleSharedPairs()
        for (pair, specs) in zip(pairs, added) where specs.count > 1 {
            sharedPairs.append(SharedPair(key: pair.key, value: .string(pair.value), specs: specs))
        }
        return !specs.isEmpty
    }
}

/// Labels or annotations for every resource.
struct PairsTransformer: Transformer {
    let kind: String
    let pairs: [(key: String, value: String)]
    let specs: [FieldSpec]

    func transform(_ set: ResourceSet, _ report: Report) {
        guard !pairs.isEmpty else { return }
        var table = FieldSpecTable(specs)
        for resource in set.all {
            do throws(MergeFailure) {
                if try resource.set(pairs, at: table.matching(resource.type)) { report.touch(resource) }
            } catch {
                report.add(error.problem, resource)
            }
        }
    }
}

/// A prefix or suffix for names; CustomResourceDefinitions, APIServices and Namespaces keep theirs.
struct NameAffixTransformer: Transformer {
    var prefix = ""
    var suffix = ""
    let specs: [FieldSpec]

    var kind: String { suffix.isEmpty ? "PrefixTransformer" : "SuffixTransformer" }

    private static let exempt = [
        TypeSelector(kind: "CustomResourceDefinition"), TypeSelector(group: "apiregistration.k8s.io", kind: "APIService"),
        TypeSelector(kind: "Namespace"),
    ]

    func transform(_ set: ResourceSet, _ report: Report) {
        for resource in set.all {
            let type = resource.originalID.type
            guard !Self.exempt.contains(where: { $0.selects(type) }) else { continue }
            for spec in specs.matching(type) {
                if spec.path == "metadata/name" {
                    if !prefix.isEmpty { resource.prefixes.append(prefix) }
                    if !suffix.isEmpty { resource.suffixes.append(suffix) }
                    resource.rememberName()
                }
                var forms = resource.forms
                do throws(MergeFailure) {
                    try resource.change { (value) throws(MergeFailure) in
                        try spec.visit(&value, missing: .string("")) { (name) throws(MergeFailure) in
                            guard let text = forms.text(of: name, key: spec.key), !name.isNull else {
                                if name.isNull { return }
                                throw MergeFailure(problem: "a string is expected, not \(name.kindName)")
                            }
                            name = forms.put(prefix + text + suffix, over: name, key: spec.key)
                        }
                    }
                    resource.forms = forms
                    report.touch(resource)
                } catch {
                    report.add(error.problem, resource)
                }
            }
        }
        set.invalidate()
    }
}

/// Replica counts for workloads found by a name they have or had.
struct ReplicaTransformer: Transformer {
    let entry: ReplicaEntry
    let specs: [FieldSpec]
    let kind = "ReplicaCountTransformer"

    func transform(_ set: ResourceSet, _ report: Report) {
        var found = false
        for resource in set.all {
            guard resource.name == entry.name || resource.former.contains(where: { $0.name == entry.name }) else { continue }
            for spec in specs where resource.anyIDs.contains(where: { $0.name == entry.name && spec.type.selects($0.type) }) {
                found = true
                guard spec.type.selects(resource.type) else { continue }
                let forms = resource.forms
                do throws(MergeFailure) {
                    try resource.change(keepsIdentity: spec.keepsIdentity) { (value) throws(MergeFailure) in
                        try spec.visit(&value, missing: .int(0)) {
                            $0 = forms.value(String(entry.count), over: $0, key: spec.key)
                        }
                    }
                    report.touch(resource)
                } catch {
                    report.add(error.problem, resource)
                }
            }
        }
        if !found {
            let kinds = specs.map(\.type.kind).joined(separator: ", ")
            report.add("no resource called \"\(entry.name)\" has replicas to set", remedy: "looked for: \(kinds)", isMismatch: true)
        }
    }
}
