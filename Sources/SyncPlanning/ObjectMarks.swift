package import KubernetesModel

/// What an object's author asks of the agent, by annotation or label: `homelab.dev/<mark>` or Flux's `kustomize.toolkit.fluxcd.io/<mark>`.
///
/// | mark      | value        | meaning                                                                   |
/// |-----------|--------------|---------------------------------------------------------------------------|
/// | ssa       | IfNotPresent | make it when it is not there, then leave it alone                         |
/// | ssa       | Ignore       | leave it alone                                                            |
/// | ssa       | Merge        | leave the fields that people with kubectl set besides                     |
/// | ssa       | Override     | take those over, so that they go (what happens without any mark)          |
/// | reconcile | disabled     | leave it alone, and do not delete it either                               |
/// | prune     | disabled     | when it leaves the repository, forget it and do not delete it             |
/// | prune     | confirmed    | delete it although it is of a kind that takes data or other objects along |
/// | force     | enabled      | make it anew when a field that cannot be changed has changed              |
/// | drift     | report       | tell what was changed in the cluster, and leave it so                     |
package struct ObjectMarks: OptionSet, Hashable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) { self.rawValue = rawValue }

    package static let onlyIfAbsent = ObjectMarks(rawValue: 1)
    package static let ignored = ObjectMarks(rawValue: 2)
    package static let reconcileDisabled = ObjectMarks(rawValue: 4)
    package static let pruneDisabled = ObjectMarks(rawValue: 8)
    package static let pruneConfirmed = ObjectMarks(rawValue: 16)
    package static let forced = ObjectMarks(rawValue: 32)
    package static let merged = ObjectMarks(rawValue: 64)
    package static let driftReported = ObjectMarks(rawValue: 128)

    package static let prefixes = ["homelab.dev/", "kustomize.toolkit.fluxcd.io/"]

    package init(of manifest: Manifest) {
        var marks: ObjectMarks = []
        for (name, value, mark) in Self.table where Self.values(of: name, in: manifest).contains(value) { marks.insert(mark) }
        self = marks
    }

    private static let table: [(String, String, ObjectMarks)] = [
        ("ssa", "ifnotpresent", .onlyIfAbsent), ("ssa", "ignore", .ignored), ("ssa", "merge", .merged),
        ("reconcile", "disabled", .reconcileDisabled), ("drift", "report", .driftReported),
        ("prune", "disabled", .pruneDisabled), ("prune", "confirmed", .pruneConfirmed), ("force", "enabled", .forced),
    ]

    /// The names of the marks, behind a prefix.
    package static var names: [String] {
        table.map(\.0).reduce(into: []) { names, name in if !names.contains(name) { names.append(name) } }
    }

    /// JSON pointers to all of them.
    static let pointers: Set<String> = Set(
        prefixes.flatMap { prefix in
            table.flatMap { mark in ["labels", "annotations"].map { "/metadata/\($0)/\(prefix.dropLast())~1\(mark.0)" } }
        })

    private static func values(of name: String, in manifest: Manifest) -> [String] {
        prefixes.flatMap { [manifest.annotation($0 + name), manifest.label($0 + name)] }.compactMap { $0?.lowercased() }
    }
}
