package import Diagnostics
import YAML

/// A change of an inventory's text that only adds lines: comments, order and layout stay as the person wrote them.
///
/// What comes out is read again, and is given back only when it says what was there before and the addition.
package struct InventoryEdit {
    /// A file and what it is to hold.
    package struct Change: Hashable, Sendable {
        package var file: String
        package var text: String
    }

    let path: String
    let files: [String: String]
    private let spec: ClusterSpec

    /// - Parameters:
    ///   - path: of the inventory.
    ///   - files: as `ClusterSpec.load` takes them.
    package init(_ path: String, files: [String: String]) throws(Diagnostics) {
        self.path = path
        self.files = files
        spec = try ClusterSpec.load(path, files: files)
    }

    /// Pins a host key in the entry of a node that has none.
    package func pinning(_ key: HostKey, of name: String) throws -> Change {
        let line = "hostKeys: [\(key)]"
        guard let node = spec.node(named: name), let entry = entry(of: node), let host = entry.entry("host"),
            let text = files[node.location.file]
        else { throw byHand(name, [line], path) }
        var lines = TextLines(text)
        if entry.entry("hostKeys") != nil { throw byHand(name, [line], node.location.file) }
        if lines.character(at: entry.mark) == "{" {
            lines.insert("hostKeys: [\"\(key)\"], ", at: host.key.mark)
        } else {
            lines.insert([String(repeating: " ", count: host.key.mark.column - 1) + line], after: host.value.mark.line)
        }
        let change = Change(file: node.location.file, text: lines.text)
        var wanted = spec
        for index in wanted.nodes.indices where wanted.nodes[index].name == name { wanted.nodes[index].hostKeys = [key] }
        guard result(of: change)?.withoutPlaces == wanted.withoutPlaces else { throw byHand(name, [line], node.location.file) }
        return change
    }

    /// Adds an entry at the end of the nodes, or a file for it where each node has one.
    package func adding(_ node: NodeSpec) throws -> Change {
        let fields = fields(of: node)
        let change = try hasNodeFiles ? ownFile(node, fields) : inline(node, fields)
        guard var rest = result(of: change), let read = rest.node(named: node.name), read.isReached(as: node) else {
            throw byHand(node.name, fields, path)
        }
        rest.nodes.removeAll { $0.name == node.name }
        guard rest.withoutPlaces == spec.withoutPlaces else { throw byHand(node.name, fields, path) }
        return change
    }

    private var hasNodeFiles: Bool {
        !spec.nodes.isEmpty && spec.nodes.allSatisfy { $0.location.file != path }
    }

    private func ownFile(_ node: NodeSpec, _ fields: [String]) throws -> Change {
        let file = "\(ClusterSpec.nodeDirectory(of: path))/\(node.name).yaml"
        guard files[file] == nil else { throw byHand(node.name, fields, file) }
        let head = ["apiVersion: \(InventoryFormat.apiVersion)", "kind: Node"]
        return Change(file: file, text: (head + fields).map { $0 + "\n" }.joined())
    }

    private func inline(_ node: NodeSpec, _ fields: [String]) throws -> Change {
        guard let text = files[path], let root = try? YAMLReader.documents(text, file: path).first else {
            throw byHand(node.name, fields, path)
        }
        var lines = TextLines(text)
        guard let nodes = root.entry("nodes") else {
            lines.append(["nodes:"] + Self.item(fields, dash: 3))
            return Change(file: path, text: lines.text)
        }
        if nodes.value.isNull {
            lines.insert(Self.item(fields, dash: 3), after: nodes.key.mark.line)
        } else if let last = nodes.value.sequence?.last, lines.character(at: nodes.value.mark) != "[" {
            let dash = lines.indentation(ofLine: last.mark.line) + 1
            let hasGap = (nodes.value.sequence ?? []).count > 1 && lines.isBlank(last.mark.line - 1)
            let end = lines.end(ofBlockAt: last.lastLine, deeperThan: dash)
            lines.insert((hasGap ? [""] : []) + Self.item(fields, dash: dash), after: end)
        } else {
            throw byHand(node.name, fields, path)
        }
        return Change(file: path, text: lines.text)
    }

    /// The lines of a list's item whose dash is in this column.
    private static func item(_ fields: [String], dash: Int) -> [String] {
        let margin = String(repeating: " ", count: dash - 1)
        return fields.enumerated().map { margin + ($0.offset == 0 ? "- " : "  ") + $0.element }
    }

    private func fields(of node: NodeSpec) -> [String] {
        func text(_ text: String) -> String {
            (try? YAMLReader.values(text, file: "").first) == .string(text) ? text : JSONWriter.text(.string(text))
        }
        var fields = ["name: \(text(node.name))", "role: \(node.role.rawValue)", "host: \(text(node.host))"]
        if node.port != 22 { fields.append("port: \(node.port)") }
        if node.user != defaultUser { fields.append("user: \(text(node.user))") }
        fields += node.login.identityFiles.map { "identityFile: \(text($0))" }
        return fields + ["hostKeys: [\(node.hostKeys.map(\.description).joined(separator: ", "))]"]
    }

    /// What a node without `user:` has.
    private var defaultUser: String {
        let root = files[path].flatMap { try? YAMLReader.documents($0, file: path).first }
        return root?["defaults"]?["user"]?.text ?? "root"
    }

    private func entry(of node: NodeSpec) -> Node? {
        guard let text = files[node.location.file], let root = try? YAMLReader.documents(text, file: node.location.file).first else {
            return nil
        }
        return ([root] + (root["nodes"]?.sequence ?? [])).first {
            $0.mark == Mark(line: node.location.line, column: node.location.column) && $0.entry("host") != nil
        }
    }

    /// What the inventory says with the change; nil when it cannot be read.
    private func result(of change: Change) -> ClusterSpec? {
        var files = files
        files[change.file] = change.text
        return try? ClusterSpec.load(path, files: files)
    }

    private func byHand(_ node: String, _ fields: [String], _ file: String) -> Diagnostic {
        Diagnostic(
            .error, "the entry of \(node) cannot be changed without touching what you wrote", subject: file,
            remedy: "write it yourself:\n" + fields.map { "  " + $0 }.joined(separator: "\n"))
    }
}

extension ClusterSpec {
    fileprivate var withoutPlaces: ClusterSpec {
        var spec = self
        let nowhere = SourceLocation(file: "", line: 0)
        spec.location = nowhere
        for index in spec.nodes.indices {
            spec.nodes[index].location = nowhere
            for jump in spec.nodes[index].jumps.indices { spec.nodes[index].jumps[jump].location = nowhere }
        }
        spec.nodes.sort { $0.name < $1.name }
        return spec
    }
}

extension NodeSpec {
    /// The same machine and the same way to it; what the inventory's defaults add is their business.
    fileprivate func isReached(as other: NodeSpec) -> Bool {
        role == other.role && state == other.state && host == other.host && port == other.port && user == other.user
            && hostKeys == other.hostKeys
    }
}

extension Node {
    /// The last line on which anything in it begins.
    fileprivate var lastLine: Int {
        switch content {
        case .scalar: mark.line
        case .sequence(let items): items.map(\.lastLine).max() ?? mark.line
        case .mapping(let entries): entries.map { max($0.key.lastLine, $0.value.lastLine) }.max() ?? mark.line
        }
    }
}
