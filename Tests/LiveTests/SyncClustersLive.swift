import Foundation
import KubernetesClient
import KubernetesModel
import Reconciliation
import Testing
import YAML

/// A unit whose objects are reached by a kubeconfig: here the same server, as another user and by another client.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct SyncClustersLive {
    let bed: SyncBed

    init() throws {
        bed = try SyncBed.shared.get()
        try bed.startAgent()
    }

    private func role(_ verbs: String) -> String {
        """
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRole
        metadata: {name: sync-far}
        rules:
          - {apiGroups: [""], resources: [configmaps], verbs: [\(verbs)]}
          # A ConfigMap goes when no pod reads it.
          - {apiGroups: ["", apps], resources: [pods, replicasets], verbs: [get, list, watch]}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRoleBinding
        metadata: {name: sync-far}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: sync-far}
        subjects: [{kind: ServiceAccount, name: far, namespace: default}]

        """
    }

    /// A kubeconfig of the ServiceAccount, by its token.
    private func kubeconfig() async throws -> String {
        var token = ""
        try await bed.eventually("the token of the ServiceAccount") {
            let name = try bed.kubectl("get", "serviceaccount", "far", "-o", "jsonpath={.secrets[0].name}").output
            let text = try bed.kubectl("get", "secret", name, "-o", "jsonpath={.data.token}").output
            token = Data(base64Encoded: text).map { String(decoding: $0, as: UTF8.self) } ?? ""
            return !token.isEmpty
        }
        let authority = try Data(contentsOf: URL(fileURLWithPath: bed.folder + "/plane/ca.crt")).base64EncodedString()
        return """
            apiVersion: v1
            kind: Config
            current-context: far
            clusters: [{name: far, cluster: {server: "https://127.0.0.1:\(bed.port)", certificate-authority-data: \(authority)}}]
            users: [{name: far, user: {token: \(token)}}]
            contexts: [{name: far, context: {cluster: far, user: far}}]
            """
    }

    /// May look everywhere, and write in one namespace.
    private static let walker = """
        apiVersion: v1
        kind: Namespace
        metadata: {name: sync-near}
        ---
        apiVersion: v1
        kind: ServiceAccount
        metadata: {name: walker, namespace: default}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRole
        metadata: {name: sync-walker}
        rules:
          - {apiGroups: ["", apps], resources: [configmaps, pods, replicasets], verbs: [get, list, watch]}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRoleBinding
        metadata: {name: sync-walker}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: sync-walker}
        subjects: [{kind: ServiceAccount, name: walker, namespace: default}]
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: Role
        metadata: {name: sync-walker, namespace: sync-near}
        rules:
          - {apiGroups: [""], resources: [configmaps], verbs: ["*"]}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: RoleBinding
        metadata: {name: sync-walker, namespace: sync-near}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: sync-walker}
        subjects: [{kind: ServiceAccount, name: walker, namespace: default}]

        """

    /// The ConfigMap that leads to the API server itself, as somebody else's.
    private func putWay(_ more: [String: String]) async throws {
        var data = [
            "provider": "generic", "address": "127.0.0.1:\(bed.port)", "serviceAccountName": "walker",
            "ca.crt": try String(contentsOfFile: bed.folder + "/plane/ca.crt", encoding: .utf8),
        ]
        data.merge(more) { $1 }
        let members = data.sorted { $0.key < $1.key }.map { Object.Member(key: $0.key, value: .string($0.value)) }
        let map = Manifest([
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": ["name": "walk", "namespace": "default"],
            "data": .object(Object(members)),
        ])
        _ = try await bed.client.apply(map, options: ApplyOptions(fieldManager: "person", force: true))
    }

    private func awaitMessage(_ words: [String]) async throws {
        var message = ""
        do {
            try await bed.eventually("the unit says \(words)", limit: 45) {
                message = try await bed.unit("walk")?.ready?.message ?? ""
                return words.allSatisfy { message.contains($0) }
            }
        } catch {
            throw Lab.Timeout(what: "the unit says \(words); it says \(message)", seconds: 45 * Lab.patience)
        }
    }

    private func near(_ field: String) throws -> String {
        try bed.kubectl("get", "configmap", "walk-a", "-n", "sync-near", "--ignore-not-found", "-o", "jsonpath={\(field)}").output
    }

    @Test func t02_objectsAppliedByTokensOfAServiceAccount() async throws {
        let unit = SyncFiles.unit("walk", path: "app", more: "kubeConfig: {configMapRef: {name: walk}}\nwait: true")
        let near = SyncFiles.config("walk-a", "1", namespace: "sync-near")
        try bed.push(["clusters/sync/u.yaml": unit, "app/a.yaml": near, "app/b.yaml": SyncFiles.config("walk-b", "1")])
        try await awaitMessage(["ConfigMap/default/walk", "there is no such ConfigMap"])
        try await putWay(["provider": "azure"])
        try await awaitMessage(["`provider` is azure", "spec.kubeConfig.secretRef"])
        try await putWay(["audiences": "https://kubernetes.default.svc"])
        try await awaitMessage(["ServiceAccount/default/walker", "there is no such ServiceAccount"])
        try bed.apply(Self.walker)
        // The rights are the ServiceAccount's: where it has some the object is, and elsewhere the refusal names it.
        try await awaitMessage(["system:serviceaccount:default:walker", "namespace \"default\""])
        try await bed.eventually("the one in its namespace") { try self.near(".data.title") == "1" }
        #expect(try await bed.configMap("walk-b") == nil)
        // The server takes its own audience alone.
        try await putWay(["audiences": "https://nobody.example"])
        try await awaitMessage(["does not take the token of ServiceAccount/default/walker for the audience https://nobody.example"])
        try await putWay(["audiences": "https://nobody.example\nhttps://kubernetes.default.svc\n"])
        let before = try bed.counts(0).applies
        let commit = try bed.push(["clusters/sync/u.yaml": unit, "app/a.yaml": near])
        try await bed.awaitUnit("walk", at: commit)
        // A person's commands go the same way, by that person's right to a token.
        let command = [Lab.binary, "tree", "walk", "-o", "json", "--kubeconfig", bed.kubeconfig]
        let tree = try Shell.run(command, limit: 30)
        #expect(tree.succeeded && tree.output.contains(#""walk-a""#) && tree.output.contains(#""health": "Current""#), "\(tree)")
        // One made anew has other tokens; what is held of the old one counts no more.
        #expect(try bed.kubectl("delete", "serviceaccount", "walker").succeeded)
        try bed.apply("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: walker, namespace: default}\n")
        // The server believes for ten seconds what it has believed once.
        try await Task.sleep(for: .seconds(12))
        #expect(try bed.kubectl("patch", "configmap", "walk-a", "-n", "sync-near", "-p", #"{"data":{"title":"by hand"}}"#).succeeded)
        try await bed.eventually("a repair") { try self.near(".data.title") == "1" }
        #expect(try bed.counts(0).applies == before, "nothing of this went over the agent's own connection")
        let log = try String(contentsOfFile: bed.folder + "/agent-0/log", encoding: .utf8)
        #expect(!log.contains("eyJ"), "a token is in the agent's log")
        try bed.push(["clusters/sync/n.yaml": SyncFiles.config("near", "1")])
        try await bed.eventually("the unit is gone") { try await bed.unit("walk") == nil }
        try await bed.eventually("and its object") { try self.near(".metadata.name").isEmpty }
        #expect(try bed.kubectl("delete", "namespace", "sync-near", "--wait=false").succeeded)
    }

    @Test func t01_objectsOfAnotherCluster() async throws {
        try bed.apply("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: far, namespace: default}\n---\n" + role("get, list, watch"))
        var files = [
            "clusters/sync/u.yaml": SyncFiles.unit("far", path: "app", more: "kubeConfig: {secretRef: {name: far-kubeconfig}}\nwait: true"),
            "app/a.yaml": SyncFiles.config("far-a", "1"), "app/b.yaml": SyncFiles.config("far-b", "1"),
        ]
        var commit = try bed.push(files)
        try await bed.eventually("the Secret is missed") {
            try await bed.unit("far")?.ready?.message.contains("there is no such Secret") == true
        }
        let secret = Manifest([
            "apiVersion": "v1", "kind": "Secret", "metadata": ["name": "far-kubeconfig", "namespace": "default"],
            "stringData": ["value": .string(try await kubeconfig())],
        ])
        _ = try await bed.client.apply(secret, options: ApplyOptions(fieldManager: "test"))
        // It may look and not touch: the refusal is that of the user in the kubeconfig.
        try await bed.eventually("the other user is refused") {
            try await bed.unit("far")?.ready?.message.contains("system:serviceaccount:default:far") == true
        }
        #expect(try await bed.configMap("far-a") == nil)
        let before = try bed.counts(0).applies
        try bed.apply(role("get, list, watch, create, patch, delete"))
        #expect(try bed.kubectl("annotate", "kustomization", "far", "reconcile.fluxcd.io/requestedAt=now", "--overwrite").succeeded)
        try await bed.awaitUnit("far", at: commit)
        #expect(try await bed.title("far-a") == "1")
        #expect(try await bed.unit("far")?.status.inventory.keys.map(\.name) == ["far-a", "far-b"])
        // Drift there, and what leaves the repository.
        #expect(try bed.kubectl("patch", "configmap", "far-a", "--type=merge", "-p", #"{"data":{"title":"by hand"}}"#).succeeded)
        try await bed.eventually("a repair") { try await bed.title("far-a") == "1" }
        files["app/b.yaml"] = nil
        commit = try bed.push(files)
        try await bed.awaitUnit("far", at: commit)
        try await bed.eventually("a prune") { try await bed.configMap("far-b") == nil }
        #expect(try bed.counts(0).applies == before, "nothing of this went over the agent's own connection")
        // The unit leaves, and its objects with it.
        try bed.push(["clusters/sync/n.yaml": SyncFiles.config("near", "1")])
        try await bed.eventually("the unit is gone") { try await bed.unit("far") == nil }
        #expect(try await bed.configMap("far-a") == nil)
    }
}
