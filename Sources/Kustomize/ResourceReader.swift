import Diagnostics
import YAML

/// Reads files of objects.
struct ResourceReader {
    let run: BuildRun
    let display: String
    /// Where the text starts in its file, for text within a kustomization.
    var offset = 0
    /// In a patch the first of two equal keys counts; in a resource they are an error.
    var isPatch = false
    /// Whether it is a patch for what a target selects.
    var isTargeted = false

    /// How an object came out of the text: as a document, out of a list that was opened as it was read, or by way of JSON.
    private enum Way { case document, opened, json }

    /// The objects of a YAML or JSON text, in order, those of lists behind the others.
    func resources(_ bytes: [UInt8]) throws(Diagnostics) -> [Resource] {
        let documents: [YAMLReader.MarkedValue]
        do throws(YAMLError) {
            documents = try YAMLReader.markedValues(
                bytes: bytes, file: display, schema: isTargeted ? .targetedPatch : isPatch ? .patch : .resource,
                duplicateKeys: isPatch ? .firstWins : .error, rule: .separated)
        } catch {
            throw Diagnostics(error, offset: offset)
        }
        var findings = Diagnostics()
        var resources: [Resource] = []
        var listed: [(value: Value, origin: SourceLocation, forms: WrittenForms, way: Way, source: SourceText)] = []
        for document in documents {
            let origin = SourceLocation(file: display, line: document.mark.line + offset, column: document.mark.column)
            guard case .object(let object) = document.value else {
                findings.append(Diagnostic(.error, "an object is expected, not \(document.value.kindName)", at: origin))
                continue
            }
            if object.isEmpty { continue }
            listed.append((document.value, origin, document.forms, .document, SourceText(bytes, line: document.mark.line)))
        }
        var queue = listed[...]
        while let next = queue.popFirst() {
            guard let object = next.value.object else {
                findings.append(Diagnostic(.error, "an item of a list must be an object, not \(next.value.kindName)", at: next.origin))
                continue
            }
            guard check(object, at: next.origin, &findings) else { continue }
            if let items = items(of: object, at: next.origin, &findings) {
                // The one list of a text kustomize opens as it reads, any other it takes apart by way of JSON.
                let opensDirectly = documents.count == 1 && next.way == .document && object["kind"] == "List"
                for (index, item) in items.enumerated() where !item.isNull && item != .object(Object()) {
                    let source = SourceText(bytes, line: next.origin.line - offset, path: [.key("items"), .index(index)])
                    queue.append((item, next.origin, next.forms, opensDirectly ? .opened : .json, source))
                }
                continue
            }
            let resource = Resource(object, kinds: run.kinds, origin: next.origin)
            if isTargeted { resource.dropEmptyPairs() }
            resource.forms = next.forms
            resource.sources = [next.source]
            if next.way == .json { resource.passThroughJSON() }
            resources.append(resource)
        }
        try findings.throwIfErrors()
        if let comments = CommentSchemas(bytes) { addSchemas(comments, bytes, to: resources) }
        try run.countResources(resources.count)
        return resources
    }

    private func addSchemas(_ comments: CommentSchemas, _ bytes: [UInt8], to resources: [Resource]) {
        guard let nodes = try? YAMLReader.documents(bytes: bytes, file: display, schema: .resource, rule: .separated) else { return }
        for node in nodes {
            let line = node.mark.line + offset
            for resource in resources where resource.origin?.line == line { resource.commentSchema = comments.schema(of: node) }
        }
    }

    /// The items of a list of objects; nil for an object that is none.
    private func items(of object: Object, at origin: SourceLocation, _ findings: inout Diagnostics) -> [Value]? {
        guard object["kind"]?.string?.hasSuffix("List") == true, let items = object["items"] else { return nil }
        switch items {
        case .array(let items): return items
        case .null: return []
        default:
            findings.append(Diagnostic(.error, "items must be a list, not \(items.kindName)", at: origin))
            return []
        }
    }

    private func check(_ object: Object, at origin: SourceLocation, _ findings: inout Diagnostics) -> Bool {
        guard let kind = object["kind"]?.scalarText, !kind.isEmpty, object["kind"] != .null else {
            findings.append(
                Diagnostic(
                    .error, "the object has no kind", at: origin,
                    remedy: "every document of a resource file is a Kubernetes object with apiVersion, kind and metadata.name"))
            return false
        }
        if let metadata = object["metadata"], !metadata.isNull, metadata.object == nil {
            findings.append(Diagnostic(.error, "\(kind): metadata must be a mapping, not \(metadata.kindName)", at: origin))
            return false
        }
        for field in ["labels", "annotations"] {
            if let pairs = object["metadata"]?[field], !pairs.isNull, pairs.object == nil {
                findings.append(Diagnostic(.error, "\(kind): metadata.\(field) must be a mapping, not \(pairs.kindName)", at: origin))
                return false
            }
        }
        let name = object["metadata"]?["name"]
        if kind.hasSuffix("List") || !(name?.scalarText ?? "").isEmpty && name?.isNull == false { return true }
        let generated = object["metadata"]?["generateName"] != nil ? "a generateName is not enough here" : nil
        findings.append(Diagnostic(.error, "\(kind): the object has no metadata.name", at: origin, remedy: generated))
        return false
    }
}

extension Resource {
    /// Of a patch for what a target selects: labels and annotations that hold nothing say nothing, not even that others go.
    fileprivate func dropEmptyPairs() {
        for field in ["labels", "annotations"] {
            if let pairs = object["metadata"]?[field], pairs.object?.isEmpty != false { setMetadata(field, nil) }
        }
    }
}
