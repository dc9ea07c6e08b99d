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
