import Cryptography
import Diagnostics
import Foundation
import HTTP
import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

/// Flux' Receivers: their path, and what a message to it does.
@Suite struct ReceiverTests {
    private static let body = Array(#"{"ref": "refs/heads/main", "repository": {"name": "web"}}"#.utf8)
    private static let code = Hex.encode(HMACSHA256.code(for: body, key: Array("t0k3n".utf8)))

    private let bench: UnitBench

    init() {
        var bench = UnitBench()
        bench.answersWebhooks = true
        self.bench = bench
    }

    private static func key(_ name: String) -> ObjectKey {
        ObjectKey(group: FluxKinds.receiver.group, kind: "Receiver", namespace: "default", name: name)
    }

    private func put(_ name: String, _ spec: String) async throws {
        let text =
            "apiVersion: notification.toolkit.fluxcd.io/v1\nkind: Receiver\nmetadata: {name: \(name), namespace: default}\nspec: \(spec)\n"
        await bench.api.put(Manifest(try #require(try YAMLReader.values(text, file: "receiver").first)))
    }

    private func putToken(_ token: String) async {
        await bench.api.put(
            Manifest([
                "apiVersion": "v1", "kind": "Secret", "metadata": ["namespace": "default", "name": "token"],
                "data": ["token": .string(Data(token.utf8).base64EncodedString())],
            ]))
    }

    private func ready(_ name: String) async -> FluxCondition? {
        FluxConditions(await bench.api.object(Self.key(name))?.value[path: "status", "conditions"])["Ready"]
    }

    private func path(_ name: String) async -> String {
        await bench.api.object(Self.key(name))?.value[path: "status", "webhookPath"]?.string ?? ""
    }

    private func answer(_ path: String, _ headers: [(name: String, value: String)], body: [UInt8] = body) async -> Webhook.Answer? {
        await ReceiverHook(api: bench.api, clock: SystemClock()).answer(
            to: HTTPRequest(method: "POST", url: path, headers: headers, body: body))
    }

    private func request(of key: ObjectKey) async -> String? { await bench.api.object(key)?.annotation(FluxKinds.requestedAt) }

    private static let repository = ObjectKey(
        group: FluxKinds.gitRepository.group, kind: "GitRepository", namespace: "homelab-system", name: "home")

    @Test func `a message has what its Receiver names looked at`() async throws {
        bench.repository.push([
            "clusters/home/a.yaml": UnitsTests.unit("a", path: "a"), "a/one.yaml": Files.config("1", name: "one", namespace: "default"),
        ])
        try await bench.run { source in
            try await bench.phase(.ready)
            try await put(
                "host",
                """
                {type: github, events: [ping, push], secretRef: {name: token}, resources: [
                {kind: GitRepository, name: home, namespace: homelab-system}, {kind: Kustomization, name: "*", matchLabels: {app: a}}]}
                """)
            try await eventually("the token is missed") { await ready("host")?.reason == "TokenNotFound" }
            await putToken("t0k3n")
            // sha256sum(1) of `t0k3nhostdefault`: token, name and namespace, as Flux has it.
            let path = "/hook/58cc3923c11984a6d1351f736f790c48d3f4082208810e4a134a9f0aa56b5dff"
            try await eventually("its path", { await String(describing: ready("host")) }) { await self.path("host") == path }
            #expect(await ready("host")?.message == "Receiver initialized for path: \(path)")
            await bench.api.edit(UnitsTests.key("a")) { $0["metadata"]?["labels"] = ["app": "a"] }
            let looks = bench.repository.listings
            let heads = [(name: "X-Hub-Signature-256", value: "sha256=" + Self.code), (name: "X-GitHub-Event", value: "push")]
            #expect(await answer(path, heads)?.status == 200)
            #expect(await request(of: Self.repository) != nil)
            #expect(await request(of: UnitsTests.key("a")) != nil)
            try await eventually("a look at the repository") { bench.repository.listings > looks }
            // Another token is another path, and the old one is nothing any more.
            await putToken("n3w")
            try await eventually("a new path") { await self.path("host") == "/hook/" + SHA256.hex(of: "n3whostdefault") }
            #expect(await answer(path, heads)?.status == 404)
        }
    }

    @Test func `a Receiver keeps to its own namespace where Flux was told so`() async throws {
        bench.repository.push([
            "clusters/home/flux-system/flags.yaml": UnitsTests.controller(["--no-cross-namespace-refs"])
                .replacing("kustomize-controller", with: "notification-controller"),
            "clusters/home/a.yaml": UnitsTests.unit("a", path: "a"), "a/one.yaml": Files.config("1", name: "one", namespace: "default"),
        ])
        try await bench.run { _ in
            try await bench.phase(.ready)
            await putToken("t0k3n")
            try await put(
                "host",
                """
                {type: generic, secretRef: {name: token}, resources: [
                {kind: GitRepository, name: home, namespace: homelab-system}, {kind: Kustomization, name: a}]}
                """)
            try await eventually("it is ready") { await ready("host")?.status == "True" }
            let refused = await answer(path("host"), [])
            #expect(refused?.status == 500)
            let complaint = refused?.complaint ?? ""
            #expect(complaint.contains("GitRepository/homelab-system/home is in another namespace"), "\(complaint)")
            #expect(await request(of: Self.repository) == nil)
            #expect(await request(of: UnitsTests.key("a")) != nil, "what is in its own namespace is looked at")
        }
    }

    @Test func `a message that proves nothing does nothing`() async throws {
        try await bench.run { _ in
            try await eventually("the kind is known") { (try? await bench.api.resource(for: FluxKinds.receiver)) != nil }
            await putToken("t0k3n")
            let resources = "resources: [{kind: GitRepository, name: home, namespace: homelab-system}], secretRef: {name: token}"
            try await put("hub", "{type: github, events: [push], \(resources)}")
            try await put("lab", "{type: gitlab, \(resources)}")
            try await put("mac", "{type: generic-hmac, \(resources)}")
            try await put("cloud", "{type: gcr, \(resources)}")
            try await put("filtered", "{type: generic, resourceFilter: \"req.repository.name == 'other'\", \(resources)}")
            try await put(
                "open", "{type: generic, resourceFilter: \"req.repository.name == 'web' && res.metadata.name == 'home'\", \(resources)}")
            let home = "{kind: GitRepository, name: home, namespace: homelab-system, filter: \"req.repository.name == 'other'\"}"
            // Of a kind that nobody has.
            let image = "{kind: ImageRepository, name: web}"
            try await put("own", "{type: generic, secretRef: {name: token}, resources: [\(home), \(image)]}")
            for name in ["hub", "lab", "mac", "filtered", "open", "own"] {
                try await eventually("\(name) is ready", { await String(describing: ready(name)) }) { await ready(name)?.status == "True" }
            }
            #expect(await ready("cloud") == nil, "what nobody can check is nobody's")
            let event = (name: "X-GitHub-Event", value: "push")
            let right = (name: "X-Hub-Signature-256", value: "sha256=" + Self.code)
            #expect(await answer(path("hub"), [event])?.status == 400)
            #expect(await answer(path("hub"), [event, ("X-Hub-Signature-256", "sha256=" + String(Self.code.reversed()))])?.status == 400)
            #expect(await answer(path("hub"), [right, ("X-GitHub-Event", "issues")])?.status == 400)
            #expect(await answer(path("hub"), [right, event], body: Array("{}".utf8))?.status == 400)
            #expect(await answer(path("lab"), [("X-Gitlab-Token", "wrong")])?.status == 400)
            #expect(await answer(path("mac"), [("X-Gitlab-Token", "t0k3n")])?.status == 400)
            #expect(await answer("/hook/" + String(repeating: "0", count: 64), [right, event])?.status == 404)
            #expect(await answer("/hook", [right]) == nil)
            #expect(await answer(path("filtered"), [])?.status == 200)
            #expect(await answer(path("own"), [])?.status == 200)
            #expect(await request(of: Self.repository) == nil)
            #expect(await answer(path("lab"), [("X-Gitlab-Token", "t0k3n")])?.status == 200)
            #expect(await answer(path("mac"), [("X-Signature", "sha256=" + Self.code)])?.status == 200)
            #expect(await answer(path("open"), [])?.status == 200)
            #expect(await request(of: Self.repository) != nil)
            await bench.api.edit(Self.key("open")) { $0["spec"]?["suspend"] = true }
            #expect(await answer(path("open"), [])?.status == 503)
        }
    }

    private static func signed(_ hash: HMACHash, isNamed: Bool = true) -> String {
        (isNamed ? hash.rawValue + "=" : "") + Hex.encode(hash.code(for: body, key: Array("t0k3n".utf8)))
    }

    @Test(arguments: [
        ("github", "X-Hub-Signature", signed(.sha1)), ("github", "X-Hub-Signature-256", signed(.sha256)),
        ("generic-hmac", "X-Signature", signed(.sha1)), ("generic-hmac", "X-Signature", signed(.sha512)),
        ("bitbucket", "X-Hub-Signature", signed(.sha256)), ("nexus", "X-Nexus-Webhook-Signature", signed(.sha1, isNamed: false)),
        ("harbor", "Authorization", "t0k3n"),
    ]) func `each sender's proof is taken, and nothing else`(type: String, header: String, value: String) async throws {
        let spec = ReceiverSpec(of: Manifest(["metadata": ["name": "r", "namespace": "default"], "spec": ["type": .string(type)]]))
        func refusal(_ value: String, _ body: [UInt8] = Self.body) -> String? {
            ReceiverHook.refusal(
                of: HTTPRequest(method: "POST", url: "/", headers: [(header, value)], body: body), spec, Secret("t0k3n"))
        }
        #expect(refusal(value) == nil)
        #expect(refusal(value + "0") == "the \(header) is wrong")
        #expect(refusal("md5=" + value) == "the \(header) is wrong")
        if type != "harbor" { #expect(refusal(value, Array("{}".utf8)) != nil) }
    }

    @Test func `registries that prove nothing send JSON at least, and events have a name`() {
        func refusal(_ type: String, _ body: String, _ headers: [(name: String, value: String)] = []) -> String? {
            let events: Value = type == "cdevents" ? ["dev.cdevents.change.merged.0.1.2"] : []
            let spec: Value = ["type": .string(type), "events": events]
            return ReceiverHook.refusal(
                of: HTTPRequest(method: "POST", url: "/", headers: headers, body: Array(body.utf8)),
                ReceiverSpec(of: Manifest(["metadata": ["name": "r", "namespace": "default"], "spec": spec])), Secret("t0k3n"))
        }
        for type in ["dockerhub", "quay", "acr"] {
            #expect(refusal(type, #"{"updated_tags": ["1"]}"#) == nil)
            #expect(refusal(type, "tag=1") == "the message is no JSON object")
        }
        #expect(refusal("cdevents", "{}", [("Ce-Type", "dev.cdevents.change.merged.0.1.2")]) == nil)
        #expect(refusal("cdevents", "{}", [("Ce-Type", "dev.cdevents.build.started.0.1.0")])?.contains("none of spec.events") == true)
        #expect(refusal("gcr", "{}") == "the Receiver's type is not handled")
    }

    @Test func `a Receiver of a type that is not served keeps no unit from being ready`() async throws {
        let text = "apiVersion: notification.toolkit.fluxcd.io/v1\nkind: Receiver\nmetadata: {name: cloud, namespace: default}\n"
        bench.repository.push([
            "clusters/home/a.yaml": UnitsTests.unit("a", path: "a", more: "wait: true"),
            "a/r.yaml": text + "spec: {type: gcr, secretRef: {name: token}, resources: []}\n",
        ])
        try await bench.run { _ in
            // As an agent before this one left it.
            try await eventually("it is there") { await bench.api.object(Self.key("cloud")) != nil }
            let conditions = ["Ready": "False", "Stalled": "True"].map { type, status -> Value in
                ["type": .string(type), "status": .string(status), "reason": "InvalidSpec", "message": "no such type"]
            }
            await bench.api.setStatus(Self.key("cloud"), ["conditions": .array(conditions)])
            try await eventually("the status is taken away") { await bench.api.object(Self.key("cloud"))?.condition("Stalled") == nil }
            func ready() async -> FluxCondition? {
                FluxConditions(await bench.api.object(UnitsTests.key("a"))?.value[path: "status", "conditions"])["Ready"]
            }
            try await eventually("the unit is ready", { await String(describing: ready()) }) { await ready()?.status == "True" }
        }
    }

    @Test func `where no webhook is answered a Receiver is said to be nobody's`() async throws {
        var bench = bench
        bench.answersWebhooks = false
        let text = "apiVersion: notification.toolkit.fluxcd.io/v1\nkind: Receiver\nmetadata: {name: host, namespace: default}\n"
        let commit = bench.repository.push(["clusters/home/r.yaml": text + "spec: {type: github, resources: []}\n"])
        try await bench.run { _ in
            try await bench.phase(.ready, at: commit)
            try await eventually("it is said") {
                await bench.report()?.exceptions.contains { $0.message.contains("where the inventory has agent.webhook") } == true
            }
        }
    }
}
