import Foundation
import KubernetesClient
import KubernetesModel
import Reconciliation
import Testing
import YAML

/// What is applied, left alone, waited for and deleted, and what is told of it, on a real API server.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct SyncApplyingLive {
    let bed: SyncBed

    init() throws {
        bed = try SyncBed.shared.get()
        try bed.startAgent()
    }

    private func setByHand(_ name: String) throws {
        let patch = ["patch", "configmap", name, "--type=merge", "-p", #"{"data":{"title":"by hand"}}"#]
        #expect(try bed.kubectl(patch).succeeded)
    }

    private func message(_ unit: String) async throws -> String { try await bed.unit(unit)?.ready?.message ?? "" }

    /// Nobody runs its pods here.
    private func deployment(_ name: String, replicas: Int) -> String {
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: \(name), namespace: default}
        spec:
          replicas: \(replicas)
          selector: {matchLabels: {app: \(name)}}
          template:
            metadata: {labels: {app: \(name)}}
            spec: {containers: [{name: web, image: "web:1"}]}

        """
    }

    @Test func t01_marksOfAnObjectsAuthor() async throws {
        func marked(_ name: String, _ mark: String, _ title: String) -> String {
            SyncFiles.config(name, title).replacing("labels: {}", with: "annotations: {\(mark)}")
        }
        let flux = "kustomize.toolkit.fluxcd.io/"
        func files(_ title: String) -> [String: String] {
            [
                "clusters/sync/u.yaml": SyncFiles.unit("marked", path: "app"),
                "app/a.yaml": marked("mark-once", flux + "ssa: IfNotPresent", title),
                "app/b.yaml": marked("mark-never", flux + "ssa: Ignore", title),
                "app/c.yaml": marked("mark-stays", flux + "prune: disabled", title),
                "app/d.yaml": SyncFiles.config("mark-off", title), "app/e.yaml": SyncFiles.config("mark-plain", title),
            ]
        }
        try await bed.awaitUnit("marked", at: try bed.push(files("one")))
        for name in ["mark-once", "mark-stays", "mark-off"] { #expect(try await bed.title(name) == "one", "\(name)") }
        #expect(try await bed.configMap("mark-never") == nil)
        // In the cluster, by somebody who wants to be left alone with it.
        #expect(try bed.kubectl("annotate", "configmap", "mark-off", flux + "reconcile=disabled").succeeded)
        for name in ["mark-once", "mark-off", "mark-plain"] { try setByHand(name) }
        try await bed.eventually("a repair of what has no mark") { try await bed.title("mark-plain") == "one" }
        try await bed.awaitUnit("marked", at: try bed.push(files("two")))
        for (name, title) in [("mark-once", "by hand"), ("mark-off", "by hand"), ("mark-plain", "two"), ("mark-stays", "two")] {
            #expect(try await bed.title(name) == title, "\(name)")
        }
        let rest = files("two").filter { !["app/c.yaml", "app/d.yaml", "app/e.yaml"].contains($0.key) }
        try await bed.awaitUnit("marked", at: try bed.push(rest))
        try await bed.eventually("what has no mark goes") { try await bed.configMap("mark-plain") == nil }
        for name in ["mark-stays", "mark-off"] { #expect(try await bed.configMap(name) != nil, "\(name)") }
        #expect(try bed.kubectl("delete", "configmap", "mark-stays", "mark-off").succeeded)
    }

    @Test func t02_allErrorsAtOnceAndOneRequestForOneChange() async throws {
        var files = ["clusters/sync/u.yaml": SyncFiles.unit("many", path: "app", more: "retryInterval: 2s")]
        for index in 0..<10 { files["app/good-\(index).yaml"] = SyncFiles.config("many-\(index)", "1") }
        files["app/bad.yaml"] =
            SyncFiles.config("many-bad", "1", namespace: "no-such-a") + "---\n# A comment.\n"
            + SyncFiles.config("many-worse", "1", namespace: "no-such-b")
        files["app/wrong.yaml"] = SyncFiles.config("many-wrong", "1").replacing("data: {title: \"1\"}", with: "data: [1]")
        try await bed.awaitUnit("many", "False", at: try bed.push(files))
        try await bed.eventually("all three, each with its place") {
            let told = try await message("many")
            return ["app/bad.yaml:1", "app/bad.yaml:7", "app/wrong.yaml:1"].allSatisfy { told.contains($0) }
        }
        for index in 0..<10 { #expect(try await bed.title("many-\(index)") == "1", "the others are applied") }
        files["app/bad.yaml"] = nil
        files["app/wrong.yaml"] = nil
        try await bed.awaitUnit("many", at: try bed.push(files))
        let before = try bed.counts().applies
        files["app/good-3.yaml"] = SyncFiles.config("many-3", "2")
        try await bed.awaitUnit("many", at: try bed.push(files))
        #expect(try await bed.title("many-3") == "2")
        #expect(try bed.counts().applies - before == 1)
    }

    @Test func t03_whatLeavesGoesWhenTheNewIsWellAndANewerCommitEndsTheWait() async throws {
        var files = [
            "clusters/sync/u.yaml": SyncFiles.unit("late", path: "app", more: "wait: true\ntimeout: 5m"),
            "app/a.yaml": SyncFiles.config("late-old", "1"),
        ]
        try await bed.awaitUnit("late", at: try bed.push(files))
        files["app/a.yaml"] = nil
        files["app/d.yaml"] = deployment("late", replicas: 1)
        let ill = try bed.push(files)
        try await bed.awaitUnit("late", "Unknown", at: ill)
        try await bed.eventually("what it waits for") { try await message("late").contains("Deployment/default/late") }
        #expect(try await bed.title("late-old") == "1", "the new one is not well yet")
        let start = Date()
        files["app/d.yaml"] = deployment("late", replicas: 0)
        try await bed.awaitUnit("late", at: try bed.push(files))
        try await bed.eventually("the old one goes") { try await bed.configMap("late-old") == nil }
        #expect(Date().timeIntervalSince(start) < 10, "the wait was for five minutes")
    }

    @Test func t04_aCommitThatDeletesMuchAndWhatIsFinal() async throws {
        let last = """
            apiVersion: v1
            kind: Namespace
            metadata: {name: final}
            ---
            apiVersion: v1
            kind: PersistentVolumeClaim
            metadata: {name: final, namespace: default}
            spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
            ---
            apiVersion: v1
            kind: PersistentVolume
            metadata: {name: final}
            spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /nowhere}, storageClassName: none}
            ---
            apiVersion: apiextensions.k8s.io/v1
            kind: CustomResourceDefinition
            metadata: {name: finals.sync.example.org}
            spec:
              group: sync.example.org
              scope: Namespaced
              names: {plural: finals, kind: Final}
              versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]

            """
        var files = ["clusters/sync/u.yaml": SyncFiles.unit("final", path: "app"), "app/last.yaml": last]
        for index in 0..<24 { files["app/\(index).yaml"] = SyncFiles.config("final-\(index)", "1") }
        try await bed.awaitUnit("final", at: try bed.push(files))
        let keys = ["namespace/final", "pvc/final", "pv/final", "crd/finals.sync.example.org"]
        func there() throws -> Int {
            try bed.kubectl(["get", "-o", "name", "--ignore-not-found"] + keys).output.split(separator: "\n").count
        }
        #expect(try there() == 4)
        let rest = files.filter { !$0.key.hasPrefix("app/") || $0.key == "app/0.yaml" }
        try await bed.awaitUnit("final", at: try bed.push(rest))
        // Once all units have looked at the commit: what leaves one may go to another.
        let told = "23 of 28 applied objects would go; the budget is 20 objects or 50 %"
        try await bed.eventually("it is told") { try await message("final").contains(told) }
        let refused = try await message("final")
        #expect(try await bed.title("final-1") == "1")
        let command = try #require(refused.split(separator: "`").first { $0.hasPrefix("kubectl annotate") })
        #expect(try bed.kubectl(command.split(separator: " ").dropFirst().map(String.init)).succeeded, "\(command)")
        try await bed.eventually("what may go") { try await bed.configMap("final-23") == nil }
        // What takes data or other objects along is asked for by itself.
        try await bed.eventually("what is kept is told") {
            try await message("final").contains("homelab.dev/prune=confirmed`; so do 3 more")
        }
        #expect(try there() == 4)
        for key in keys { #expect(try bed.kubectl("annotate", key, "homelab.dev/prune=confirmed").succeeded) }
        try await bed.eventually("their end") { try there() == 0 }
    }

    @Test func t05_namedHealthChecksAndDriftThatIsOnlyTold() async throws {
        let checks = "healthChecks: [{apiVersion: apps/v1, kind: Deployment, name: checked, namespace: default}]"
        let report = SyncFiles.unit("checked", path: "app", more: checks + "\ntimeout: 2s")
            .replacing("metadata: {name: checked,", with: "metadata: {annotations: {homelab.dev/drift: report}, name: checked,")
        var files = [
            "clusters/sync/u.yaml": report, "app/a.yaml": deployment("checked", replicas: 1),
            "app/b.yaml": deployment("unchecked", replicas: 1), "app/c.yaml": SyncFiles.config("checked", "git"),
        ]
        try await bed.awaitUnit("checked", "False", at: try bed.push(files))
        let ill = try #require(try await bed.unit("checked")?.ready)
        #expect(ill.reason == "HealthCheckFailed" && ill.message.contains("Deployment/default/checked"), "\(ill)")
        files["app/a.yaml"] = deployment("checked", replicas: 0)
        try await bed.awaitUnit("checked", at: try bed.push(files))
        try setByHand("checked")
        try await bed.eventually("it is told") { try await message("checked").contains("ConfigMap/default/checked was changed") }
        #expect(try await bed.title("checked") == "by hand")
        // The next agent sends nothing of what it finds as it is wanted, and leaves what is only told of, which it asks about by a dry run.
        let before = try bed.counts().applies
        try await bed.stopAgent()
        try bed.startAgent()
        files["clusters/sync/next.yaml"] = SyncFiles.config("checked-next", "1")
        try await bed.awaitUnit("checked", at: try bed.push(files))
        #expect(try await message("checked").contains("1 drifted: ConfigMap/default/checked was changed"))
        #expect(try await bed.title("checked") == "by hand")
        #expect(try bed.counts().applies - before <= 2)
    }

    @Test func t06_unitsThatWaitForEachOtherAndOnesThatDoNot() async throws {
        let commit = try bed.push([
            "clusters/sync/a.yaml": SyncFiles.unit("ring-a", path: "a", more: "dependsOn: [{name: ring-b}]"),
            "clusters/sync/b.yaml": SyncFiles.unit("ring-b", path: "b", more: "dependsOn: [{name: ring-a}]"),
            "clusters/sync/c.yaml": SyncFiles.unit("ring-c", path: "c"), "a/c.yaml": SyncFiles.config("ring-a", "1"),
            "b/c.yaml": SyncFiles.config("ring-b", "1"), "c/c.yaml": SyncFiles.config("ring-c", "1"),
        ])
        try await bed.awaitUnit("ring-c", at: commit)
        for name in ["ring-a", "ring-b"] {
            try await bed.eventually("\(name) is in a circle") {
                let ready = try await bed.unit(name)?.ready
                return ready?.reason == "DependencyNotReady" && ready?.message.contains("the dependencies lead in a circle") == true
            }
            #expect(try await bed.configMap(name) == nil)
        }
    }
}
