import Diagnostics
import Foundation
import HomelabTestSupport
import KubernetesClient
import KubernetesModel
import Reconciliation
import Testing
import YAML

/// What a commit brings about on a real API server.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct SyncLive {
    let bed: SyncBed

    init() throws {
        bed = try SyncBed.shared.get()
        try bed.startAgent()
    }

    private func uid(_ name: String) async throws -> String? { try await bed.configMap(name)?.uid }

    @Test func t01_aDefinitionAndItsObjectInOneCommit() async throws {
        let definition = """
            apiVersion: apiextensions.k8s.io/v1
            kind: CustomResourceDefinition
            metadata: {name: lamps.sync.example.org}
            spec:
              group: sync.example.org
              scope: Namespaced
              names: {plural: lamps, kind: Lamp}
              versions:
                - name: v1
                  served: true
                  storage: true
                  schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}

            """
        let lamp = "apiVersion: sync.example.org/v1\nkind: Lamp\nmetadata: {name: desk, namespace: default}\nspec: {on: true}\n"
        let release = """
            apiVersion: helm.toolkit.fluxcd.io/v2
            kind: HelmRelease
            metadata: {name: chart, namespace: default}
            spec: {interval: 1h, chart: {spec: {chart: chart, sourceRef: {kind: HelmRepository, name: charts}}}}

            """
        // Until the agent has written to it, Events are about the agent's ConfigMap.
        try await bed.eventually("the agent's own Kustomization") {
            try await bed.client.get(FluxKinds.kustomization, namespace: "homelab-system", name: "sync")?.condition("Ready") != nil
        }
        let commit = try bed.push([
            "clusters/sync/lamp.yaml": lamp, "clusters/sync/definition.yaml": definition, "clusters/sync/chart.yaml": release,
        ])
        try await bed.awaitReady(at: commit)
        let kind = GroupVersionKind(group: "sync.example.org", version: "v1", kind: "Lamp")
        #expect(try await bed.client.get(kind, namespace: "default", name: "desk") != nil)
        let told = try #require(try await bed.report()?.exceptions.first { $0.key.kind == "HelmRelease" })
        #expect(told.message.contains("not handled yet"), "\(told)")
        // Where the cluster has the kind, it is applied as the object it is, and nobody waits for a controller that is not there.
        try bed.apply(
            definition.replacing("lamps.sync.example.org", with: "helmreleases.helm.toolkit.fluxcd.io")
                .replacing("sync.example.org", with: "helm.toolkit.fluxcd.io").replacing("lamps", with: "helmreleases")
                .replacing("Lamp", with: "HelmRelease").replacing("name: v1", with: "name: v2"))
        let chart = GroupVersionKind(group: "helm.toolkit.fluxcd.io", version: "v2", kind: "HelmRelease")
        try await bed.eventually("the HelmRelease as it is", limit: 60) {
            let found = try await bed.client.get(chart, namespace: "default", name: "chart")
            return found?.value[path: "spec", "chart", "spec", "chart"] == "chart"
        }
        try await bed.awaitReady(at: commit)
        try await bed.eventually("that nobody acts on it is said, once") {
            let messages = try await bed.report()?.exceptions.filter { $0.key.kind == "HelmRelease" }.map(\.message) ?? []
            return messages.count == 1 && messages[0].contains("nothing in this cluster acts on it; k3s' own HelmChart")
        }
        let events = try bed.kubectl("get", "events", "-n", "homelab-system", "--field-selector", "reason=NotHandled", "-o", "name").output
        #expect(events.split(separator: "\n").count == 1, "\(events)")
        #expect(try bed.kubectl("delete", "customresourcedefinition", "helmreleases.helm.toolkit.fluxcd.io").succeeded)
    }

    @Test func t01b_aDefinitionThatIsDeletedAndOneWhoseVersionIsServedNoMore() async throws {
        func definition(served: Bool) -> String {
            let schema = "schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}"
            return """
                apiVersion: apiextensions.k8s.io/v1
                kind: CustomResourceDefinition
                metadata: {name: bulbs.sync.example.org}
                spec:
                  group: sync.example.org
                  scope: Namespaced
                  names: {plural: bulbs, kind: Bulb}
                  versions:
                    - {name: v1, served: \(served), storage: true, \(schema)}
                    - {name: v2, served: true, storage: false, \(schema)}

                """
        }
        func bulb(_ version: String, _ watts: Int) -> String {
            "apiVersion: sync.example.org/\(version)\nkind: Bulb\nmetadata: {name: desk, namespace: default}\nspec: {watts: \(watts)}\n"
        }
        func live() async throws -> Manifest? {
            let kind = GroupVersionKind(group: "sync.example.org", version: "v2", kind: "Bulb")
            return try? await bed.client.get(kind, namespace: "default", name: "desk")
        }
        var files = ["clusters/sync/b.yaml": definition(served: true), "clusters/sync/c.yaml": bulb("v1", 5)]
        try await bed.awaitReady(at: try bed.push(files))
        let uid = try #require(try await live()?.uid)
        #expect(try bed.kubectl("delete", "customresourcedefinition", "bulbs.sync.example.org").succeeded)
        try await bed.eventually("both are made anew", limit: 60) {
            guard let found = try await live() else { return false }
            return found.uid != uid && found.value[path: "spec", "watts"] == 5
        }
        try await bed.eventually("drift of it is repaired again", limit: 30) {
            _ = try bed.kubectl("patch", "bulbs.v2.sync.example.org", "desk", "--type=merge", "-p", #"{"spec":{"watts":60}}"#)
            try await Task.sleep(for: .seconds(1))
            return try await live()?.value[path: "spec", "watts"] == 5
        }
        files = ["clusters/sync/b.yaml": definition(served: false), "clusters/sync/c.yaml": bulb("v2", 7)]
        try await bed.awaitReady(at: try bed.push(files), limit: 60)
        #expect(try await live()?.value[path: "spec", "watts"] == 7)
        files["clusters/sync/c.yaml"] = nil
        try await bed.awaitReady(at: try bed.push(files))
        try await bed.eventually("it goes") { try await live() == nil }
    }

    @Test func t02_whatKubectlSetGoesWithTheFirstCommit() async throws {
        func manifest(_ name: String, _ more: String) -> String {
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \(name), namespace: default\(more)}\ndata: {title: old, extra: \"1\"}\n---\n"
        }
        try bed.apply(manifest("taken", ", labels: {by: hand}") + manifest("merged", ", labels: {by: hand}"))
        let merge = "kustomize.toolkit.fluxcd.io/ssa: Merge"
        let commit = try bed.push([
            "clusters/sync/a.yaml": SyncFiles.config("taken", "git"),
            "clusters/sync/b.yaml": SyncFiles.config("merged", "git").replacing("labels: {}", with: "annotations: {\(merge)}"),
        ])
        try await bed.awaitReady(at: commit)
        let (taken, merged) = (try #require(try await bed.configMap("taken")), try #require(try await bed.configMap("merged")))
        #expect(taken.value["data"] == ["title": "git"] && taken.label("by") == nil, "\(taken.value)")
        #expect(taken.annotation("kubectl.kubernetes.io/last-applied-configuration") == nil)
        #expect(merged.value[path: "data", "extra"] == "1" && merged.value[path: "data", "title"] == "git", "\(merged.value)")
    }

    @Test func t03_aRenamedUnitLeavesItsObjectsAlone() async throws {
        var files = [
            "clusters/sync/u.yaml": SyncFiles.unit("before", path: "app"), "app/a.yaml": SyncFiles.config("kept-a", "1"),
            "app/b.yaml": """
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: kept-b, namespace: default}
            spec:
              replicas: 1
              selector: {matchLabels: {app: kept-b}}
              template:
                metadata: {labels: {app: kept-b}}
                spec: {containers: [{name: web, image: "web:1"}]}

            """,
        ]
        try await bed.awaitUnit("before", at: try bed.push(files))
        let workloads = [
            "get", "deployment,replicaset,pod", "-l", "app=kept-b", "-o", "jsonpath={range .items[*]}{.kind} {.metadata.uid}{'\\n'}{end}",
        ]
        // The Deployment carries no such label itself.
        try await bed.eventually("its ReplicaSet and pod") { try bed.kubectl(workloads).output.split(separator: "\n").count == 2 }
        func deployment() async throws -> Manifest? {
            try await bed.client.get(
                GroupVersionKind(group: "apps", version: "v1", kind: "Deployment"), namespace: "default", name: "kept-b")
        }
        let pods = try bed.kubectl(workloads).output
        let uids = [try await uid("kept-a"), try await deployment()?.uid]
        let generation = try await deployment()?.generation
        files["clusters/sync/u.yaml"] = SyncFiles.unit("after", path: "app")
        try await bed.awaitUnit("after", at: try bed.push(files))
        try await bed.eventually("the old unit is gone") { try await bed.unit("before") == nil }
        #expect([try await uid("kept-a"), try await deployment()?.uid] == uids && uids.allSatisfy { $0 != nil })
        #expect(try await deployment()?.generation == generation)
        #expect(try await deployment()?.label(Ownership.nameLabel) == "after")
        #expect(try bed.kubectl(workloads).output == pods, "its pods are the same")
        #expect(try await bed.configMap("kept-a")?.label(Ownership.nameLabel) == "after")
    }

    @Test func t04_anEmptiedTreeDeletesNothingUntilAPersonSaysSo() async throws {
        let unit = ["clusters/sync/u.yaml": SyncFiles.unit("emptied", path: "app")]
        let full = unit.merging(["app/a.yaml": SyncFiles.config("last-a", "1"), "app/b.yaml": SyncFiles.config("last-b", "1")]) { $1 }
        try await bed.awaitUnit("emptied", at: try bed.push(full))
        let commit = try bed.push(unit.merging(["app/kustomization.yaml": "resources: []\n"]) { $1 })
        try await bed.awaitUnit("emptied", at: commit)
        let message = try #require(try await bed.unit("emptied")?.ready?.message)
        let kept = try await bed.configMap("last-a")
        #expect(kept != nil)
        let all = try bed.kubectl("get", "kustomization", "emptied", "-o", "yaml").output
        let command = try #require(
            (message + all).split(separator: "`").first { $0.hasPrefix("kubectl annotate") }, "the message says how to confirm: \(message)")
        let words = command.split(whereSeparator: \.isWhitespace).dropFirst().map(String.init)
        #expect(try bed.kubectl(words).succeeded, "\(command)")
        try await bed.eventually("deletion after the confirmation") {
            let (a, b) = (try await bed.configMap("last-a"), try await bed.configMap("last-b"))
            return a == nil && b == nil
        }
    }

    @Test func t04b_aCommitThatDropsMoreThanItsUnitMayDeletesNothing() async throws {
        func unit(_ budget: String) -> String {
            SyncFiles.unit("thrifty", path: "app").replacing(
                "namespace: default}\nspec", with: "namespace: default, annotations: {homelab.dev/prune-budget: \"\(budget)\"}}\nspec")
        }
        var files = ["clusters/sync/u.yaml": unit("1, 30%")]
        let names = ["thrifty-a", "thrifty-b", "thrifty-c", "thrifty-d"]
        for name in names { files["app/\(name).yaml"] = SyncFiles.config(name, "one") }
        try await bed.awaitUnit("thrifty", at: try bed.push(files))
        // What stays is changed by the same commit.
        for name in names.prefix(2) { files["app/\(name).yaml"] = nil }
        files["app/thrifty-c.yaml"] = SyncFiles.config("thrifty-c", "two")
        let commit = try bed.push(files)
        try await bed.eventually("the rest of the commit") { try await bed.title("thrifty-c") == "two" }
        try await bed.awaitUnit("thrifty", at: commit)
        // Once all units have looked at the commit: what leaves one may go to another.
        let told = "2 of 4 applied objects would go; the budget is 1 object or 30 %, whichever is more"
        try await bed.eventually("it is told") { try bed.kubectl("get", "kustomization", "thrifty", "-o", "json").output.contains(told) }
        for name in names { #expect(try await bed.configMap(name) != nil, "\(name)") }
        // Two are within this one.
        files["clusters/sync/u.yaml"] = unit("2, 30%")
        try bed.push(files)
        try await bed.eventually("what the larger budget allows") {
            let (a, b) = (try await bed.configMap("thrifty-a"), try await bed.configMap("thrifty-b"))
            return a == nil && b == nil
        }
        for name in names.suffix(2) { #expect(try await bed.configMap(name) != nil, "\(name)") }
    }

    /// Has a webhook asked about ConfigMaps with a label, for as long as `body` runs.
    private func withWebhook(for label: String, timeout seconds: Int, _ body: () async throws -> Void) async throws {
        let webhook = """
            apiVersion: admissionregistration.k8s.io/v1
            kind: ValidatingWebhookConfiguration
            metadata: {name: sync-house-rules}
            webhooks:
              - name: rules.sync.example.org
                admissionReviewVersions: [v1]
                sideEffects: None
                failurePolicy: Fail
                timeoutSeconds: \(seconds)
                objectSelector: {matchExpressions: [{key: \(label), operator: Exists}]}
                rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]
                clientConfig:
                  url: https://127.0.0.1:\(bed.port + 5)/
                  caBundle: \(try Data(contentsOf: URL(fileURLWithPath: bed.folder + "/plane/ca.crt")).base64EncodedString())

            """
        try bed.apply(webhook)
        defer { _ = try? bed.kubectl("delete", "validatingwebhookconfiguration", "sync-house-rules") }
        try await body()
    }

    @Test func t05_aWebhookThatRejectsStopsOnlyWhatItRejects() async throws {
        try await withWebhook(for: "deny", timeout: 5) { try await rejectOne() }
    }

    @Test func t05b_aWebhookThatNeverAnswersHoldsNothingElseUp() async throws {
        // More than are sent at the same time.
        var files = [
            "clusters/sync/u.yaml": SyncFiles.unit("hung", path: "hung") + "---\n" + SyncFiles.unit("hung-not", path: "not"),
            "hung/free.yaml": SyncFiles.config("hung-free", "1"), "not/free.yaml": SyncFiles.config("hung-other", "1"),
        ]
        for index in 0..<10 { files["hung/\(index).yaml"] = SyncFiles.config("hung-\(index)", "1", labels: "hang: \"true\"") }
        var commit = ""
        try await withWebhook(for: "hang", timeout: 25) {
            try await bed.eventually("the webhook is asked") {
                let trial = SyncFiles.config("probe", "1", labels: "hang: \"true\"")
                return (try? bed.apply(trial, "--dry-run=server", "--request-timeout=1s")) == nil
            }
            commit = try bed.push(files)
            try await bed.awaitUnit("hung-not", at: commit, limit: 20)
            try await bed.eventually("what the webhook is not asked about", limit: 20) { try await bed.title("hung-free") == "1" }
            #expect(try await bed.configMap("hung-0") == nil)
            #expect(try await bed.unit("hung")?.ready?.status != "True")
        }
        try await bed.awaitUnit("hung", at: commit, limit: 90)
        #expect(try await bed.title("hung-9") == "1")
    }

    private func rejectOne() async throws {
        var files = [
            "clusters/sync/good.yaml": SyncFiles.config("good", "1"),
            "clusters/sync/bad.yaml": "# A comment.\n" + SyncFiles.config("bad", "1", labels: "deny: \"true\""),
        ]
        try await bed.eventually("the webhook is asked") {
            (try? bed.apply(SyncFiles.config("probe", "1", labels: "deny: \"true\""), "--dry-run=server")) == nil
        }
        try bed.push(files)
        try await bed.eventually("the refusal is told") {
            let error = try await bed.report()?.errors.first { $0.subject == "ConfigMap/default/bad" }
            return error?.cause?.contains("the policy of this house forbids it") == true
                && error?.description.contains("clusters/sync/bad.yaml:2") == true
        }
        #expect(try await bed.title("good") == "1")
        #expect(try await bed.configMap("bad") == nil)
        files["clusters/sync/bad.yaml"] = SyncFiles.config("bad", "1", labels: "deny: \"false\"")
        try await bed.awaitReady(at: try bed.push(files))
        #expect(try await bed.title("bad") == "1")
    }

    @Test func t06_aUnitMayDoWhatItsServiceAccountMay() async throws {
        let files = [
            "clusters/sync/u.yaml": SyncFiles.unit("tenant", path: "app", more: "serviceAccountName: deployer\nretryInterval: 2s"),
            "app/a.yaml": SyncFiles.config("of-tenant", "1"),
        ]
        try bed.apply("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: deployer, namespace: default}\n")
        let commit = try bed.push(files)
        try await bed.awaitUnit("tenant", "False", at: commit)
        let message = try await bed.unit("tenant")?.ready?.message ?? ""
        #expect(message.contains("system:serviceaccount:default:deployer") && message.contains("bind a Role to it"), "\(message)")
        #expect(try await bed.configMap("of-tenant") == nil)
        try bed.apply(
            """
            apiVersion: rbac.authorization.k8s.io/v1
            kind: Role
            metadata: {name: deployer, namespace: default}
            rules: [{apiGroups: [""], resources: [configmaps], verbs: [get, create, patch, delete]}]
            ---
            apiVersion: rbac.authorization.k8s.io/v1
            kind: RoleBinding
            metadata: {name: deployer, namespace: default}
            roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: deployer}
            subjects: [{kind: ServiceAccount, name: deployer, namespace: default}]

            """)
        try await bed.awaitUnit("tenant", at: commit)
        #expect(try await bed.title("of-tenant") == "1")
    }

    @Test func t06b_aUnitHasTheRightsThatFluxGaveIt() async throws {
        let files = [
            "clusters/sync/flux.yaml": """
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: kustomize-controller, namespace: flux-system, labels: {app.kubernetes.io/part-of: flux}}
            spec: {template: {spec: {containers: [{name: manager, args: [--default-service-account=plain]}]}}}

            """,
            "clusters/sync/u.yaml": SyncFiles.unit("plainly", path: "app", more: "retryInterval: 2s"),
            "app/a.yaml": SyncFiles.config("of-plain", "1"),
        ]
        let commit = try bed.push(files)
        func expectRefused() async throws {
            try await bed.eventually("the refusal") {
                try await bed.unit("plainly")?.ready?.message.contains("system:serviceaccount:default:plain") == true
            }
            #expect(try await bed.configMap("of-plain") == nil)
        }
        try await expectRefused()
        // An agent that starts knows it before it applies anything.
        try await bed.stopAgent(signal: SIGKILL)
        try bed.startAgent()
        try await Task.sleep(for: .seconds(3))
        try await expectRefused()
        try bed.apply(
            """
            apiVersion: v1
            kind: ServiceAccount
            metadata: {name: plain, namespace: default}
            ---
            apiVersion: rbac.authorization.k8s.io/v1
            kind: Role
            metadata: {name: plain, namespace: default}
            rules: [{apiGroups: [""], resources: [configmaps], verbs: [get, create, patch, delete]}]
            ---
            apiVersion: rbac.authorization.k8s.io/v1
            kind: RoleBinding
            metadata: {name: plain, namespace: default}
            roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: plain}
            subjects: [{kind: ServiceAccount, name: plain, namespace: default}]

            """)
        try await bed.awaitUnit("plainly", at: commit)
        #expect(try await bed.title("of-plain") == "1")
    }

    @Test func t06c_onlyWhatSomebodyTrustedSignedIsTakenOfTheAgentsOwnRepository() async throws {
        let keys = try SigningKeys()
        try await bed.putSecret("own-signers", ["ann.sshpub": try keys.sshKey("ann", "ed25519")])
        func config(_ name: String, _ value: String) throws { try Shell.must(["git", "-C", bed.folder + "/work", "config", name, value]) }
        try config("gpg.format", "ssh")
        try config("user.signingkey", keys.folder + "/ann")
        // The key is gone when the test is over.
        defer { try? config("commit.gpgsign", "false") }
        func push(_ title: String, isSigned: Bool, verify: Bool = true) throws -> String {
            try config("commit.gpgsign", String(isSigned))
            let rule = verify ? "verify: {mode: HEAD, secretRef: {name: own-signers}}" : ""
            return try bed.push([
                "clusters/sync/gotk-sync.yaml": """
                apiVersion: source.toolkit.fluxcd.io/v1
                kind: GitRepository
                metadata: {name: own, namespace: default}
                spec:
                  url: ssh://git@example.org/home.git
                  interval: 1m
                  ref: {branch: main}
                  \(rule)
                ---
                apiVersion: kustomize.toolkit.fluxcd.io/v1
                kind: Kustomization
                metadata: {name: own, namespace: default}
                spec: {interval: 10m, path: ./clusters/sync, prune: true, sourceRef: {kind: GitRepository, name: own}}

                """,
                "clusters/sync/one.yaml": SyncFiles.config("signed", title),
            ])
        }
        let first = try push("one", isSigned: true)
        try await bed.awaitReady(at: first)
        try await bed.eventually("it is verified") { try await bed.repository("own")["SourceVerified"]?.status == "True" }
        let second = try push("two", isSigned: false)
        try await bed.awaitTrouble("own", reason: "InvalidCommitSignature", ["commit \(second) is not believed"])
        #expect(try bed.kubectl("delete", "configmap", "signed").succeeded)
        try await bed.eventually("the last good commit is enforced") { try await bed.title("signed") == "one" }
        // Nothing slips in while an agent starts.
        try await bed.stopAgent()
        let third = try push("three", isSigned: false)
        try bed.startAgent()
        let words = "commit \(third) is not believed"
        try await bed.awaitTrouble("own", reason: "InvalidCommitSignature", [words])
        try await bed.eventually("the message of the unit") { try await bed.report()?.message.contains(words) == true }
        #expect(try await bed.title("signed") == "one")
        let fourth = try push("four", isSigned: true)
        try await bed.awaitReady(at: fourth)
        #expect(try await bed.title("signed") == "four")
        let open = try push("five", isSigned: true, verify: false)
        try await bed.awaitReady(at: open)
        try await bed.eventually("nobody has to sign") { try await bed.repository("own")["SourceVerified"] == nil }
        let last = try push("six", isSigned: false, verify: false)
        try await bed.awaitReady(at: last)
    }

    @Test func t07_aJobRunsOnceForWhatItSays() async throws {
        func job(_ image: String) -> String {
            "apiVersion: batch/v1\nkind: Job\nmetadata: {name: step, namespace: default}\n"
                + "spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: \"\(image)\"}]}}}\n"
        }
        let kind = GroupVersionKind(group: "batch", version: "v1", kind: "Job")
        var files = ["clusters/sync/j.yaml": job("step:1")]
        try bed.push(files)
        try await bed.eventually("the Job") { try await bed.client.get(kind, namespace: "default", name: "step") != nil }
        let first = try #require(try await bed.client.get(kind, namespace: "default", name: "step"))
        // A changed template cannot be patched: the Job is made anew.
        files["clusters/sync/j.yaml"] = job("step:2")
        try bed.push(files)
        var second = first
        try await bed.eventually("a new run for new content") {
            second = try await bed.client.get(kind, namespace: "default", name: "step") ?? first
            return second.uid != first.uid
        }
        try await bed.eventually("the run's end") {
            var done = try await bed.client.get(kind, namespace: "default", name: "step") ?? second
            done.value["status"] = ["succeeded": 1, "conditions": [["type": "Complete", "status": "True"]]]
            _ = try await bed.client.replace(done, subresource: "status")
            return true
        }
        _ = try await bed.client.delete(kind, namespace: "default", name: "step", options: DeleteOptions())
        files["clusters/sync/c.yaml"] = SyncFiles.config("after-step", "1")
        try await bed.awaitReady(at: try bed.push(files))
        #expect(try await bed.client.get(kind, namespace: "default", name: "step") == nil)
    }

    @Test func t08_aNamespaceStuckInDeletionIsExplainedAndMadeAnew() async throws {
        let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: stuck}\n"
        let commit = try bed.push([
            "clusters/sync/n.yaml": namespace, "clusters/sync/c.yaml": SyncFiles.config("in-stuck", "1", namespace: "stuck"),
            "clusters/sync/other.yaml": SyncFiles.config("beside", "1"),
        ])
        try await bed.awaitReady(at: commit)
        try bed.apply(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: held, namespace: stuck, finalizers: [example.org/hold]}\ndata: {}\n")
        #expect(try bed.kubectl("delete", "namespace", "stuck", "--wait=false").succeeded)
        try await bed.eventually("the reason, with the finalizer that holds it", limit: 60) {
            let object = try await bed.report()?.objects.first { $0.key.kind == "Namespace" && $0.key.name == "stuck" }
            return object?.message.contains("being deleted") == true && object?.message.contains("example.org/hold") == true
        }
        #expect(try bed.kubectl("delete", "configmap", "beside").succeeded)
        try await bed.eventually("the rest is kept meanwhile") { try await bed.title("beside") == "1" }
        #expect(
            try bed.kubectl("patch", "configmap", "held", "-n", "stuck", "--type=merge", "-p", #"{"metadata":{"finalizers":null}}"#)
                .succeeded)
        try await bed.eventually("namespace and object made anew", limit: 60) { try await bed.title("in-stuck", "stuck") == "1" }
    }

    @Test func t09_aFightIsNoticedAndTheOtherIsNamed() async throws {
        try await bed.awaitReady(at: try bed.push(["clusters/sync/c.yaml": SyncFiles.config("fought", "git")]))
        try await bed.eventually("the other's name", limit: 60) {
            if try await bed.title("fought") == "git" {
                try bed.kubectl(
                    "patch", "configmap", "fought", "--field-manager=night-watch", "--type=merge", "-p", #"{"data":{"title":"mine"}}"#)
            }
            let object = try await bed.report()?.objects.first { $0.key.name == "fought" }
            return object?.message.contains("night-watch keeps changing it back") == true
        }
    }

    @Test func t10_theAgentsOwnUnitTakesAnotherNameAndKeepsWhatItHas() async throws {
        try await bed.awaitReady(at: try bed.push(["clusters/sync/c.yaml": SyncFiles.config("named", "1")]))
        let first = try await uid("named")
        let names = [Ownership(namespace: "flux-system", name: "flux-system"), Ownership(namespace: "homelab-system", name: "sync")]
        for (name, former) in [(names[0], names[1]), (names[1], names[0])] {
            try await bed.stopAgent()
            try bed.startAgent(more: name == names[0] ? "unit: {namespace: \(name.namespace), name: \(name.name)}" : "")
            try await bed.eventually("its name on what it has", limit: 60) {
                try await bed.configMap("named").flatMap { Ownership(of: $0) } == name
            }
            try await bed.eventually("its Kustomization") {
                let object = try await bed.client.get(FluxKinds.kustomization, namespace: name.namespace, name: name.name)
                return object.map { KustomizationStatus(of: $0).conditions["Ready"]?.status } == "True"
            }
            let told = try Shell.run([Lab.binary, "status", "--kubeconfig", bed.kubeconfig]).output
            #expect(told.contains("delete this Kustomization") && told.contains("\(former)"), "\(told)")
            #expect(try bed.kubectl("delete", "kustomization", "-n", former.namespace, former.name, "--timeout=30s").succeeded)
            #expect(try bed.kubectl("delete", "gitrepository", "-n", former.namespace, former.name).succeeded)
            try await bed.awaitReady(at: try bed.push(["clusters/sync/c.yaml": SyncFiles.config("named", name.name)]))
            #expect(try await bed.title("named") == name.name)
            #expect(try await uid("named") == first)
        }
        #expect(try bed.kubectl("delete", "namespace", "flux-system", "--wait=false").succeeded)
    }
}
