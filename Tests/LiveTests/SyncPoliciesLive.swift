import Foundation
import KubernetesClient
import KubernetesModel
import Reconciliation
import Testing
import YAML

/// What a unit's author can ask for, and what the commands do, on a real API server.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct SyncPoliciesLive {
    let bed: SyncBed
    private static let deployments = GroupVersionKind(group: "apps", version: "v1", kind: "Deployment")

    init() throws {
        bed = try SyncBed.shared.get()
        try bed.startAgent()
    }

    private func homelab(_ words: String...) throws -> Shell.Result {
        try Shell.run([Lab.binary] + words + ["--kubeconfig", bed.kubeconfig], limit: 60)
    }

    private func deployment(_ name: String, app: String, image: String = "web:1", more: String = "") -> String {
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: \(name), namespace: default\(more)}
        spec:
          replicas: 1
          selector: {matchLabels: {app: \(app)}}
          template:
            metadata: {labels: {app: \(app)}}
            spec: {containers: [{name: web, image: "\(image)"}]}

        """
    }

    private func live(_ name: String) async throws -> Manifest? {
        try await bed.client.get(Self.deployments, namespace: "default", name: name)
    }

    @Test func t01_anImmutableFieldIsReplacedOnlyWhereThatIsAskedForAndCanBeDone() async throws {
        let force = ", annotations: {kustomize.toolkit.fluxcd.io/force: enabled}"
        func files(_ app: String, _ more: String = "", image: String = "web:1") -> [String: String] {
            [
                "clusters/sync/u.yaml": SyncFiles.unit("fixed", path: "app", more: "retryInterval: 1s"),
                "app/d.yaml": deployment("fixed", app: app, image: image, more: more),
            ]
        }
        try await bed.awaitUnit("fixed", at: try bed.push(files("one")))
        let uid = try #require(try await live("fixed")?.uid)
        // Not asked for: refused, and nothing is deleted.
        try await bed.awaitUnit("fixed", "False", at: try bed.push(files("two")))
        let message = try await bed.unit("fixed")?.ready?.message ?? ""
        #expect(message.contains("immutable") && message.contains("app/d.yaml:1"), "\(message)")
        #expect(try await live("fixed")?.uid == uid)
        // Asked for, but the new one would be refused, too: the old one stays.
        let commit = try bed.push(files("two", force, image: ""))
        try await bed.awaitUnit("fixed", "False", at: commit)
        try await bed.eventually("the refusal of the new one") {
            try await bed.unit("fixed")?.ready?.message.contains("image") == true
        }
        #expect(try await live("fixed")?.uid == uid, "a healthy object is not deleted for a typing error")
        try await bed.awaitUnit("fixed", at: try bed.push(files("two", force)))
        let new = try #require(try await live("fixed"))
        #expect(new.uid != uid && new.value[path: "spec", "selector", "matchLabels", "app"] == "two")
    }

    @Test func t02_aHashedConfigMapStaysUntilTheOldPodsAreGone() async throws {
        let kustomization = "namespace: default\nresources: [d.yaml]\nconfigMapGenerator: [{name: hashed, literals: [title=TITLE]}]\n"
        let text = """
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: hashed}
            spec:
              replicas: 1
              selector: {matchLabels: {app: hashed}}
              template:
                metadata: {labels: {app: hashed}}
                spec: {containers: [{name: web, image: "web:1", envFrom: [{configMapRef: {name: hashed}}]}]}

            """
        func files(_ title: String) -> [String: String] {
            [
                "clusters/sync/u.yaml": SyncFiles.unit("hashed", path: "app", more: "wait: true"),
                "app/kustomization.yaml": kustomization.replacing("TITLE", with: title), "app/d.yaml": text,
            ]
        }
        func maps() throws -> [String] {
            try bed.kubectl("get", "configmaps", "-o", "jsonpath={range .items[*]}{.metadata.name} {.data.title}{'\\n'}{end}").output
                .split(separator: "\n").filter { $0.hasPrefix("hashed-") }.map { String($0.split(separator: " ")[1]) }.sorted()
        }
        /// What a kubelet would say of all pods there are; nobody else does here.
        func run() throws {
            let pods = try bed.kubectl("get", "pods", "-l", "app=hashed", "-o", "name").output.split(separator: "\n")
            for pod in pods {
                let status = #"{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}"#
                let name = pod.replacing("pod/", with: "")
                try Shell.must([
                    "curl", "-sf", "-X", "PATCH", "-H", "Content-Type: application/merge-patch+json", "-d", status, "--cacert",
                    bed.folder + "/plane/ca.crt", "--cert", bed.folder + "/plane/admin.crt", "--key", bed.folder + "/plane/admin.key",
                    "https://127.0.0.1:\(bed.port)/api/v1/namespaces/default/pods/\(name)/status",
                ])
            }
        }
        let first = try bed.push(files("one"))
        try await bed.eventually("its pod") { try !bed.kubectl("get", "pods", "-l", "app=hashed", "-o", "name").output.isEmpty }
        try run()
        try await bed.awaitUnit("hashed", at: first)
        let second = try bed.push(files("two"))
        try await bed.eventually("the new one") { try maps().contains("two") }
        try await bed.eventually("the new pod") {
            try bed.kubectl("get", "pods", "-l", "app=hashed", "-o", "name").output.split(separator: "\n").count == 2
        }
        try await Task.sleep(for: .seconds(2))
        #expect(try maps() == ["one", "two"], "the old pod may be started again in the middle of the rollout")
        try run()
        try await bed.awaitUnit("hashed", at: second)
        try await bed.eventually("the old one goes with the last pod of the old ReplicaSet") { try maps() == ["two"] }
    }

    @Test func t03_aUnitIsBuiltFromAllThatItsSpecSays() async throws {
        let fixtures = Lab.root + "/Tests/SOPSTests/Fixtures/"
        func fixture(_ name: String) throws -> String { try String(contentsOfFile: fixtures + name, encoding: .utf8) }
        let keys = Data(try fixture("keys.txt").utf8).base64EncodedString()
        try bed.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: sops-age, namespace: default}\ndata: {age.agekey: \(keys)}\n")
        try bed.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: built-vars, namespace: default}\ndata: {replicas: \"0\"}\n")
        let more = """
            targetNamespace: built
            namePrefix: a-
            nameSuffix: -z
            commonMetadata: {labels: {team: home}, annotations: {about: all}}
            images: [{name: web, newName: example.org/web, newTag: "7"}]
            patches: [{patch: '- {op: add, path: /spec/template/spec/hostNetwork, value: true}', target: {kind: Deployment}}]
            components: [../more]
            decryption: {provider: sops, secretRef: {name: sops-age}}
            postBuild: {substitute: {who: me}, substituteFrom: [{kind: ConfigMap, name: built-vars}]}
            """
        var files = [
            "clusters/sync/u.yaml": SyncFiles.unit("built", path: "app", more: more),
            "clusters/sync/n.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: built}\n",
            "app/d.yaml": deployment("web", app: "web").replacing("replicas: 1", with: "replicas: ${replicas}"),
            "app/secret.yaml": try fixture("secret.yaml"),
            "app/c.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: who}\ndata: {who: \"${who}\", kept: \"$${who}\"}\n",
            "more/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [e.yaml]\n",
            "more/e.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\ndata: {}\n",
        ]
        try await bed.awaitUnit("built", at: try bed.push(files))
        let web = try #require(try await bed.client.get(Self.deployments, namespace: "built", name: "a-web-z")?.value)
        #expect(web[path: "spec", "replicas"] == 0, "a number, not a text")
        let pod = web[path: "spec", "template", "spec"]
        #expect(pod?["hostNetwork"] == true && pod?["containers"]?.array?.first?["image"] == "example.org/web:7")
        #expect(web[path: "metadata", "labels", "team"] == "home" && web[path: "metadata", "annotations", "about"] == "all")
        let who = try #require(try await bed.configMap("a-who-z", "built")?.value["data"])
        #expect(who == ["who": "me", "kept": "${who}"])
        #expect(try await bed.configMap("a-extra-z", "built") != nil)
        let secret = try bed.kubectl("get", "secret", "a-db-z", "-n", "built", "-o", "jsonpath={.data.user}").output
        #expect(Data(base64Encoded: secret).map { String(decoding: $0, as: UTF8.self) } == "ada")
        // A variable that nobody sets, with the place that asks for it; and a changed variable is a new build.
        files["app/c.yaml"]?.replace("${who}\", kept", with: "${nobody}\", kept")
        try await bed.awaitUnit("built", "False", at: try bed.push(files))
        let broken = try await bed.unit("built")?.ready
        #expect(broken?.reason == "BuildFailed" && broken?.message.contains("app/c.yaml") == true, "\(String(describing: broken))")
        #expect(try await bed.configMap("a-who-z", "built")?.value[path: "data", "who"] == "me")
        #expect(try bed.kubectl("patch", "configmap", "built-vars", "--type=merge", "-p", #"{"data":{"nobody":"you"}}"#).succeeded)
        try await bed.eventually("the new variable") { try await bed.configMap("a-who-z", "built")?.value[path: "data", "who"] == "you" }
        #expect(try bed.kubectl("label", "namespace", "built", "homelab.dev/prune=confirmed").succeeded)
    }

    @Test func t04_unitsWaitForEachOtherByTheirOwnRules() async throws {
        let definition = """
            apiVersion: apiextensions.k8s.io/v1
            kind: CustomResourceDefinition
            metadata: {name: doors.sync.example.org}
            spec:
              group: sync.example.org
              scope: Namespaced
              names: {plural: doors, kind: Door}
              versions:
                - name: v1
                  served: true
                  storage: true
                  schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}

            """
        let rule =
            "{apiVersion: sync.example.org/v1, kind: Door, current: \"has(status.open) && status.open\", failed: \"has(status.jammed)\"}"
        let commit = try bed.push([
            "clusters/sync/crd.yaml": definition,
            "clusters/sync/a.yaml": SyncFiles.unit("door", path: "a", more: "wait: true\nhealthCheckExprs: [\(rule)]"),
            "clusters/sync/b.yaml": SyncFiles.unit("room", path: "b", more: "dependsOn: [{name: door}]"),
            "clusters/sync/c.yaml": SyncFiles.unit(
                "cellar", path: "c", more: "dependsOn: [{name: door, readyExpr: \"dep.metadata.name == 'door'\"}]"),
            "a/d.yaml": "apiVersion: sync.example.org/v1\nkind: Door\nmetadata: {name: front, namespace: default}\nspec: {x: 1}\n",
            "b/c.yaml": SyncFiles.config("in-room", "1"), "c/c.yaml": SyncFiles.config("in-cellar", "1"),
        ])
        try await bed.awaitUnit("room", "False", at: commit)
        #expect(try await bed.unit("room")?.ready?.reason == "DependencyNotReady")
        try await bed.awaitUnit("cellar", at: commit)
        #expect(try await bed.configMap("in-room") == nil)
        func patch(_ status: String) throws {
            #expect(try bed.kubectl("patch", "door", "front", "--type=merge", "-p", #"{"status":\#(status)}"#).succeeded)
        }
        try patch(#"{"jammed":true}"#)
        try await bed.eventually("it has failed by its own rule") { try await bed.unit("door")?.ready?.reason == "HealthCheckFailed" }
        try patch(#"{"jammed":null,"open":true}"#)
        let start = Date()
        try await bed.awaitUnit("room", at: commit)
        #expect(Date().timeIntervalSince(start) < 5, "by its event, and not by a timer of half a minute")
        #expect(try await bed.title("in-room") == "1")
    }

    @Test func t05_fieldsOfOthersAndReportedDrift() async throws {
        let ignore = "ignore: [{paths: [/spec/replicas], target: {kind: Deployment}}]"
        var files = [
            "clusters/sync/u.yaml": SyncFiles.unit("shared", path: "app", more: ignore), "app/d.yaml": deployment("shared", app: "shared"),
            "app/c.yaml": SyncFiles.config("told", "git").replacing("labels: {}", with: "annotations: {homelab.dev/drift: report}"),
            "app/r.yaml": SyncFiles.config("repaired", "git"),
        ]
        try await bed.awaitUnit("shared", at: try bed.push(files))
        #expect(try bed.kubectl("scale", "deployment", "shared", "--replicas=3").succeeded)
        let byHand = ["--type=merge", "-p", #"{"data":{"title":"by hand"}}"#]
        #expect(try bed.kubectl(["patch", "configmap", "told"] + byHand).succeeded)
        #expect(try bed.kubectl(["patch", "configmap", "repaired"] + byHand).succeeded)
        let start = Date()
        try await bed.eventually("a repair", limit: 5) { try await bed.title("repaired") == "git" }
        print("repaired \(Date().timeIntervalSince(start)) s after kubectl was through")
        #expect(Date().timeIntervalSince(start) < 2)
        try await bed.eventually("the drift is told") { try await bed.unit("shared")?.ready?.message.contains("told was changed") == true }
        files["app/d.yaml"] = deployment("shared", app: "shared", image: "web:2")
        try await bed.awaitUnit("shared", at: try bed.push(files))
        let spec = try #require(try await live("shared")?.value["spec"])
        #expect(spec["replicas"] == 3 && spec[path: "template", "spec", "containers"]?.array?.first?["image"] == "web:2")
        #expect(try await bed.title("told") == "by hand")
    }

    @Test func t06_anObjectOfTwoUnitsIsRefusedNamingBothFiles() async throws {
        var files = [
            "clusters/sync/a.yaml": SyncFiles.unit("one", path: "a"), "clusters/sync/b.yaml": SyncFiles.unit("two", path: "b"),
            "a/c.yaml": SyncFiles.config("of-both", "one"), "b/d.yaml": "# Mine.\n" + SyncFiles.config("of-both", "two"),
            "b/e.yaml": SyncFiles.config("beside-both", "1"),
        ]
        try bed.push(files)
        try await bed.eventually("it is said on both sides") {
            let messages = [try await bed.unit("one")?.ready?.message ?? "", try await bed.unit("two")?.ready?.message ?? ""]
            return messages.allSatisfy { $0.contains("is wanted by two units") } && messages[0].contains("b/d.yaml:2")
                && messages[1].contains("a/c.yaml:1")
        }
        try await bed.eventually("the rest is applied") { try await bed.title("beside-both") == "1" }
        files["b/d.yaml"] = nil
        let commit = try bed.push(files)
        for unit in ["one", "two"] { try await bed.awaitUnit(unit, at: commit) }
        #expect(try await bed.title("of-both") == "one")
    }

    @Test func t07_theCommandsAndFluxOwnAnnotationsMoveAUnit() async throws {
        let commit = try bed.push([
            "clusters/sync/u.yaml": SyncFiles.unit("moved", path: "app"), "app/c.yaml": SyncFiles.config("of-moved", "git"),
        ])
        try await bed.awaitUnit("moved", at: commit)
        // As `flux reconcile` asks and waits.
        #expect(try bed.kubectl("annotate", "kustomization", "moved", "reconcile.fluxcd.io/requestedAt=yesterday", "--overwrite").succeeded)
        try await bed.eventually("the answer") { try await bed.unit("moved")?.status.lastHandledReconcileAt == "yesterday" }
        let reconciled = try homelab("reconcile", "moved", "--timeout", "20")
        #expect(reconciled.succeeded && reconciled.output.contains("Applied revision: main@sha1:\(commit)"), "\(reconciled.text)")
        let looked = try homelab("reconcile", "moved", "--with-source", "--timeout", "20")
        #expect(looked.succeeded && looked.output.contains("Applied revision: main@sha1:\(commit)"), "\(looked.text)")
        // Nothing is done, and nothing is answered, while it is suspended.
        #expect(try homelab("suspend", "moved", "--for", "5s", "--reason", "a look").succeeded)
        #expect(try bed.kubectl("patch", "configmap", "of-moved", "--type=merge", "-p", #"{"data":{"title":"by hand"}}"#).succeeded)
        let listed = try homelab("get").output
        #expect(listed.split(separator: "\n").contains { $0.contains("moved") && $0.lowercased().contains("suspended") }, "\(listed)")
        #expect(try await bed.title("of-moved") == "by hand")
        try await bed.eventually("it goes on by itself", limit: 15) { try await bed.title("of-moved") == "git" }
        #expect(try homelab("suspend", "moved").succeeded)
        #expect(try bed.kubectl("delete", "configmap", "of-moved").succeeded)
        try await bed.eventually("what is missing is told where it is listed", limit: 15) {
            let row = try homelab("get").output.split(separator: "\n").first { $0.contains("moved") }
            return row?.contains("1 drifted: ConfigMap/default/of-moved") == true
        }
        #expect(try await bed.configMap("of-moved") == nil)
        #expect(try homelab("resume", "moved").succeeded)
        try await bed.eventually("it is made again") { try await bed.title("of-moved") == "git" }
        for (command, expected) in [
            (["tree", "moved"], "ConfigMap/default/of-moved"), (["trace", "configmap/default/of-moved"], "default/moved"),
            (["why", "moved"], "moved"), (["events"], "DriftRepaired"), (["get", "-o", "json"], "\"moved\""),
        ] {
            let result = try Shell.run([Lab.binary] + command + ["--kubeconfig", bed.kubeconfig], limit: 60)
            #expect(result.succeeded && result.output.contains(expected), "\(command): \(result.text)")
        }
        let revision = try bed.kubectl(
            "get", "events", "--field-selector", "involvedObject.name=moved,reason=ReconciliationSucceeded", "-o",
            #"jsonpath={.items[*].metadata.annotations.kustomize\.toolkit\.fluxcd\.io/revision}"#)
        #expect(revision.output.contains("main@sha1:\(commit)"), "\(revision.text)")
    }

    @Test func t08_whatBecomesOfObjectsWhenTheirUnitGoes() async throws {
        var files: [String: String] = [:]
        for (policy, prune) in [("Orphan", "true"), ("Delete", "false"), ("MirrorPrune", "false"), ("WaitForTermination", "true")] {
            let name = "end-" + policy.lowercased()
            files["clusters/sync/\(name).yaml"] = SyncFiles.unit(name, path: name, more: "deletionPolicy: \(policy)")
                .replacing("prune: true", with: "prune: \(prune)")
            files["\(name)/c.yaml"] = SyncFiles.config(name, "1")
        }
        let commit = try bed.push(files)
        for name in ["end-orphan", "end-delete", "end-mirrorprune", "end-waitfortermination"] { try await bed.awaitUnit(name, at: commit) }
        let held = #"{"metadata":{"finalizers":["example.org/hold"]}}"#
        #expect(try bed.kubectl("patch", "configmap", "end-waitfortermination", "--type=merge", "-p", held).succeeded)
        try bed.push(["clusters/sync/c.yaml": SyncFiles.config("end", "1")])
        try await bed.eventually("three units are gone") {
            let rest = try bed.kubectl("get", "kustomizations", "-o", "name").output.split(separator: "\n").filter { $0.contains("end-") }
            return rest.count == 1 && rest[0].hasSuffix("end-waitfortermination")
        }
        #expect(try await bed.title("end-orphan") == "1")
        #expect(try await bed.title("end-mirrorprune") == "1")
        #expect(try await bed.configMap("end-delete") == nil)
        #expect(try await bed.configMap("end-waitfortermination")?.isBeingDeleted == true)
        #expect(
            try bed.kubectl("patch", "configmap", "end-waitfortermination", "--type=merge", "-p", #"{"metadata":{"finalizers":null}}"#)
                .succeeded)
        try await bed.eventually("the last unit goes", limit: 40) { try await bed.unit("end-waitfortermination") == nil }
        for name in ["end-orphan", "end-mirrorprune"] { #expect(try bed.kubectl("delete", "configmap", name).succeeded) }
    }

    @Test func t10_whatASpecDoesNotSayAnyMoreGoes() async throws {
        // An apply leaves null where the last member of an object goes, which a definition refuses.
        let more = "kubeConfig: {secretRef: {name: no-such}}\ndecryption: {provider: sops, secretRef: {name: no-such}}\n"
        var files = [
            "clusters/sync/u.yaml": SyncFiles.unit("less", path: "app", more: more), "app/c.yaml": SyncFiles.config("of-less", "1"),
        ]
        try bed.push(files)
        try await bed.eventually("the Secret is missed") { try await bed.unit("less")?.ready?.message.contains("no-such") == true }
        files["clusters/sync/u.yaml"] = SyncFiles.unit("less", path: "app")
        try await bed.awaitUnit("less", at: try bed.push(files))
        #expect(try await bed.title("of-less") == "1")
        let spec = try bed.kubectl("get", "kustomization", "less", "-o", "jsonpath={.spec}").output
        #expect(!spec.contains("kubeConfig") && !spec.contains("decryption"), "\(spec)")
    }

    @Test func t09_aReceiverHasItsRepositoryLookedAt() async throws {
        try bed.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: hook, namespace: default}\nstringData: {token: t0k3n}\n")
        let receiver = """
            apiVersion: notification.toolkit.fluxcd.io/v1
            kind: Receiver
            metadata: {name: host, namespace: default}
            spec:
              type: gitlab
              secretRef: {name: hook}
              resources: [{kind: GitRepository, name: sync, namespace: homelab-system}]

            """
        let commit = try bed.push(["clusters/sync/r.yaml": receiver])
        try await bed.awaitReady(at: commit)
        var path = ""
        try await bed.eventually("its path") {
            path = try bed.kubectl("get", "receiver", "host", "-o", "jsonpath={.status.webhookPath}").output
            return path.count == 70
        }
        func post(_ token: String) throws -> String {
            try Shell.run(
                [
                    "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", "-H", "X-Gitlab-Token: \(token)", "-d", "{}",
                    "http://127.0.0.1:\(bed.port + 10)\(path)",
                ], limit: 20
            ).output
        }
        #expect(try post("wrong") == "400")
        #expect(try post("t0k3n") == "200")
        let asked = try bed.kubectl(
            "get", "gitrepository", "sync", "-n", "homelab-system", "-o",
            #"jsonpath={.metadata.annotations.reconcile\.fluxcd\.io/requestedAt} {.status.lastHandledReconcileAt}"#)
        #expect(asked.output.split(separator: " ").count >= 1, "\(asked.text)")
        try await bed.eventually("the look is answered") {
            let words = try bed.kubectl(
                "get", "gitrepository", "sync", "-n", "homelab-system", "-o",
                #"jsonpath={.metadata.annotations.reconcile\.fluxcd\.io/requestedAt} {.status.lastHandledReconcileAt}"#
            ).output.split(separator: " ")
            return words.count == 2 && words[0] == words[1]
        }
    }
}
