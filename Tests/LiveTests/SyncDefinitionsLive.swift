import Foundation
import KubernetesClient
import KubernetesModel
import Reconciliation
import Testing
import YAML

/// The statuses of units and repositories in all their states pass the validation of the definitions, which keep every field of them.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct SyncDefinitionsLive {
    /// A folder with Flux' own definitions as YAML files.
    static var folder: String { ProcessInfo.processInfo.environment["HOMELAB_TEST_FLUX_CRDS"] ?? "" }

    @Test func t01_withTheDefinitionsThatTheAgentInstalls() async throws {
        let bed = try SyncBed.shared.get()
        try bed.startAgent()
        try await goThroughStates(bed)
    }

    @Test(.enabled(if: !folder.isEmpty, "HOMELAB_TEST_FLUX_CRDS names no folder with Flux' definitions"))
    func t02_withFluxDefinitionsThatWereThereBefore() async throws {
        let bed = try SyncBed("flux", offset: 1)
        let applied = try bed.kubectl("apply", "--validate=false", "-f", Self.folder)
        try #require(applied.succeeded, "\(applied.text)")
        func generations() throws -> String {
            try bed.kubectl(
                "get", "customresourcedefinitions", "-o", "jsonpath={range .items[*]}{.metadata.name} {.metadata.generation}{'\\n'}{end}"
            ).output
        }
        let before = try generations()
        #expect(before.contains("kustomizations.kustomize.toolkit.fluxcd.io 1"))
        try bed.startAgent()
        try await goThroughStates(bed)
        let after = Set(try generations().split(separator: "\n"))
        #expect(after.isSuperset(of: before.split(separator: "\n")), "the agent leaves Flux' definitions as they are")
        try await bed.stopAgent()
    }

    private func goThroughStates(_ bed: SyncBed) async throws {
        let before = try bed.counts()
        let deployment = """
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: never, namespace: default}
            spec:
              selector: {matchLabels: {app: never}}
              template:
                metadata: {labels: {app: never}}
                spec: {containers: [{name: a, image: "a:1"}]}

            """
        let units: [(name: String, more: String, ready: String, reason: String)] = [
            ("sd-ready", "wait: true", "True", "ReconciliationSucceeded"),
            ("sd-broken", "path: ./nowhere", "False", "ArtifactFailed"),
            ("sd-unhealthy", "path: ./never\nwait: true\ntimeout: 1s", "False", "HealthCheckFailed"),
            ("sd-waiting", "path: ./waiting\ndependsOn: [{name: sd-unhealthy}]", "False", "DependencyNotReady"),
            ("sd-refused", "path: ./refused", "False", "ReconciliationFailed"),
            ("sd-stalled", "path: ./stalled\ndependsOn: [{name: sd-ready, readyExpr: \"dep.\"}]", "False", "InvalidCELExpression"),
            ("sd-unsourced", "sourceRef: {kind: GitRepository, name: sd-away}", "False", "ArtifactFailed"),
        ]
        let manifests = units.map { unit in
            let fields = unit.more.split(separator: "\n").map { $0.prefix { $0 != ":" } }
            // What the unit says itself takes the place of the usual.
            let lines = SyncFiles.unit(unit.name, path: "app").split(separator: "\n").filter { line in
                !fields.contains { line.hasPrefix("  \($0):") }
            }
            return (lines + unit.more.split(separator: "\n").map { "  " + $0 }).joined(separator: "\n") + "\n---\n"
        }
        let commit = try bed.push([
            "clusters/sync/u.yaml": manifests.joined(),
            // As Flux before 2.0 had it.
            "clusters/sync/o.yaml": SyncFiles.unit("sd-old", path: "old", more: "validation: client")
                .split(separator: "kustomize.toolkit.fluxcd.io/v1\n").joined(separator: "kustomize.toolkit.fluxcd.io/v1beta2\n"),
            "old/o.yaml": SyncFiles.config("sd-o", "1"),
            "clusters/sync/h.yaml": """
            apiVersion: v1
            kind: Secret
            metadata: {name: sd-token, namespace: default}
            stringData: {token: t0k3n}
            ---
            apiVersion: notification.toolkit.fluxcd.io/v1
            kind: Receiver
            metadata: {name: sd-hook, namespace: default}
            spec: {type: github, secretRef: {name: sd-token}, resources: [{kind: Kustomization, name: sd-ready, filter: "true"}]}
            ---
            apiVersion: notification.toolkit.fluxcd.io/v1
            kind: Receiver
            metadata: {name: sd-registry, namespace: default}
            spec: {type: quay, secretRef: {name: sd-token}, resources: [{kind: Kustomization, name: "*"}]}

            """,
            "clusters/sync/r.yaml": """
            apiVersion: source.toolkit.fluxcd.io/v1
            kind: GitRepository
            metadata: {name: sd-away, namespace: default}
            spec: {url: "http://127.0.0.1:1/x.git", interval: 1m, ignore: "/x", sparseCheckout: [a], recurseSubmodules: true}

            """,
            "app/a.yaml": SyncFiles.config("sd-a", "1"), "waiting/c.yaml": SyncFiles.config("sd-c", "1"),
            "stalled/d.yaml": SyncFiles.config("sd-d", "1"), "never/d.yaml": deployment,
            "refused/c.yaml": SyncFiles.config("sd-b", "1", namespace: "no-such-namespace"),
        ])
        for unit in units {
            try await bed.eventually("\(unit.name) is \(unit.reason)") {
                let ready = try await bed.unit(unit.name)?.ready
                return ready?.status == unit.ready && ready?.reason == unit.reason
            }
        }
        try await bed.eventually("the repositories") {
            let rows = try bed.kubectl("get", "gitrepositories", "--all-namespaces", "--no-headers").output.split(separator: "\n")
            return rows.count == 2 && rows.contains { $0.contains("True") } && rows.contains { $0.contains("False") }
        }
        try await bed.eventually("sd-old is ready") { try await bed.unit("sd-old")?.ready?.status == "True" }
        try await bed.eventually("the receivers") {
            let rows = try bed.kubectl("get", "receivers", "-n", "default", "--no-headers").output
            return rows.contains("Receiver initialized for path: /hook/") && rows.contains("the name * needs matchLabels")
        }
        // NAME URL AGE READY STATUS, NAME AGE READY STATUS: no column is empty.
        for (kind, columns) in [("gitrepositories", 6), ("kustomizations", 5), ("receivers", 5)] {
            let table = try bed.kubectl("get", kind, "--all-namespaces", "--no-headers").output
            for row in table.split(separator: "\n") { #expect(row.split(separator: " ").count >= columns, "\(row)") }
        }
        #expect(try await bed.unit("sd-ready")?.status.lastAppliedRevision == "main@sha1:\(commit)")
        let counts = try bed.counts()
        #expect(counts.statuses > before.statuses && counts.lost.isEmpty, "\(counts.lost)")
        try bed.push(["clusters/sync/n.yaml": SyncFiles.config("sd-end", "1")])
        try await bed.eventually("the units are gone") {
            try bed.kubectl("get", "kustomizations", "-n", "default", "--no-headers").output.isEmpty
        }
    }
}
