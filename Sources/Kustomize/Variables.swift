import YAML

/// kustomize's `vars`: `$(NAME)` in certain fields becomes the value of another resource's field.
struct Variables {
    private let values: [String: Value]
    private static let maximumBytes = 16 << 20

    /// Reads the value of every variable from the resource that was marked as its source.
    init(_ entries: [VariableEntry], in set: ResourceSet, _ report: Report) {
        var sources: [String: Resource] = [:]
        for resource in set.all { for name in resource.variables where sources[name] == nil { sources[name] = resource } }
        var values: [String: Value] = [:]
        for entry in entries {
            guard let resource = sources[entry.name] else {
                report.add("variable \"\(entry.name)\": no resource is \(entry.type.kind) \"\(entry.objectName)\"")
                continue
            }
            do throws(MergeFailure) {
                let path = FieldPath(variable: entry.fieldPath)
                guard let value = try path.value(in: .object(resource.object)) else {
                    throw MergeFailure(problem: "there is no field \(entry.fieldPath)")
                }
                // A time is the text that stands there, and so is what a replacement has made.
                let isText = value.string != nil || resource.forms.isMade(value, of: path.key)
                let text = isText ? resource.forms.text(of: value, key: path.key) : nil
                values[entry.name] = text.map { .string($0) } ?? value
            } catch {
                report.add("variable \"\(entry.name)\": \(error.problem)", resource)
            }
        }
        self.values = values
    }

    func expand(in set: ResourceSet, specs: [FieldSpec], _ report: Report) {
        guard !values.isEmpty else { return }
        for resource in set.all {
            for spec in specs.matching(resource.type) where spec.isPresent(in: .object(resource.object)) {
                do throws(MergeFailure) {
                    try resource.change { (root) throws(MergeFailure) in
                        try spec.visit(&root, missing: nil) { (value) throws(MergeFailure) in try expand(&value, resource.forms) }
                    }
                    try resource.refuseGrowth()
                } catch {
                    report.add(error.problem, resource)
                }
            }
        }
        set.invalidate()
    }

    private func expand(_ value: inout Value, _ forms: WrittenForms) throws(MergeFailure) {
        switch value {
        case .string(let text): value = try expanded(text)
        case .object:
            try value.changeObject { (object) throws(MergeFailure) in
                for index in object.members.indices {
                    guard let text = object[index].value.string else { continue }
                    let new = try expanded(text)
                    object.change(at: index) { $0 = new }
                }
            }
        case .array:
            try value.changeArray { (items) throws(MergeFailure) in
                for index in items.indices {
                    guard let text = items[index].string, !forms.isTime(text, of: "") else {
                        let kind = forms.kindName(of: items[index], key: "")
                        throw MergeFailure(problem: "a list of strings is expected, not one with \(kind)")
                    }
                    items[index] = try expanded(text)
                }
            }
        default: break
        }
    }

    /// A text that is nothing but one variable takes over its type. `$$` stands for one dollar, an unknown variable for itself.
    private func expanded(_ text: String) throws(MergeFailure) -> Value {
        let bytes = Array(text.utf8)
        guard bytes.contains(UInt8(ascii: "$")) else { return .string(text) }
        var result: [UInt8] = []
        var at = 0
        while at < bytes.count {
            guard bytes[at] == UInt8(ascii: "$"), at + 1 < bytes.count else {
                result.append(bytes[at])
                at += 1
                continue
            }
            switch bytes[at + 1] {
            case UInt8(ascii: "$"):
                result.append(UInt8(ascii: "$"))
                at += 2
            case UInt8(ascii: "("):
                guard let close = bytes[(at + 2)...].firstIndex(of: UInt8(ascii: ")")) else {
                    result += bytes[at..<at + 2]
                    at += 2
                    continue
                }
                let name = String(decoding: bytes[at + 2..<close], as: UTF8.self)
                let value = values[name].flatMap { $0.object == nil && $0.array == nil && !$0.isNull ? $0 : Value?.none }
                if at == 0, close == bytes.count - 1, let value { return value }
                result += value?.scalarText.map { Array($0.utf8) } ?? Array(bytes[at...close])
                at = close + 1
                guard result.count <= Self.maximumBytes else {
                    throw MergeFailure(problem: "a text would grow beyond \(Self.maximumBytes) bytes")
                }
            default:
                result += bytes[at..<at + 2]
                at += 2
            }
        }
        return .string(String(decoding: result, as: UTF8.self))
    }
}
