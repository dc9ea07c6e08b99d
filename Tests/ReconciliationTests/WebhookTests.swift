import Diagnostics
import HTTP
import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

struct WebhookTests {
    private let webhook = Webhook(secret: Secret("It's a Secret to Everybody"))
    private let body = Array("Hello, World!".utf8)
    /// GitHub's own example ("Validating webhook deliveries").
    private static let code = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

    private func answer(_ header: String, _ value: String, method: String = "POST", url: String = "/hook") -> Webhook.Answer {
        webhook.answer(to: HTTPRequest(method: method, url: url, headers: [(header, value)], body: body))
    }

    @Test(arguments: [
        ("X-Hub-Signature-256", "sha256=" + code), ("x-gitea-signature", code), ("X-Forgejo-Signature", code),
        ("X-Signature", "sha256=" + code), ("X-Gitlab-Token", "It's a Secret to Everybody"),
    ]) func `each git host's proof is taken`(header: String, value: String) {
        let answer = answer(header, value)
        #expect(answer.isPush && answer.status == 202 && answer.complaint.isEmpty)
    }

    @Test(arguments: [
        ("X-Hub-Signature-256", "sha256=" + String(code.reversed())), ("X-Hub-Signature-256", "sha256="), ("X-Hub-Signature", "sha1=00"),
        ("X-Gitlab-Token", "It's a Secret"), ("X-Gitlab-Token", ""), ("Authorization", "Bearer x"),
    ]) func `anything else is refused with one line for the log`(header: String, value: String) {
        let answer = answer(header, value)
        #expect(!answer.isPush && answer.status == 401)
        #expect(!answer.complaint.isEmpty && !answer.complaint.contains("Everybody") && !answer.complaint.contains("\n"))
    }

    @Test func `other places and methods are not it, and an empty secret opens nothing`() {
        #expect(answer("X-Gitea-Signature", Self.code, url: "/hook?x=1").isPush)
        #expect(answer("X-Gitea-Signature", Self.code, url: "/metrics").status == 404)
        #expect(answer("X-Gitea-Signature", Self.code, method: "GET").status == 405)
        let request = HTTPRequest(method: "POST", url: "/hook", headers: [("X-Gitlab-Token", "")], body: body)
        #expect(Webhook(secret: Secret("")).answer(to: request).status == 503)
    }

    @Test func `a push wakes the agent that heard of it and the others`() async throws {
        let (api, repository, clock) = (FakeClusterAPI(), MemoryRepository(), SystemClock())
        try await HomelabNamespace.ensure(api)
        repository.push(["a": "1"])
        let source = GitSource(repository: repository, clock: clock, pollInterval: .seconds(3600))
        let pushes = Shared(0)
        let announcements = PushAnnouncements(api: api, clock: clock, source: source, pushes: pushes)
        let running = Task {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await source.run() }
                group.addTask { await announcements.run() }
            }
        }
        // What was told before the agent listens is no news.
        try await eventually("the first look, and somebody listens") {
            let isHeard = await api.watchCount == 1
            return source.state.value.commit != nil && repository.listings == 1 && isHeard
        }
        let next = repository.push(["a": "2"])
        try await announcements.tell()
        try await eventually("the push is seen") { source.state.value.commit == next && pushes.value == 1 }
        let last = repository.push(["a": "3"])
        await api.setReachable(false)
        let key = ObjectKey(group: "", kind: "ConfigMap", namespace: HomelabNamespace.name, name: PushAnnouncements.name)
        await api.edit(key) { $0["data"]?["pushed"] = "later" }
        await api.setReachable(true)
        try await eventually("so is one that was told while nothing was watched") {
            source.state.value.commit == last && pushes.value == 2
        }
        running.cancel()
        await running.value
    }
}
