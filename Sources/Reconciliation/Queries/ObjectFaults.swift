import Diagnostics
import KubernetesModel
import Kustomize
import NodeInventory
import YAML

/// What is wrong with built objects whatever their kind: what no API server takes, and annotations that nobody knows.
struct ObjectFaults {
    private var incomplete: [Diagnostic] = []
    /// By annotation, the first object that has it.
    private var unknown: [String: (count: Int, first: Manifest, place: SourceLocation?)] = [:]

    mutating func add(_ result: BuildResult, _ places: FieldPlaces) {
        for (manifest, provenance) in zip(result.manifests, result.provenance) {
            // What several units build is told once.
            if let fault = Self.incompleteness(manifest, provenance), !incomplete.contains(fault) { incomplete.append(fault) }
            for field in ["annotations", "labels"] {
                for name in manifest.value[path: "metadata", field]?.object?.keys ?? [] where Self.isUnknown(name) {
                    let place = places.place(of: [.key("metadata"), .key(field), .key(name)], in: manifest, atKey: true)
                    unknown[name, default: (0, manifest, place.location)].count += 1
                }
            }
        }
    }

    var findings: [Diagnostic] { incomplete + unknown.sorted { $0.key < $1.key }.map { Self.warning($0.key, $0.value) } }

    private static func incompleteness(_ manifest: Manifest, _ provenance: Provenance) -> Diagnostic? {
        let fields = [
            ("apiVersion", manifest.value["apiVersion"]), ("kind", manifest.value["kind"]),
            ("metadata.name", manifest.value[path: "metadata", "name"]),
        ]
        let faults = fields.compactMap { name, value -> String? in
            guard let value, !value.isNull, value != "" else { return "no \(name)" }
            return value.string == nil ? "\(value.kindName) as its \(name)" : nil
        }
        guard !faults.isEmpty else { return nil }
        let changes = provenance.touches.filter(\.mayBringValues).map(\.told)
        let subject = [manifest.kind, manifest.namespace, manifest.name].filter { !$0.isEmpty }.joined(separator: "/")
        return Diagnostic(
            .error, "the object has \(faults.joined(separator: " and "))",
            subject: subject.isEmpty ? nil : subject, at: manifest.origin,
            cause: changes.isEmpty ? nil : "as changed by \(changes.joined(separator: ", "))",
            remedy: "a Kubernetes object has apiVersion, kind and metadata.name, each a text")
    }

    private static func isUnknown(_ name: String) -> Bool {
        name.hasPrefix(AuthorAnnotations.prefix) && !AuthorAnnotations.known.contains(name)
    }

    private static func warning(_ name: String, _ found: (count: Int, first: Manifest, place: SourceLocation?)) -> Diagnostic {
        let nearest = Suggestion.nearest(to: name, in: AuthorAnnotations.known).map { "did you mean \($0)? " } ?? ""
        return Diagnostic(
            .warning, "nobody acts on \(name)" + (found.count > 1 ? ", which \(found.count) objects have" : ""),
            subject: found.first.key.description, at: found.place,
            remedy: nearest + "there are \(AuthorAnnotations.known.joined(separator: ", "))")
    }
}
