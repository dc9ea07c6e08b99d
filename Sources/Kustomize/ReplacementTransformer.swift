import YAML

/// Copies a value from one resource into fields of others.
struct ReplacementTransformer: Transformer {
    let entries: [ReplacementEntry]
    let kind = "ReplacementTransformer"

    func transform(_ set: ResourceSet, _ report: Report) {
        for entry in entries {
            do throws(MergeFailure) {
                try apply(entry, set, report)
            } catch {
                Self.tell(error, of: entry, report)
            }
        }
        set.invalidate()
    }

    private static func tell(_ failure: MergeFailure, of entry: ReplacementEntry, _ report: Report, _ resource: Resource? = nil) {
        let step = report.step == "replacements" ? entry.name : "\(report.step): \(entry.name)"
        report.add(failure.problem, step, at: entry.location ?? report.location, resource, isMismatch: failure.isMismatch)
    }

    private func apply(_ entry: ReplacementEntry, _ set: ResourceSet, _ report: Report) throws(MergeFailure) {
        guard let targets = entry.targets, !(entry.source == nil && entry.sourceValue == nil) else {
            throw MergeFailure(problem: "a replacement needs a source and targets")
        }
        if entry.source != nil, entry.sourceValue != nil {
            throw MergeFailure(problem: "a replacement has either a source or a sourceValue")
        }
        let copied =
            try entry.source.map { (source) throws(MergeFailure) in try self.copied(source, set) } ?? Copied(entry.sourceValue ?? "")
        for target in targets {
            guard let select = target.select else { throw MergeFailure(problem: "a target must say which resources to select") }
            let selector = try CompiledSelector(select)
            let rejects = try target.reject.map { (reject) throws(MergeFailure) in
                (selector: try CompiledSelector(reject), namesNoID: reject.namesNoID)
            }
            for resource in set.all where selector.matchesLabels(of: resource) {
                let ids = resource.anyIDs
                if rejects.contains(where: { $0.selector.hasLabels && $0.selector.matchesLabels(of: resource) }) { continue }
                if rejects.contains(where: { reject in !reject.namesNoID && ids.contains { reject.selector.matches($0) } }) { continue }
                guard ids.contains(where: { selector.matches($0) }) else { continue }
                do throws(MergeFailure) {
                    try write(copied, in: resource, target)
                    report.touch(resource)
                } catch {
                    Self.tell(error, of: entry, report, resource)
                }
            }
        }
    }

    /// A value and, if it is plain, its text as the source writes it.
    private struct Copied {
        var value: Value
        var text: String
        /// How the source writes it, with quotes, brackets and comments.
        var writing: (() -> CommentedNode)?

        init(_ text: String) {
            value = .string(text)
            self.text = text
        }

        init(_ value: Value, text: String, writing: @escaping () -> CommentedNode) {
            self.value = value
            self.text = text
            self.writing = writing
        }
    }

    private func copied(_ source: ReplacementEntry.Source, _ set: ResourceSet) throws(MergeFailure) -> Copied {
        let matches = set.all.filter { $0.anyIDs.contains { source.selector.isMatched(by: $0) } }
        guard let resource = matches.first, matches.count == 1 else {
            throw MergeFailure(
                problem: matches.isEmpty ? "no resource matches the source" : "\(matches.count) resources match the source, only one may",
                isMismatch: true)
        }
        let path = FieldPath(source.fieldPath.isEmpty ? "metadata.name" : source.fieldPath)
        guard let (value, way) = try path.find(in: .object(resource.object)), !value.isNull, value != .array([]), value != .object(Object())
        else {
            throw MergeFailure(problem: "the source \(resource.id.description) has nothing at \(path.text)")
        }
        let written = resource.forms.text(of: value, key: path.key)
        guard !source.options.delimiter.isEmpty else {
            return Copied(value, text: written ?? "", writing: resource.writing(at: way))
        }
        guard let text = written else { throw MergeFailure(problem: "only plain values can be split at a delimiter") }
        let parts = Self.split(text, at: source.options.delimiter)
        guard parts.indices.contains(source.options.index) else {
            throw MergeFailure(problem: "index \(source.options.index) is out of bounds: \"\(text)\" has \(parts.count) parts")
        }
        return Copied(parts[source.options.index])
    }

    private func write(_ copied: Copied, in resource: Resource, _ target: ReplacementEntry.Target) throws(MergeFailure) {
        let value = copied.value
        let written = resource.forms
        var forms = written
        defer { resource.forms = forms }
        let creating: FieldPath.Creation =
            !target.options.create
            ? .never : value.object != nil ? .collection(.object(Object())) : value.array != nil ? .collection(.array([])) : .scalar
        for text in target.fieldPaths.isEmpty ? ["metadata.name"] : target.fieldPaths {
            let path = FieldPath(text)
            let count = try resource.change { (root) throws(MergeFailure) in
                try path.change(in: &root, creating: creating, forms: written) { (field, find) throws(MergeFailure) in
                    try Self.replace(&field, with: copied, target.options, &forms, key: path.key, find)
                }
            }
            resource.settleSharedPairs()
            try resource.refuseGrowth()
            if count == 0 { throw MergeFailure(problem: "there is no field \(text), and it is not to be created") }
        }
    }

    private static let maximumText = 1 << 20

    private static func replace(
        _ field: inout Value, with copied: Copied, _ options: ReplacementEntry.Options, _ forms: inout WrittenForms, key: String,
        _ find: FieldPath.Find
    ) throws(MergeFailure) -> CommentedNode? {
        var copied = copied
        // What a replacement made has no type to be kept.
        let isMade = !find.isInText && (find.isNew || forms.isMade(field, of: key))
        // Within a text the options count for nothing.
        if !options.delimiter.isEmpty, !find.isInText {
            // What is no plain value has no text to join.
            let new = copied.text
            guard let old = field.isNull && !isMade ? "" : forms.text(of: field, key: key) else {
                throw MergeFailure(problem: "only plain values can be joined with a delimiter")
            }
            guard old.utf8.count + new.utf8.count <= maximumText else {
                throw MergeFailure(problem: "a text would grow beyond \(maximumText) bytes")
            }
            var parts = split(old, at: options.delimiter)
            if options.index < 0 {
                parts.insert(new, at: 0)
            } else if options.index >= parts.count {
                parts.append(new)
            } else {
                parts[options.index] = new
            }
            copied = Copied(parts.joined(separator: options.delimiter))
        }
        guard field.object == nil, field.array == nil else {
            field = copied.value
            return find.isInYAML ? copied.writing?() : nil
        }
        if find.isInYAML {
            field = .string(copied.text)
            return nil
        }
        // A plain value keeps its type, only its text changes.
        if find.isNew || isMade {
            field = Value(plain: copied.text, schema: .resource)
            if isMade { forms.noteMade(field, of: key) }
        } else if let new = forms.replacement(copied.text, for: field, key: key) {
            field = new
        } else {
            throw MergeFailure(problem: "\"\(copied.text)\" cannot take the place of \(forms.kindName(of: field, key: key))")
        }
        forms.noteWritten(copied.text, of: key, as: field)
        return nil
    }

    private static func split(_ text: String, at delimiter: String) -> [String] {
        var parts: [String] = []
        var rest = text[...]
        while let range = rest.firstRange(of: delimiter) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}
