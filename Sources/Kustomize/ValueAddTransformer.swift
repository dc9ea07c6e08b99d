import YAML

/// kustomize's ValueAddTransformer: puts one text into fields, whole or as one part of a file path.
struct ValueAddTransformer: Transformer {
    struct Target {
        var selector: Selector?
        var fieldPath: String
        var filePathPosition: Int
    }

    let value: String
    let targets: [Target]
    let kind = "ValueAddTransformer"

    func transform(_ set: ResourceSet, _ report: Report) {
        for target in targets {
            do throws(MergeFailure) {
                let selector = try target.selector.map { (selector) throws(MergeFailure) in try CompiledSelector(selector) }
                for resource in set.all where selector?.matches(resource) != false {
                    try resource.change { (root) throws(MergeFailure) in
                        let parts = FieldSpec.parts(target.fieldPath)[...]
                        try write(&root, parts, target)
                    }
                    report.touch(resource)
                }
            } catch {
                report.add(error.problem)
            }
        }
        set.invalidate()
    }

    private func write(_ value: inout Value, _ parts: ArraySlice<String>, _ target: Target) throws(MergeFailure) {
        guard let part = parts.first else {
            guard value.object == nil, value.array == nil else {
                throw MergeFailure(problem: "\(target.fieldPath) holds \(value.kindName)")
            }
            value = .string(inserted(into: value.isNull ? "" : value.scalarText ?? "", target.filePathPosition))
            return
        }
        if value.isNull { value = .object(Object()) }
        let changed: Void? = try value.changeObject { (object) throws(MergeFailure) in
            if object.index(of: part) == nil { object.append(part, .null) }
            guard let index = object.index(of: part) else { return }
            try object.change(at: index) { (inner) throws(MergeFailure) in try write(&inner, parts.dropFirst(), target) }
        }
        if changed == nil { throw MergeFailure(problem: "\(target.fieldPath) leads through \(value.kindName)") }
    }

    /// Position 1 is before the first part of the path, any beyond its end behind the last; 0 replaces the text.
    private func inserted(into path: String, _ position: Int) -> String {
        guard position > 0 else { return value }
        var parts = path.split(separator: "/").map(String.init)
        parts.insert(value, at: min(position - 1, parts.count))
        return (path.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
    }
}
