import Diagnostics
import FileSystem
import KubernetesModel
import Reconciliation
import YAML

/// The result of `homelab trace`: where an object comes from.
struct ObjectTrace: CommandResult {
    let object: Manifest
    let health: Health
    /// What the object's labels say.
    let owner: Ownership?
    let unit: Manifest?
    let source: Manifest?
    /// Where the files at hand make it.
    private(set) var place: SourceLocation?

    /// - Parameter context: what the object's health depends on in its cluster.
    init(of object: Manifest, in catalog: UnitCatalog, _ context: HealthContext) {
        self.object = object
        health = catalog.health(of: object, in: context)
        owner = Ownership(of: object)
        unit = catalog.owner(of: object)
        source = unit.flatMap { catalog.source(of: $0) }
    }

    /// Looks for the file in a folder that has the unit's directory. One that cannot be rendered names none: the cluster has what was
    /// pushed, whatever becomes of the files here.
    mutating func look(in root: String, _ clusters: UnitClusters) async throws {
        guard let unit, Files.exists(root + "/" + KustomizationSpec(of: unit).path) else { return }
        let files = try ClusterTree.files(at: root, of: source)
        place = try? await UnitPreview(of: unit, clusters: clusters).place(of: object.key, in: files)
    }

    var value: Value {
        var value: Value = [
            "object": [
                "apiVersion": .string(object.apiVersion), "kind": .string(object.kind), "namespace": .string(object.namespace),
                "name": .string(object.name), "health": .string(health.status.rawValue), "message": .string(health.message),
            ]
        ]
        if let owner { value["owner"] = .string(owner.description) }
        if let unit {
            value["unit"] = [
                "namespace": .string(unit.namespace), "name": .string(unit.name), "path": .string(KustomizationSpec(of: unit).path),
                "revision": .string(unit.appliedRevision), "ready": .string(unit.readiness.status),
                "message": .string(unit.readiness.message),
            ]
        }
        if let place { value["file"] = ["path": .string(place.file), "line": .int(Int64(place.line))] }
        if let source {
            value["repository"] = [
                "namespace": .string(source.namespace), "name": .string(source.name),
                "url": .string(GitRepositorySpec(of: source).plainURL),
                "ready": .string(source.readiness.status), "message": .string(source.readiness.message),
            ]
        }
        return value
    }

    func text(_ console: Console, isWide: Bool) -> String {
        var lines = ["object      \(object.key)  \(health)"]
        guard let unit else {
            let reason = owner.map { ": its labels name \($0), which is not there" } ?? ": it has no labels of one"
            return (lines + ["unit        none" + reason]).joined(separator: "\n")
        }
        lines.append("unit        \(unit.namespace)/\(unit.name)  \(UnitList.standing(of: unit))")
        lines.append("path        \(KustomizationSpec(of: unit).path)")
        if let place { lines.append("file        \(place.file):\(place.line)") }
        lines.append("revision    \(unit.appliedRevision)")
        lines.append(
            source.map { "repository  \(GitRepositorySpec(of: $0).plainURL)  \(UnitList.standing(of: $0))" } ?? "repository  not there")
        if isWide {
            lines.append("apiVersion  \(object.apiVersion)")
            lines.append("uid         \(object.uid)")
            lines.append("generation  \(object.generation.map(String.init) ?? "none")")
        }
        return lines.joined(separator: "\n")
    }
}

/// The result of `homelab why`.
struct ReasonList: CommandResult {
    let links: [ReasonLink]

    var value: Value {
        .array(links.map { ["depth": .int(Int64($0.depth)), "subject": .string($0.subject), "reason": .string($0.reason)] })
    }

    func text(_ console: Console, isWide: Bool) -> String { links.map(\.description).joined(separator: "\n") }
}
