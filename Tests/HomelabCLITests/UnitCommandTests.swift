import ArgumentParser
import Diagnostics
import HTTP
import HomelabTestSupport
import KubernetesModel
import Reconciliation
import Testing
import YAML

@testable import HomelabCLI

/// `suspend`, `resume` and `reconcile`, of units and of sources.
@Suite struct UnitCommandTests {
    private static func source(_ name: String, namespace: String = "default", url: String = "https://example.org/me/app.git") -> Manifest {
        Manifest([
            "apiVersion": .string(FluxKinds.gitRepository.apiVersion), "kind": "GitRepository",
            "metadata": ["namespace": .string(namespace), "name": .string(name)],
            "spec": ["interval": "1m", "url": .string(url), "ref": ["branch": "main"]],
        ])
    }

    private static func unit(_ name: String, namespace: String = "default") -> Manifest {
        Manifest([
            "apiVersion": .string(FluxKinds.kustomization.apiVersion), "kind": "Kustomization",
            "metadata": ["namespace": .string(namespace), "name": .string(name)],
            "spec": ["interval": "1m", "prune": true, "path": "./app", "sourceRef": ["kind": "GitRepository", "name": .string(name)]],
        ])
    }

    private static func cluster(_ objects: Manifest...) async -> FakeClusterAPI {
        let api = FakeClusterAPI()
        for definition in (try? FluxKinds.definitions) ?? [] { await api.put(definition) }
        for object in objects { await api.put(object) }
        return api
    }

    @Test func `a source is suspended and goes on, and the unit of its name is left as it is`() async throws {
        let (source, unit) = (Self.source("app"), Self.unit("app"))
        let api = await Self.cluster(source, unit)
        let suspended = try await Suspend.parse(["gitrepository/app", "--reason", "its host moves"]).suspend(api)
        #expect(suspended == "gitrepository/default/app is suspended; `homelab resume gitrepository/default/app` lets it go on")
        #expect(await api.object(source.key)?.suspension == "suspended: its host moves")
        #expect(await api.object(unit.key)?.isSuspended == false)
        let held = try await ReasonChain(clusters: UnitClusters(home: api), catalog: UnitCatalog(of: api)).links(of: unit)
        #expect(held.contains { $0.reason.hasPrefix("suspended: its host moves; `homelab resume gitrepository/default/app`") }, "\(held)")
        for command in [["GitRepository/default/app"], ["app", "--with-source"]] {
            let problem = await #expect(throws: Diagnostic.self) { try await Reconcile.parse(command).reconcile(api) }
            #expect(problem?.remedy?.contains("`homelab resume gitrepository/default/app`") == true, "\(command)")
        }
        #expect(try await Resume.parse(["gitrepositories/default/app"]).resume(api) == "gitrepository/default/app goes on")
        #expect(await api.object(source.key)?.isSuspended == false)
        #expect(await api.object(source.key)?.annotation(KustomizationObject.suspensionReason) == nil)
    }

    @Test func `a unit is called by its name, with or without its kind`() async throws {
        let (source, unit) = (Self.source("app"), Self.unit("app"))
        let api = await Self.cluster(source, unit, Self.unit("gitrepository"), Self.source("app", namespace: "kube-system"))
        #expect(try await Suspend.parse(["default/app", "--for", "2h"]).suspend(api).hasPrefix("app is suspended for 2h;"))
        #expect(await api.object(unit.key)?.annotation(KustomizationObject.suspendedUntil) != nil)
        #expect(try await Resume.parse(["kustomization/app"]).resume(api) == "app goes on")
        #expect(await api.object(unit.key)?.isSuspended == false)
        #expect(await api.object(source.key)?.isSuspended == false)
        #expect(try await Suspend.parse(["gitrepository"]).suspend(api).hasPrefix("gitrepository is suspended;"))
        let several = await #expect(throws: Diagnostic.self) { try await Suspend.parse(["gitrepository/app"]).suspend(api) }
        #expect(several?.remedy == "name one of default/app, kube-system/app" && several?.summary.contains("several GitRep") == true)
        let none = await #expect(throws: Diagnostic.self) { try await Resume.parse(["gitrepository/gone"]).resume(api) }
        #expect(none?.summary == "there is no GitRepository gone")
    }

    @Test func `the agent's own repository is not suspended`() async throws {
        let url = "ssh://m1/srv/home.git"
        let own = Self.source("home", namespace: "homelab-system", url: url)
        var rules = Self.source("rules", url: url)
        rules.value["spec"]?["ignore"] = "/docs"
        let (same, flux) = (Self.source("same", url: url), Self.source("flux-system"))
        let entry = ResourceInventory.Entry(version: "v1")
        let record = Manifest([
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": [
                "namespace": "homelab-system", "name": "homelab-inventory-home", "labels": ["homelab.dev/inventory": "home"],
            ],
            "data": ["objects": .string(ResourceInventory([same.key: entry, flux.key: entry]).text)],
        ])
        let api = await Self.cluster(
            own, Self.unit("home", namespace: "homelab-system"), same, rules, Self.source("app"),
            StatusReport(unit: "home").manifest, record, Self.source("by-hand", url: url))
        for name in ["home", "same"] {
            let problem = await #expect(throws: Diagnostic.self) { try await Suspend.parse(["gitrepository/\(name)"]).suspend(api) }
            #expect(problem?.summary.contains("the agent follows its own repository") == true, "\(name)")
        }
        #expect(await api.object(own.key)?.isSuspended == false)
        for name in ["rules", "app", "by-hand"] { _ = try await Suspend.parse(["gitrepository/\(name)"]).suspend(api) }
        // What Flux' bootstrap wrote is marked, whatever its URL.
        for source in [flux, Self.source("by-mark")] {
            var marked = source
            marked.value["metadata"]?["annotations"] = ["homelab.dev/source": "agent"]
            await api.put(marked)
        }
        _ = try await Suspend.parse(["gitrepository/by-mark"]).suspend(api)
        await #expect(throws: Diagnostic.self) { try await Suspend.parse(["gitrepository/flux-system"]).suspend(api) }
    }

    @Test func `what goes with units only is refused for a source`() async throws {
        let api = await Self.cluster(Self.source("app"))
        await #expect(throws: Diagnostic.self) { try await Suspend.parse(["gitrepository/app", "--for", "2h"]).suspend(api) }
        await #expect(throws: Diagnostic.self) { try await Reconcile.parse(["gitrepository/app", "--with-source"]).reconcile(api) }
        #expect(await api.object(Self.source("app").key)?.isSuspended == false)
    }

    @Test func `a look that nobody takes is given up in time, with who leads`() async throws {
        let (source, unit) = (Self.source("app"), Self.unit("app"))
        let api = await Self.cluster(source, unit)
        let ready: Value = [
            "type": "Ready", "status": "True", "reason": "Any", "message": "Applied revision: main@sha1:1",
            "lastTransitionTime": "2026-11-26T10:00:00Z",
        ]
        await api.setStatus(unit.key, ["conditions": [ready]])
        // The time counts, not how often it was looked.
        await api.during(.get, name: "app") { _ in try? await Task.sleep(for: .milliseconds(1500)) }
        for command in [["app"], ["app", "--with-source"]] {
            await api.forgetRequests()
            let look = try Reconcile.parse(command + ["--timeout", "1"])
            let problem = await #expect(throws: Diagnostic.self) { try await look.reconcile(api) }
            #expect(problem?.cause == "no agent leads: the Lease homelab-system/homelab-agent is not there", "\(command)")
            #expect(problem?.remedy == "look at `homelab status` whether an agent leads")
            if command.count == 1 { #expect(await api.requests.count { $0.verb == .get && $0.name == "app" } == 1) }
        }
        #expect(throws: (any Error).self) { try Reconcile.parse(["app", "--timeout", "0"]) }
        await api.remove(source.key)
        let gone = await #expect(throws: Diagnostic.self) { try await Reconcile.parse(["app", "--with-source"]).reconcile(api) }
        #expect(gone?.cause == "there is no GitRepository/default/app")
    }

    @Test(arguments: [
        ("True", "stored artifact for revision 'main@sha1:1'"), ("False", "no route to example.org"),
    ])
    func `a look at a source is waited for`(status: String, message: String) async throws {
        let key = Self.source("app").key
        let api = await Self.cluster(Self.source("app"))
        func ready(_ status: String, _ message: String) -> Value {
            [
                "type": "Ready", "status": .string(status), "reason": "Any", "message": .string(message),
                "lastTransitionTime": "2026-01-02T03:04:05Z",
            ]
        }
        let old: Value = ["conditions": [ready("True", "an older commit")]]
        await api.setStatus(key, old)
        let agent = Task {
            while true {
                try await Task.sleep(for: .milliseconds(5))
                guard let mark = await api.object(key)?.annotation(FluxKinds.requestedAt) else { continue }
                return await api.setStatus(key, ["lastHandledReconcileAt": .string(mark), "conditions": [ready(status, message)]])
            }
        }
        defer { agent.cancel() }
        let look = Result { try Reconcile.parse(["gitrepository/app", "--timeout", "60"]) }
        if status == "True" {
            #expect(try await look.get().reconcile(api) == "gitrepository/default/app: \(message)")
        } else {
            let problem = await #expect(throws: Diagnostic.self) { try await look.get().reconcile(api) }
            #expect(problem?.cause == message && problem?.remedy == "`homelab why gitrepository/default/app` says why")
        }
    }
}

/// A server that takes so long for each answer.
private struct SlowTransport: HTTPTransport {
    let delay: Duration

    func send(_ request: HTTPRequest, timeout: Duration) async throws -> HTTPResponse {
        try await Task.sleep(for: delay)
        return HTTPResponse(status: 200)
    }

    func stream(_ request: HTTPRequest, timeout: Duration, idleTimeout: Duration?) async throws -> HTTPStreamingResponse {
        throw HTTPError(.unreachable, url: request.url, detail: "no streams here")
    }
}

/// What is said while a server lets a command wait.
@Suite struct AnnouncingTransportTests {
    @Test func `a server that takes its time is named once, and a quick one never`() async throws {
        let told = Shared<[String]>([])
        func ask(_ delay: Duration, _ patience: Duration) async throws {
            let slow = AnnouncingTransport(SlowTransport(delay: delay), server: "https://m1:6443", patience: patience) { line in
                told.update { $0.append(line) }
            }
            async let first = slow.send(HTTPRequest(url: "https://m1:6443/a"), timeout: .seconds(30))
            async let second = slow.send(HTTPRequest(url: "https://m1:6443/b"), timeout: .seconds(30))
            _ = try await (first, second)
        }
        try await ask(.zero, .seconds(60))
        #expect(told.value.isEmpty)
        try await ask(.seconds(2), .milliseconds(20))
        #expect(told.value == ["waits for https://m1:6443 to answer, 30 s at most"])
    }
}
