import Foundation
import KubernetesClient
import KubernetesModel
import Reconciliation
import YAML

/// A GitRepository with its Secret, and a unit built from it, as their author writes them for Flux. What the unit applies has the
/// repository's name before its own.
struct FollowedRepository {
    var name: String
    var url: String
    /// Of its Secret, by Flux' names; without one, it names none.
    var secret: [String: String] = [:]
    /// What is followed.
    var reference = "{branch: main}"
    /// Further lines of its spec.
    var more = ""
    /// The directory that its unit is built from.
    var path = "app"
    var interval = "1s"

    fileprivate var manifests: String {
        let login = secret.isEmpty ? "" : "secretRef: {name: \(name)}\n"
        let lines = (login + more).split(separator: "\n").map { "  \($0)\n" }.joined()
        return """
            apiVersion: source.toolkit.fluxcd.io/v1
            kind: GitRepository
            metadata: {name: \(name), namespace: default}
            spec:
              url: "\(url)"
              interval: \(interval)
              ref: \(reference)
            \(lines)---

            """
                + SyncFiles.unit(name, path: path, more: "namePrefix: \(name)-").replacing(
                    "name: sync, namespace: homelab-system", with: "name: \(name)") + "---\n"
    }
}

extension SyncBed {
    /// Has these repositories followed, and no others; their Secrets are there before, by somebody's hand.
    func follow(_ repositories: [FollowedRepository]) async throws {
        for repository in repositories where !repository.secret.isEmpty { try await putSecret(repository.name, repository.secret) }
        // In a unit of their own, which takes them along when it leaves: more than a commit may delete of the agent's own.
        try push([
            "clusters/sync/u.yaml": SyncFiles.unit("repositories", path: "repositories"),
            "repositories/all.yaml": repositories.map(\.manifests).joined(),
        ])
    }

    func putSecret(_ name: String, _ data: [String: String]) async throws {
        let object = Manifest([
            "apiVersion": "v1", "kind": "Secret", "metadata": ["name": .string(name), "namespace": "default"],
            "stringData": .object(Object(data.sorted { $0.key < $1.key }.map { .init(key: $0.key, value: .string($0.value)) })),
        ])
        _ = try await client.apply(object, options: ApplyOptions(fieldManager: "person", force: true))
    }

    /// The GitRepository is not Ready for this reason, in these words.
    func awaitTrouble(_ name: String, reason: String = "GitOperationFailed", _ words: [String]) async throws {
        var found: FluxCondition?
        do {
            try await eventually("\(name) says \(words)", limit: 30) {
                found = try await repository(name)["Ready"]
                return found?.status == "False" && found?.reason == reason && words.allSatisfy { found?.message.contains($0) == true }
            }
        } catch {
            throw Lab.Timeout(
                what: "\(name) says \(words); it says \(found?.reason ?? "") \(found?.message ?? "nothing")", seconds: 30 * Lab.patience)
        }
    }
}
