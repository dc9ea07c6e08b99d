package import Diagnostics

/// Where an object of a build came from and what changed it on the way.
package struct Provenance: Hashable, Sendable {
    /// One change: the step's name (`namePrefix`, `patches[2]`) and the place that asked for it.
    package struct Touch: Hashable, Sendable {
        package var step: String
        package var location: SourceLocation?
    }

    /// The object's own file and line, or the generator that made it.
    package var origin: SourceLocation?
    package var touches: [Touch]
    /// Whether a generator made it, or its data was merged in.
    package var isGenerated: Bool
}

/// What kustomize's `buildMetadata` annotations tell of an origin.
struct BuildOrigin {
    var path = ""
    var repository = ""
    var reference = ""
    var configuredIn = ""
    var configuredBy: (apiVersion: String, kind: String, name: String, namespace: String)?

    func appending(_ path: String) -> BuildOrigin {
        var origin = self
        origin.path = Path.clean(self.path.isEmpty ? path : self.path + "/" + path)
        return origin
    }

    /// As YAML, each line after the first behind `indent`.
    func text(indent: String = "") -> String {
        var lines: [String] = []
        if !path.isEmpty { lines.append("path: \(path)") }
        if !repository.isEmpty { lines.append("repo: \(repository)") }
        if !reference.isEmpty { lines.append("ref: \(reference)") }
        if !configuredIn.isEmpty { lines.append("configuredIn: \(configuredIn)") }
        if let by = configuredBy {
            lines.append("configuredBy:")
            lines.append("  apiVersion: \(by.apiVersion)")
            lines.append("  kind: \(by.kind)")
            if !by.name.isEmpty { lines.append("  name: \(by.name)") }
            if !by.namespace.isEmpty { lines.append("  namespace: \(by.namespace)") }
        }
        return lines.joined(separator: "\n" + indent) + "\n"
    }
}
