import ArgumentParser
import Diagnostics
import Foundation
import KubernetesModel
import NodeInventory
import NodePlanning
import Provisioning
import Reconciliation
import Testing
import YAML

@testable import HomelabCLI

@Suite struct CommandLineTests {
    @Test func columnsAreAsWideAsTheirWidestCellAndColourHasNoWidth() {
        var table = Table(header: ["NAME", "STATE"])
        table.append(["\u{1B}[32mm1\u{1B}[0m", "Ready"])
        table.append(["longer-name", "Pending"])
        #expect(table.text == "NAME          STATE\n\u{1B}[32mm1\u{1B}[0m            Ready\nlonger-name   Pending")
    }

    @Test(arguments: ["home", "a", "lab-2"]) func namesOfClusters(_ name: String) { #expect(Init.isName(name)) }

    @Test(arguments: ["", "2home", "Home", "home_lab", "home-", String(repeating: "a", count: 64)])
    func namesThatCannotBe(_ name: String) { #expect(!Init.isName(name)) }

    @Test func aKindIsFoundInTheGroupThatIsNamed() {
        func resource(_ group: String, _ version: String) -> APIResource {
            APIResource(
                kind: GroupVersionKind(group: group, version: version, kind: "Gateway"), plural: "gateways", isNamespaced: true)
        }
        let known = [
            resource("networking.istio.io", "v1"), resource("networking.istio.io", "v1beta1"), resource("gateway.networking.k8s.io", "v1"),
        ]
        func groups(_ name: String) -> [String] { ObjectLookUp.kinds(called: name, among: known).map(\.kind.group) }
        #expect(groups("gateway") == ["networking.istio.io", "gateway.networking.k8s.io"])
        #expect(groups("Gateways.gateway.networking.k8s.io") == ["gateway.networking.k8s.io"])
        #expect(groups("gateway.apps").isEmpty && groups("").isEmpty)
    }

    @Test func aRequestToReconcileEndsWithWhatCameOfIt() {
        func result(_ conditions: [Value], handled: String = "1", attempted: String = "") -> ReconcileResult {
            ReconcileResult(
                of: Manifest([
                    "kind": "Kustomization",
                    "status": [
                        "lastHandledReconcileAt": .string(handled), "conditions": .array(conditions),
                        "lastAttemptedRevision": .string(attempted), "lastAppliedRevision": "main@sha1:1",
                    ],
                ]), request: "1")
        }
        func condition(_ type: String, _ status: String, _ reason: String, _ message: String) -> Value {
            ["type": .string(type), "status": .string(status), "reason": .string(reason), "message": .string(message)]
        }
        let ready = condition("Ready", "True", "ReconciliationSucceeded", "done")
        let failed = condition("Ready", "False", "BuildFailed", "a.yaml:1: no")
        #expect(result([ready]) == .done && result([ready], handled: "0") == .underway && result([failed], handled: "0") == .underway)
        #expect(result([ready, condition("Reconciling", "True", "Progressing", "")]) == .underway)
        #expect(result([condition("Ready", "Unknown", "Progressing", "")]) == .underway)
        #expect(result([failed, condition("Reconciling", "True", "ProgressingWithRetry", "")]) == .failed("a.yaml:1: no"))
        #expect(result([condition("Ready", "False", "X", "x"), condition("Stalled", "True", "X", "stuck")]) == .failed("stuck"))
        #expect(result([condition("Ready", "False", "DependencyNotReady", "apps is not ready")]) == .underway)
        #expect(result([condition("Ready", "False", "HealthCheckCanceled", "a newer commit")]) == .underway)
        let unusable = condition("Ready", "False", "ArtifactFailed", "no commit to use")
        #expect(result([unusable]) == .underway && result([unusable], attempted: "main@sha1:1") == .underway)
        #expect(result([unusable], attempted: "main@sha1:2") == .failed("no commit to use"))
    }

    @Test func theStarterRepositoryIsValid() throws {
        let starter = StarterRepository(cluster: "home")
        let texts = Dictionary(uniqueKeysWithValues: starter.files.map { ($0.path, $0.text) })
        let spec = try ClusterSpec.load("inventory/home.yaml", files: texts)
        #expect(spec.servers.map(\.name) == ["first"])
        let folder = NSTemporaryDirectory() + "homelab-starter-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for (path, text) in texts {
            let file = folder + "/" + path
            try FileManager.default.createDirectory(
                atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            try text.write(toFile: file, atomically: true, encoding: .utf8)
        }
        let (objects, problems) = ClusterTree(directory: "clusters/home", root: folder).check()
        #expect(objects == 4)
        #expect(problems.isEmpty, "\(problems)")
    }

    @Test func whatTheAgentDoesNotActOnIsWarnedOf() throws {
        let folder = NSTemporaryDirectory() + "homelab-unserved-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let objects = [
            ("helm.toolkit.fluxcd.io/v2", "HelmRelease"), ("source.toolkit.fluxcd.io/v1", "Bucket"),
            ("notification.toolkit.fluxcd.io/v1", "Receiver"), ("source.toolkit.fluxcd.io/v1", "GitRepository"),
        ].map {
            "apiVersion: \($0.0)\nkind: \($0.1)\nmetadata: {name: a, namespace: b}\n"
                + ($0.1 == "GitRepository" ? "spec: {interval: 1m, url: \"https://h/x\"}\n" : "")
                + ($0.1 == "Receiver" ? "spec: {type: harbor, resources: [{kind: GitRepository, name: a}]}\n" : "")
        }
        .joined(separator: "---\n")
        try objects.write(toFile: folder + "/a.yaml", atomically: true, encoding: .utf8)
        func warnings(_ answersWebhooks: Bool) -> [String] {
            ClusterTree(directory: ".", root: folder, answersWebhooks: answersWebhooks).check().problems.all.map(\.description)
        }
        let (without, with) = (warnings(false), warnings(true))
        #expect(without.count == 3 && with.count == 2, "\(without)")
        #expect(without.contains { $0.contains("a.yaml:1") && $0.contains("1 HelmRelease: the agent does not act on these") }, "\(without)")
        #expect(with.contains { $0.contains("1 Bucket") && $0.contains("name it in a GitRepository") }, "\(with)")
        #expect(without.contains { $0.contains("agent.webhook") } && !with.contains { $0.contains("agent.webhook") })
    }

    @Test func whatTheIgnoreRulesLeaveOutIsNotLookedAt() throws {
        let folder = NSTemporaryDirectory() + "homelab-ignored-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME, namespace: b}\n"
        let files = [
            "home/a.yaml": config.replacing("NAME", with: "a"), "home/broken.yaml": "{",
            "home/docs/b.yaml": config.replacing("NAME", with: "b"),
            "home/.sourceignore": "broken.yaml\n/docs\n",
        ]
        for (path, text) in files {
            try FileManager.default.createDirectory(atPath: folder + "/home/docs", withIntermediateDirectories: true)
            try text.write(toFile: folder + "/" + path, atomically: true, encoding: .utf8)
        }
        let (objects, problems) = ClusterTree(directory: "home", root: folder).check()
        #expect(objects == 1 && problems.isEmpty, "\(problems)")
        let sync = """
            apiVersion: source.toolkit.fluxcd.io/v1
            kind: GitRepository
            metadata: {name: flux-system, namespace: flux-system}
            spec: {interval: 1m, url: "ssh://git@example.org/me/home", ref: {branch: main}, ignore: "b.yaml\\n!broken.yaml"}
            ---
            apiVersion: kustomize.toolkit.fluxcd.io/v1
            kind: Kustomization
            metadata: {name: flux-system, namespace: flux-system}
            spec: {interval: 10m, path: ./home, prune: true, sourceRef: {kind: GitRepository, name: flux-system}}
            """
        try sync.write(toFile: folder + "/home/sync.yaml", atomically: true, encoding: .utf8)
        #expect(ClusterTree(directory: "home", root: folder).check().problems.sorted.contains { $0.description.contains("broken.yaml") })
        let source = Manifest(["kind": "GitRepository", "spec": ["ignore": "/home\n"]])
        #expect(try ClusterTree.files(at: folder, of: source).resolve("home") == nil)
    }

    @Test func initWritesOverNothing() async throws {
        let folder = NSTemporaryDirectory() + "homelab-init-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder + "/inventory", withIntermediateDirectories: true)
        try "mine\n".write(toFile: folder + "/inventory/home.yaml", atomically: true, encoding: .utf8)
        let command = try Init.parse([folder])
        try await command.run()
        #expect(try String(contentsOfFile: folder + "/inventory/home.yaml", encoding: .utf8) == "mine\n")
        #expect(FileManager.default.fileExists(atPath: folder + "/clusters/home/hello/kustomization.yaml"))
    }

    /// Or a snapshot of the operator's would be taken for one that homelab made, and be removed one day.
    @Test func aSnapshotIsNotNamedLikeThoseThatAreRemoved() throws {
        let message = #expect(throws: (any Error).self) { try SnapshotCommand.Save.parse(["--name", "homelab-before-removal"]) }
        #expect(message.map { SnapshotCommand.Save.message(for: $0) }?.hasPrefix("Names that begin with homelab-before- are of") == true)
        #expect(try SnapshotCommand.Save.parse(["--name", "before-the-move"]).name == "before-the-move")
    }

    @Test func everyCommandExplainsItself() {
        for command in HomelabCommand.configuration.subcommands + HomelabCommand.configuration.groupedSubcommands.flatMap(\.subcommands) {
            #expect(!command.configuration.abstract.isEmpty, "\(command)")
            // Making a name of the type's takes the parser most of a short command's time.
            #expect(command.configuration.commandName != nil, "\(command)")
        }
    }
}

@Suite struct ViewTests {
    private let plain = Console(isTerminal: false, hasColour: false)

    @Test(arguments: [(5, "5 s"), (600, "10 min"), (7300, "2 h"), (90_000, "25 h"), (260_000, "3 days")])
    func agesInTheLargestWholeUnit(_ seconds: Int, _ text: String) { #expect(Age.text(seconds: seconds) == text) }

    @Test func whatDestroysWantsTheNameItself() throws {
        try Confirmation.demand("home", given: "home", "All will be gone.")
        #expect(throws: Diagnostic.self) { try Confirmation.demand("home", given: "hom", "All will be gone.") }
    }

    @Test func everyEventIsOneObjectWithItsName() throws {
        let failed = EventJSON.value(
            .stepFailed(
                node: "m1", step: "start k3s", elapsed: .milliseconds(1500), diagnostic: Diagnostic(.error, "it fell", remedy: "up")))
        #expect(
            JSONWriter.text(failed)
                == #"{"event":"stepFailed","node":"m1","step":"start k3s","seconds":1.5,"finding":{"severity":"error","summary":"it fell","remedy":"up"}}"#
        )
        let looked = EventJSON.value(.stepDone(node: "m3", step: "gather facts", elapsed: .milliseconds(2954)))
        #expect(JSONWriter.text(looked).contains(#""seconds":2.954"#), "\(JSONWriter.text(looked))")
        #expect(JSONWriter.text(EventJSON.value(.note(node: nil, text: "a word"))) == #"{"event":"note","text":"a word"}"#)
    }

    @Test func aPlanWithoutColourIsThePlansOwnText() {
        let plan = NodePlan(cluster: "home")
        #expect(PlanView(console: plain).text(plan) == plan.text)
    }

    @Test func colourChangesNothingButTheLook() throws {
        let step = PlannedStep(.reboot, "is another build (sha256 abc)")
        let plan = NodePlan(
            cluster: "home", phases: [Phase(.binaries, tasks: [NodeTask(node: "m1", steps: [step])])],
            pending: [NodeNote(node: "m2", "is paused")])
        let text = PlanView(console: Console(isTerminal: true, hasColour: true)).text(plan)
        #expect(text.contains("  m1  reboot  \u{1B}[2m(is another build (sha256 abc))\u{1B}[0m\n"), "\(text)")
        #expect(text.contains("\u{1B}[33m  m2  is paused\u{1B}[0m"), "\(text)")
        let bare = ["1", "2", "33", "0"].reduce(text) { $0.split(separator: "\u{1B}[\($1)m", omittingEmptySubsequences: false).joined() }
        #expect(bare == plan.text)
    }
}
