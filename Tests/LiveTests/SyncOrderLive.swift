import Foundation
import KubernetesModel
import Reconciliation
import Testing
import YAML

/// Units made by another unit of the same repository: none builds a commit by a definition that the commit changes.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct SyncOrderLive {
    let bed: SyncBed

    init() throws {
        bed = try SyncBed.shared.get()
        try bed.startAgent()
    }

    /// A webhook that refuses units labelled `deny: "true"`, for as long as `body` takes.
    private func refusing(_ body: () async throws -> Void) async throws {
        try bed.apply(
            """
            apiVersion: admissionregistration.k8s.io/v1
            kind: ValidatingWebhookConfiguration
            metadata: {name: sync-order}
            webhooks:
              - name: order.sync.example.org
                admissionReviewVersions: [v1]
                sideEffects: None
                failurePolicy: Fail
                timeoutSeconds: 5
                objectSelector: {matchExpressions: [{key: deny, operator: Exists}]}
                rules:
                  - {apiGroups: [kustomize.toolkit.fluxcd.io], apiVersions: ["*"], operations: [CREATE, UPDATE], resources: [kustomizations]}
                clientConfig:
                  url: https://127.0.0.1:\(bed.port + 5)/
                  caBundle: \(try Data(contentsOf: URL(fileURLWithPath: bed.folder + "/plane/ca.crt")).base64EncodedString())

            """)
        defer { _ = try? bed.kubectl("delete", "validatingwebhookconfiguration", "sync-order") }
        try await bed.eventually("the webhook is asked") {
            (try? bed.apply(denied(SyncFiles.unit("ord-probe", path: "a")), "--dry-run=server")) == nil
        }
        try await body()
    }

    private func denied(_ unit: String) -> String {
        unit.replacing("namespace: default}", with: "namespace: default, labels: {deny: \"true\"}}")
    }

    private func owner(_ name: String) async throws -> String? { try await bed.configMap(name).flatMap { Ownership(of: $0)?.name } }

    /// Nothing of the new files is applied for so long.
    private func expectAbsent(_ name: String, seconds: Double = 3) async throws {
        let end = Date().addingTimeInterval(seconds)
        while Date() < end {
            let found = try await bed.configMap(name)
            try #require(found == nil, "\(name) was applied, by \(found.flatMap { Ownership(of: $0)?.description } ?? "nobody")")
            try await Task.sleep(for: .milliseconds(40))
        }
    }

    @Test func t01_aUnitWithANewPathDoesNotApplyWhatItsOldOneHolds() async throws {
        var files = [
            "clusters/sync/apps.yaml": SyncFiles.unit("ord-apps", path: "a"), "a/one.yaml": SyncFiles.config("ord-one", "1"),
            "b/two.yaml": SyncFiles.config("ord-two", "1"),
        ]
        try await bed.awaitUnit("ord-apps", at: try bed.push(files))
        let uid = try await bed.configMap("ord-one")?.uid
        try await refusing {
            files["clusters/sync/apps.yaml"] = denied(SyncFiles.unit("ord-apps", path: "b"))
            files["clusters/sync/other.yaml"] = denied(SyncFiles.unit("ord-other", path: "a"))
            files["a/new.yaml"] = SyncFiles.config("ord-new", "1")
            try bed.push(files)
            try await expectAbsent("ord-new")
            try await bed.eventually("the refusal is told by the unit") {
                let message = try await bed.unit("ord-apps")?.ready?.message ?? ""
                return message.contains("waits until") && message.contains("the policy of this house forbids it")
            }
            #expect(try await bed.configMap("ord-new") == nil)
        }
        files["clusters/sync/apps.yaml"] = SyncFiles.unit("ord-apps", path: "b")
        files["clusters/sync/other.yaml"] = SyncFiles.unit("ord-other", path: "a")
        let commit = try bed.push(files)
        try await bed.awaitUnit("ord-apps", at: commit)
        try await bed.awaitUnit("ord-other", at: commit)
        try await bed.eventually("each has its own") {
            let owners = [try await owner("ord-one"), try await owner("ord-new"), try await owner("ord-two")]
            return owners == ["ord-other", "ord-other", "ord-apps"]
        }
        #expect(try await bed.configMap("ord-one")?.uid == uid)
    }

    @Test func t02_aUnitThatLeavesDoesNotApplyWhatItsHeirIsGiven() async throws {
        var files = [
            "clusters/sync/gone.yaml": SyncFiles.unit("ord-gone", path: "a"), "a/one.yaml": SyncFiles.config("ord-left", "old"),
            "clusters/sync/stays.yaml": SyncFiles.config("ord-stays", "1"),
        ]
        try await bed.awaitUnit("ord-gone", at: try bed.push(files))
        let uid = try await bed.configMap("ord-left")?.uid
        files["clusters/sync/gone.yaml"] = nil
        files["a/one.yaml"] = SyncFiles.config("ord-left", "new")
        files["a/more.yaml"] = SyncFiles.config("ord-more", "1")
        try await refusing {
            // What is refused keeps the old unit from being pruned.
            files["clusters/sync/heir.yaml"] = denied(SyncFiles.unit("ord-heir", path: "a"))
            try bed.push(files)
            try await expectAbsent("ord-more")
            #expect(try await bed.title("ord-left") == "old")
        }
        files["clusters/sync/heir.yaml"] = SyncFiles.unit("ord-heir", path: "a")
        try await bed.awaitUnit("ord-heir", at: try bed.push(files))
        try await bed.eventually("the old unit is gone") { try await bed.unit("ord-gone") == nil }
        let left = try #require(try await bed.configMap("ord-left"))
        #expect(left.uid == uid && left.value[path: "data", "title"] == "new" && Ownership(of: left)?.name == "ord-heir")
    }

    @Test func t03_aMakerWithTroubleOfItsOwnDelaysNoUnit() async throws {
        let parent = SyncFiles.unit("ord-parent", path: "units", more: "wait: true\ntimeout: 10m")
        var files = [
            "clusters/sync/parent.yaml": parent, "units/child.yaml": SyncFiles.unit("ord-child", path: "a"),
            "a/one.yaml": SyncFiles.config("ord-child", "1"),
        ]
        try await bed.awaitUnit("ord-child", at: try bed.push(files))
        func push(_ title: String, _ change: (inout [String: String]) -> Void) async throws {
            files["a/one.yaml"] = SyncFiles.config("ord-child", title)
            change(&files)
            try await bed.awaitUnit("ord-child", at: try bed.push(files), limit: 10)
            #expect(try await bed.title("ord-child") == title)
        }
        try await push("unhealthy") {
            $0["units/never.yaml"] = """
                apiVersion: apps/v1
                kind: Deployment
                metadata: {name: ord-never, namespace: default}
                spec:
                  selector: {matchLabels: {app: never}}
                  template: {metadata: {labels: {app: never}}, spec: {containers: [{name: a, image: a}]}}

                """
        }
        try await bed.eventually("the maker is not ready") { try await bed.unit("ord-parent")?.ready?.status == "Unknown" }
        try await push("broken") { $0["units/broken.yaml"] = "kind: [\n" }
        try await bed.eventually("the maker says so") { try await bed.unit("ord-parent")?.ready?.reason == "BuildFailed" }
        try await push("suspended") {
            $0["units/broken.yaml"] = nil
            $0["clusters/sync/parent.yaml"] = parent + "  suspend: true\n"
            $0["units/child.yaml"] = SyncFiles.unit("ord-child", path: "a", more: "namePrefix: other-")
        }
        // One that is deleted while it is suspended leaves all that it made.
        try await push("resumed") {
            $0["clusters/sync/parent.yaml"] = parent
            $0["units/child.yaml"] = SyncFiles.unit("ord-child", path: "a")
            $0["units/never.yaml"] = nil
        }
        try await bed.awaitReady(at: try bed.push(["clusters/sync/stays.yaml": SyncFiles.config("ord-stays", "1")]), limit: 60)
        try await bed.eventually("it is gone") { try await bed.unit("ord-child") == nil }
    }
}
