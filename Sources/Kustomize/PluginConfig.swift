import Diagnostics
import YAML

/// A configuration object of a built-in generator or transformer.
struct PluginConfig {
    let resource: Resource
    let location: SourceLocation
    let findings: FileFindings

    init(_ resource: Resource, place: SourceLocation) {
        self.resource = resource
        location = resource.origin ?? place
        findings = FileFindings(file: location.file, isStrict: false)
    }

    /// The kind when it is a built-in one, else empty.
    var kind: String { resource.apiVersion == "builtin" ? resource.kind : "" }

    func fields(_ names: [String]) -> Fields {
        let mark = Mark(line: location.line, column: location.column)
        return Fields(Node(.object(resource.object), mark: mark), names: names, findings: findings)
    }

    /// What buildMetadata annotations say of things this object made or changed.
    var origin: BuildOrigin? {
        resource.buildOrigin.map { from in
            var made = BuildOrigin()
            made.configuredIn = from.path
            made.configuredBy = (resource.apiVersion, resource.kind, resource.name, resource.namespace)
            return made
        }
    }

    func unknown(_ role: String) -> Diagnostic {
        if resource.apiVersion == "builtin" {
            return Diagnostic(.error, "there is no built-in \(role) \(resource.kind)", at: location)
        }
        return Diagnostic(
            .error, "\(resource.id.description) is a plugin", at: location, cause: "it would run a program, which homelab never does",
            remedy: "use built-in \(role)s (apiVersion: builtin), or run the plugin beforehand and list its output under \"resources\"")
    }
}
