package import Diagnostics
import YAML

extension ClusterSpec {
    /// Reads an inventory: the file at `path`, the files of single nodes in `nodeDirectory(of: path)` and the lock file, each where
    /// `files` (path -> text) has it. Throws every problem at once, each with its place.
    package static func load(_ path: String, files: [String: String]) throws(Diagnostics) -> ClusterSpec {
        try loadWithWarnings(path, files: files).spec
    }

    /// As `load`, and the findings that do not stop anything.
    /// - Parameters:
    ///   - unreadable: one finding for each file that is there and could not be read.
    ///   - isTimeZone: whether the tz database has a time zone of this name; nil where nobody can say.
    package static func loadWithWarnings(
        _ path: String, files: [String: String], unreadable: Diagnostics = Diagnostics(), isTimeZone: ((String) -> Bool)? = nil
    ) throws(Diagnostics) -> (spec: ClusterSpec, warnings: Diagnostics) {
        var found = unreadable
        guard let text = files[path] else {
            try unreadable.throwIfErrors()
            throw Diagnostics([
                Diagnostic(.error, "there is no inventory \(path)", remedy: "`homelab init` writes one; -i names another")
            ])
        }
        let cluster = document(text, file: path, schema: .cluster, into: &found)
        let directory = nodeDirectory(of: path)
        let nodes = files.keys.sorted().filter { isNodeFile($0, in: directory) }.compactMap {
            document(files[$0] ?? "", file: $0, schema: .node, into: &found)
        }
        let lock = files[lockFile(of: path)].flatMap { document($0, file: lockFile(of: path), schema: .lock, into: &found) }
        guard let cluster else { throw found }
        var decoder = InventoryDecoder(root: cluster, nodeFiles: nodes, lock: lock, unreadable: unreadable.all.count)
        let spec = decoder.clusterSpec()
        found.append(contentsOf: decoder.diagnostics)
        found.append(contentsOf: InventoryRules.check(spec, root: cluster, sources: decoder.sources))
        if let isTimeZone { found.append(contentsOf: unknownTimeZones(cluster, isTimeZone)) }
        try found.throwIfErrors()
        return (spec, found)
    }

    private static func unknownTimeZones(_ cluster: Located, _ isTimeZone: (String) -> Bool) -> Diagnostics {
        let zones = (cluster["maintenanceWindows"]?.items ?? []).compactMap { $0["timeZone"] }
        return Diagnostics(
            zones.compactMap { zone in
                guard let name = zone.text, !isTimeZone(name) else { return nil }
                return Diagnostic(
                    .error, "maintenanceWindows name the time zone \"\(name)\", which there is not", at: zone.location,
                    remedy:
                        "give a name of the tz database such as Europe/Berlin (`timedatectl list-timezones`), or leave timeZone out for UTC"
                )
            })
    }

    /// `inventory/home.yaml` -> `inventory/home/nodes`.
    package static func nodeDirectory(of path: String) -> String { withoutExtension(path) + "/nodes" }

    /// `inventory/home.yaml` -> `inventory/home.lock.yaml`.
    package static func lockFile(of path: String) -> String { withoutExtension(path) + ".lock.yaml" }

    /// `inventory/home.yaml` -> `home`, which the cluster is called, too, unless its inventory says otherwise.
    package static func stem(of path: String) -> String {
        withoutExtension(path).split(separator: "/").last.map(String.init) ?? path
    }

    private static func withoutExtension(_ path: String) -> String {
        for ending in [".yaml", ".yml"] where path.hasSuffix(ending) { return String(path.dropLast(ending.count)) }
        return path
    }

    private static func isNodeFile(_ path: String, in directory: String) -> Bool {
        path.hasPrefix(directory + "/") && (path.hasSuffix(".yaml") || path.hasSuffix(".yml"))
    }

    /// The one document of a file, checked against its schema; nil when it cannot be used at all.
    private static func document(_ text: String, file: String, schema: ObjectSchema, into found: inout Diagnostics) -> Located? {
        let documents: [Node]
        do {
            documents = try YAMLReader.documents(text, file: file)
        } catch {
            found.append(contentsOf: error.diagnostics)
            return nil
        }
        guard let first = documents.first else {
            found.append(
                Diagnostic(
                    .error, "the file holds nothing", at: SourceLocation(file: file, line: 1),
                    remedy: "begin with apiVersion: \(InventoryFormat.apiVersion) and kind: \(schema.name); `homelab init` shows how it "
                        + "looks"))
            return nil
        }
        if documents.count > 1 {
            found.append(
                Diagnostic(
                    .error, "the file holds \(documents.count) documents",
                    at: SourceLocation(file: file, line: documents[1].mark.line, column: documents[1].mark.column),
                    remedy: "keep one; further nodes go under nodes: or into files of their own"))
        }
        let located = Located(node: first, file: file)
        var check = SchemaCheck()
        check.check(located, schema)
        found.append(contentsOf: check.diagnostics)
        return first.mapping == nil ? nil : located
    }
}

extension YAMLError {
    /// The same findings in the form in which all findings are shown.
    package var diagnostics: Diagnostics {
        Diagnostics(
            all.map { error in
                Diagnostic(
                    .error, error.problem, at: SourceLocation(file: error.file, line: error.line, column: error.column),
                    cause: error.context.isEmpty ? nil : error.context, remedy: error.remedy)
            })
    }

    private var remedy: String? {
        if context.contains("in quotes") { return nil }
        if problem.contains("cannot start any token") {
            return "indent with spaces, not with tabs; put text that begins with @ or ` in quotes"
        }
        if problem.contains("set twice") { return "remove one of the two" }
        if ["larger than", "more than", "deeper than"].contains(where: problem.contains) { return "see what was written into it" }
        return "check the indentation, the brackets and the quotes of this line and of the one before"
    }
}
