import Diagnostics
import YAML

/// Puts resources into a namespace: all that are not known as cluster-scoped, and the places that name it (a Namespace's own
/// name, the services of webhooks, the default account in role bindings).
struct NamespaceTransformer: Transformer {
    enum Subjects: String { case defaultOnly, allServiceAccounts, none }

    let namespace: String
    let specs: [FieldSpec]
    var unsetOnly = false
    var subjects = Subjects.defaultOnly
    let kind = "NamespaceTransformer"

    func transform(_ set: ResourceSet, _ report: Report) {
        guard !namespace.isEmpty else { return }
        var table = FieldSpecTable(specs)
        for resource in set.all {
            resource.rememberName()
            do throws(MergeFailure) {
                if try transform(resource, table.matching(resource.type)) { report.touch(resource) }
            } catch {
                report.add(error.problem, resource)
            }
        }
        set.invalidate()
        reportConflicts(set, report)
    }

    private func reportConflicts(_ set: ResourceSet, _ report: Report) {
        var seen: [ResourceID: Resource] = [:]
        for resource in set.all {
            if let other = seen[resource.id] {
                let place = other.origin.map { " (\($0.file):\($0.line))" } ?? ""
                report.add("two resources would be the same in namespace \"\(namespace)\"\(place)", resource)
            }
            seen[resource.id] = resource
        }
    }

    private func transform(_ resource: Resource, _ specs: [FieldSpec]) throws(MergeFailure) -> Bool {
        var changed = false
        if !resource.id.isClusterScoped {
            if !(unsetOnly && !resource.namespace.isEmpty) { resource.setNamespace(namespace) }
            changed = true
        }
        let isBinding = resource.kind == "RoleBinding" || resource.kind == "ClusterRoleBinding"
        if isBinding { try setSubjects(of: resource) }
        let isCoreV1 = resource.apiVersion == "v1"
        for spec in specs {
            if spec.path == "metadata/namespace" || spec.path == "metadata/name" && !isCoreV1 { continue }
            if isBinding, !spec.type.kind.isEmpty, spec.path == "subjects/namespace" { continue }
            try resource.change { (value) throws(MergeFailure) in
                try spec.visit(&value, missing: .string("")) { (field) throws(MergeFailure) in
                    guard field.object == nil, field.array == nil else {
                        throw MergeFailure(problem: "a namespace is expected, not \(field.kindName)")
                    }
                    set(&field)
                }
            }
            changed = true
        }
        return changed
    }

    private func set(_ field: inout Value) {
        if unsetOnly, !field.isNull, field != "" { return }
        field = .string(namespace)
    }

    private func setSubjects(of resource: Resource) throws(MergeFailure) {
        guard subjects != .none, let list = resource.object["subjects"], !list.isNull else { return }
        guard list.array != nil else { throw MergeFailure(problem: "subjects must be a list, not \(list.kindName)") }
        resource.change { root in
            root.changeObject { object in
                guard let index = object.index(of: "subjects") else { return }
                object.change(at: index) { list in
                    list.changeArray { items in
                        for position in items.indices where isChosen(items[position]) {
                            var field = items[position]["namespace"] ?? ""
                            set(&field)
                            items[position]["namespace"] = field
                        }
                    }
                }
            }
        }
    }

    private func isChosen(_ subject: Value) -> Bool {
        subjects == .allServiceAccounts ? subject["kind"] == "ServiceAccount" : subject["name"] == "default"
    }
}
