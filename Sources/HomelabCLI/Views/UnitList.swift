import KubernetesModel
import Reconciliation
import YAML

/// The result of `homelab get`.
struct UnitList: CommandResult {
    let kind: Get.Kind
    let objects: [Manifest]

    var value: Value { .array(documents) }
    var documents: [Value] { objects.map(\.value) }

    func text(_ console: Console, isWide: Bool) -> String {
        let more = isWide ? (kind == .units ? ["PATH", "SOURCE"] : ["URL"]) : []
        var table = Table(header: ["NAMESPACE", "NAME", "READY", "SUSPENDED", "REVISION"] + more + ["MESSAGE"])
        for object in objects {
            let status = object.readiness.status
            table.append(
                [
                    object.namespace, object.name, console.styled(status, status == "True" ? .green : .yellow),
                    object.isSuspended ? "yes" : "no", Self.short(revision(of: object)),
                ] + (isWide ? place(of: object) : []) + [Self.standing(of: object)])
        }
        return table.text
    }

    private func revision(of object: Manifest) -> String {
        kind == .units ? object.appliedRevision : object.value[path: "status", "artifact", "revision"]?.string ?? ""
    }

    private func place(of object: Manifest) -> [String] {
        guard kind == .units else { return [GitRepositorySpec(of: object).plainURL] }
        let spec = KustomizationSpec(of: object)
        return [spec.path, spec.source.description]
    }

    /// Why a unit or repository is as it is, in one line.
    static func standing(of object: Manifest) -> String {
        guard let suspension = object.suspension else { return brief(object.readiness.message) }
        return suspension + (object.condition(KustomizationObject.drifted).map { "; \($0.message)" } ?? "")
    }

    /// With twelve digits of each commit, as they stand in the other columns.
    static func brief(_ message: String) -> String {
        var (result, rest) = ("", message[...])
        while let mark = rest.firstRange(of: "@sha1:") {
            result += rest[..<mark.upperBound]
            let digits = rest[mark.upperBound...].prefix { $0.isHexDigit }
            result += digits.prefix(12)
            rest = rest[digits.endIndex...]
        }
        return result + rest
    }

    /// `main@sha1:0123456789ab`.
    static func short(_ revision: String) -> String {
        guard let colon = revision.lastIndex(of: ":") else { return revision }
        return String(revision[...colon]) + revision[revision.index(after: colon)...].prefix(12)
    }
}
