import Diagnostics
package import KubernetesModel
import YAML

/// A unit as a push of some files would leave it, as far as they define it: what a diff plans.
package struct PlannedUnit: Sendable {
    /// Its Kustomization, with the status that the cluster has of it.
    package let object: Manifest
    /// Whose definition that is, for people.
    package let note: String

    /// - Parameters:
    ///   - name: as for `UnitCatalog.unit(named:)`.
    ///   - files: nil where they have no directory that the agent covers.
    /// - Throws: `Diagnostic` when neither the cluster nor the files have such a unit, `Diagnostics` when it is new and the files cannot be
    ///   rendered.
    package init(named name: String, in catalog: UnitCatalog, files: RepositoryUnits?) throws {
        if catalog.units(named: name).isEmpty, let files, !files.units(named: name).isEmpty || files.ownProblems.hasErrors {
            try self.init(new: try files.unit(named: name))
        } else {
            self.init(of: try catalog.unit(named: name), files: files)
        }
    }

    private init(new made: RepositoryUnits.Unit) throws {
        guard !made.hasOpenVariables else {
            throw Diagnostic(
                .error, "the unit is new, and these files do not define it completely", subject: made.object.key.description,
                at: made.object.origin, cause: Self.openVariables, remedy: "push it; the agent has the variables")
        }
        object = made.object
        note = "new, as \(Self.place(of: made.object))"
    }

    private init(of live: Manifest, files: RepositoryUnits?) {
        let made = files?.units.first { $0.object.key == live.key }
        if let made, !made.hasOpenVariables {
            object = Self.merged(made.object, over: live)
            note = "as \(Self.place(of: made.object))"
        } else {
            object = live
            let isWhole = files.map { !$0.ownProblems.hasErrors && !$0.units.contains { $0.problems.hasErrors } } ?? true
            let reason = "these files do not define it" + (isWhole ? "" : ", as far as they can be rendered")
            note = "as the cluster has it; \(made == nil ? reason : Self.openVariables)"
        }
    }

    private static let openVariables = "its definition in these files has variables whose values they do not have"

    private static func place(of object: Manifest) -> String { "\(object.origin?.description ?? "a generator here") defines it" }

    /// Annotations that were set in the cluster stay there, as with a server-side apply.
    private static func merged(_ definition: Manifest, over live: Manifest) -> Manifest {
        var result = definition
        var annotations = live.value[path: "metadata", "annotations"] ?? .object(Object())
        for member in definition.value[path: "metadata", "annotations"]?.object ?? Object() { annotations[member.key] = member.value }
        result.value["metadata"]?["annotations"] = annotations
        result.value["status"] = live.value["status"]
        return result
    }
}
