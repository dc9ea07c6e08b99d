import Diagnostics
import KubernetesModel
import Kustomize
import Synchronization
import YAML

/// Where the fields of objects were written. A build keeps the line that an object begins at; its fields are looked up in the file when
/// something is to be told of one.
final class FieldPlaces: Sendable {
    struct Place {
        var location: SourceLocation?
        /// Whether the file says of the field what the object says; otherwise something changed it on the way, and the place is the object's.
        var isAsWritten = true
    }

    private let files: any FileTree
    /// The documents of files that were looked at; none of one that cannot be read.
    private let documents = Mutex<[String: [Node]]>([:])

    init(_ files: any FileTree) { self.files = files }

    /// Of a field that is missing the place is that of the one it is missing in.
    /// - Parameter atKey: whether the field's name is meant, not what it holds.
    func place(of path: [PathStep], in object: Manifest, atKey: Bool = false) -> Place {
        guard let node = node(of: object), let origin = object.origin else { return Place(location: object.origin) }
        let found = node.find(path)
        let value = object.value.find(path)
        guard found.isWhole ? found.node.value == value : value == nil else { return Place(location: origin, isAsWritten: false) }
        let mark = atKey || !found.isWhole ? found.key : found.node.mark
        return Place(location: SourceLocation(file: origin.file, line: mark.line, column: mark.column))
    }

    /// The texts of a Kustomization's patches.
    func patches(of object: Manifest) -> [FluxOverlay.PatchPlace?] {
        (object.value[path: "spec", "patches"]?.array ?? []).indices.map { index -> FluxOverlay.PatchPlace? in
            let path: [PathStep] = [.key("spec"), .key("patches"), .index(index), .key("patch")]
            let place = self.place(of: path, in: object)
            guard place.isAsWritten, let location = place.location, let found = node(of: object)?.find(path), found.isWhole else {
                return nil
            }
            return FluxOverlay.PatchPlace(location: location, linesBefore: found.node.linesBeforeText)
        }
    }

    private func node(of object: Manifest) -> Node? {
        guard let origin = object.origin, let document = nodes(in: origin.file).first(where: { $0.mark.line == origin.line }) else {
            return nil
        }
        guard document["kind"]?.text?.hasSuffix("List") == true, let items = document["items"]?.sequence else { return document }
        return items.first { $0["kind"]?.text == object.kind && $0["metadata"]?["name"]?.text == object.name }
    }

    private func nodes(in file: String) -> [Node] {
        if let known = documents.withLock({ $0[file] }) { return known }
        let nodes = (try? read(file)) ?? []
        documents.withLock { $0[file] = nodes }
        return nodes
    }

    /// As a build reads it.
    private func read(_ file: String) throws -> [Node] {
        guard let entry = try files.resolve(file), !entry.isDirectory else { return [] }
        let bytes = try files.read(entry.path, limit: YAMLLimits.default.bytes)
        return try YAMLReader.documents(bytes: bytes, file: file, schema: .resource, rule: .separated)
    }
}

extension Node {
    /// Follows a path as far as it goes: the last field's name, what it holds, and whether that is the path's end.
    fileprivate func find(_ path: [PathStep]) -> (key: Mark, node: Node, isWhole: Bool) {
        var (key, here) = (mark, self)
        for step in path {
            switch step {
            case .key(let name):
                guard let entry = here.entry(name) else { return (key, here, false) }
                (key, here) = (entry.key.mark, entry.value)
            case .index(let index):
                guard let item = here[index] else { return (key, here, false) }
                (key, here) = (item.mark, item)
            }
        }
        return (key, here, true)
    }
}

extension Value {
    fileprivate func find(_ path: [PathStep]) -> Value? {
        var here = self
        for step in path {
            switch step {
            case .key(let name):
                guard let value = here[name] else { return nil }
                here = value
            case .index(let index):
                guard let items = here.array, items.indices.contains(index) else { return nil }
                here = items[index]
            }
        }
        return here
    }
}
