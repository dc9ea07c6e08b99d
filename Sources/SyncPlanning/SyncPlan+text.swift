import Diagnostics
import KubernetesModel

extension SyncPlan {
    /// The plan for people: one line for each object that is not left as it is, its differences below it, and a summary.
    ///
    ///     + Deployment/web/site                         clusters/home/site.yaml:3
    ///     ~ ConfigMap/web/site-config                   clusters/home/site.yaml:30
    ///         data.title: "old" instead of "new"
    ///     - Service/web/gone
    package var text: String {
        var lines: [String] = []
        for apply in applies {
            let place = apply.object.origin.map { "\($0.file):\($0.line)" } ?? ""
            switch apply.reason {
            case .absent: lines.append(Self.row("+", apply.key, place))
            case .newContent(let differences), .drift(let differences):
                lines.append(Self.row("~", apply.key, place + (apply.isDrift ? " (changed in the cluster)" : "")))
                lines += differences.map { "    \($0)" }
            }
        }
        lines += prunes.flatMap { $0 }.map { Self.row("-", $0.key, "") }
        lines += waiting.map { Self.row("…", $0.key, $0.reason) }
        lines += contested.map { Self.row("!", $0.key, $0.reason) }
        lines += kept.map { Self.row("!", $0.key, $0.reason) }
        lines += drifted.map { Self.row("≠", $0.key, $0.reason) }
        lines += skipped.map { Self.row("·", $0.key, $0.reason) }
        lines += refusals.map(\.description)
        lines.append(summary)
        return lines.joined(separator: "\n") + "\n"
    }

    /// `2 to create, 1 to change, 1 to delete, 40 unchanged`, and what waits or stays.
    package var summary: String {
        let creates = applies.count { $0.reason == .absent }
        let counts = [
            (creates, "to create"), (applies.count - creates, "to change"), (prunes.reduce(0) { $0 + $1.count }, "to delete"),
            (unchanged.count, "unchanged"), (waiting.count, "waiting"), (contested.count, "contested"), (kept.count, "kept"),
            (drifted.count, "drifted"), (skipped.count, "skipped"),
        ]
        let parts = counts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
        return parts.isEmpty ? "nothing to do" : parts.joined(separator: ", ")
    }

    private static func row(_ sign: String, _ key: ObjectKey, _ note: String) -> String {
        let name = key.description
        if note.isEmpty { return "\(sign) \(name)" }
        return "\(sign) \(name)\(String(repeating: " ", count: max(2, 46 - name.count)))\(note)"
    }
}
