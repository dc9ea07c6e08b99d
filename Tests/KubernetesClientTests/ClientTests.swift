import Diagnostics
import HTTP
import KubernetesClient
import KubernetesModel
import Synchronization
import Testing
import YAML

private typealias Answer = ScriptedTransport.Answer

struct ClientTests {
    private let transport = ScriptedTransport()
    private let configMap = GroupVersionKind(group: "", version: "v1", kind: "ConfigMap")
    private let deployment = GroupVersionKind(group: "apps", version: "v1", kind: "Deployment")

    private func client(
        _ credentials: ClusterConnection.Credentials = .none, options: KubernetesClient.Options = .init(),
        sleep: @escaping @Sendable (Duration) async throws -> Void = { _ in }
    ) throws -> KubernetesClient {
        try transport.servePlainDiscovery()
        let connection = ClusterConnection(server: ScriptedTransport.server, tls: TLSOptions(), credentials: credentials)
        return KubernetesClient(connection, transport: transport, options: options, sleep: sleep)
    }

    private func manifest(_ name: String = "x") -> Manifest {
        Manifest(["apiVersion": "v1", "kind": "ConfigMap", "metadata": ["name": .string(name), "namespace": "web"], "data": ["a": "1"]])
    }

    private func status(_ code: Int, _ reason: String, _ message: String, details: String = "{}") -> Answer {
        Answer(
            status: code,
            body:
                #"{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": \#(code), "reason": "\#(reason)", "message": "\#(message)", "details": \#(details)}"#
        )
    }

    @Test func `get, and nil for what is not there`() async throws {
        let client = try client(.token(Secret("secret")))
        transport.on("GET /api/v1/namespaces/web/configmaps/x", Answer(body: #"{"kind": "ConfigMap", "metadata": {"name": "x"}}"#))
        transport.on("GET /api/v1/namespaces/web/configmaps/y", status(404, "NotFound", "configmaps y not found"))
        #expect(try await client.get(configMap, namespace: "web", name: "x")?.name == "x")
        #expect(try await client.get(configMap, namespace: "web", name: "y") == nil)
        #expect(transport.requests.last?.headers.first { $0.name == "Authorization" }?.value == "Bearer secret")
        // Discovery once, however many objects.
        #expect(transport.lines.filter { $0 == "GET /api/v1" }.count == 1)
    }

    @Test func `apply sends what the server takes`() async throws {
        let client = try client()
        let line = "PATCH /api/v1/namespaces/web/configmaps/x?fieldManager=homelab&force=true&fieldValidation=Ignore"
        transport.on(line, Answer(status: 201, body: #"{"kind": "ConfigMap", "metadata": {"name": "x", "resourceVersion": "5"}}"#))
        transport.on(line + "&dryRun=All", Answer(body: #"{"kind": "ConfigMap"}"#))
        var wanted = manifest()
        wanted.value["metadata"] = ["name": "x", "namespace": "web", "uid": "u", "creationTimestamp": nil, "managedFields": []]
        #expect(try await client.apply(wanted, options: ApplyOptions()).resourceVersion == "5")
        _ = try await client.apply(wanted, options: ApplyOptions(dryRun: true))
        let request = try #require(transport.requests.last)
        #expect(request.headers.contains { $0.name == "Content-Type" && $0.value == "application/apply-patch+yaml" })
        #expect(try JSONReader.value(request.body)["metadata"] == ["name": "x", "namespace": "web"])
    }

    @Test func `create, replace, patch and delete`() async throws {
        let client = try client()
        let query = "?fieldManager=homelab&fieldValidation=Strict"
        transport.on("POST /api/v1/namespaces/web/configmaps\(query)", Answer(status: 201, body: "{}"))
        transport.on("POST /api/v1/namespaces/web/configmaps\(query)&dryRun=All", Answer(status: 201, body: "{}"))
        transport.on("PUT /api/v1/namespaces/web/configmaps/x/status\(query)", Answer(body: "{}"))
        transport.on("PATCH /api/v1/namespaces/web/configmaps/x\(query)", Answer(body: "{}"))
        transport.on("DELETE /api/v1/namespaces/web/configmaps/x", Answer(body: "{}"), status(404, "NotFound", "not found"))
        _ = try await client.create(manifest())
        _ = try await client.dryRunCreate(manifest())
        _ = try await client.replace(manifest(), subresource: "status")
        _ = try await client.mergePatch(configMap, namespace: "web", name: "x", patch: ["data": ["a": nil]], subresource: nil)
        #expect(String(decoding: transport.requests.last?.body ?? [], as: UTF8.self) == #"{"data":{"a":null}}"#)
        let options = DeleteOptions(propagation: .foreground, uid: "u1")
        #expect(try await client.delete(configMap, namespace: "web", name: "x", options: options))
        #expect(
            try JSONReader.value(transport.requests.last?.body ?? []) == [
                "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground", "preconditions": ["uid": "u1"],
            ])
        #expect(try await !client.delete(configMap, namespace: "web", name: "x", options: options))
    }

    @Test func `what is done with another's rights says whose`() async throws {
        let client = try client()
        transport.on(
            "PATCH /api/v1/namespaces/web/configmaps/x?fieldManager=homelab&force=true&fieldValidation=Ignore", Answer(body: "{}"))
        transport.on("DELETE /api/v1/namespaces/web/configmaps/x", Answer(body: "{}"))
        transport.on("GET /api/v1/namespaces/web/configmaps/x", Answer(body: "{}"))
        let user = "system:serviceaccount:web:deployer"
        _ = try await client.apply(manifest(), options: ApplyOptions(user: user))
        _ = try await client.delete(configMap, namespace: "web", name: "x", options: DeleteOptions(user: user))
        _ = try await client.get(configMap, namespace: "web", name: "x", as: user)
        _ = try await client.get(configMap, namespace: "web", name: "x")
        let users = transport.requests.compactMap { $0.headers.first { $0.name == "Impersonate-User" }?.value }
        #expect(users == [user, user, user])
    }

    @Test func `lists go page by page and say what their items are`() async throws {
        let client = try client(options: .init(pageSize: 2))
        let path = "GET /apis/apps/v1/deployments?labelSelector=a%3Db&limit=2"
        transport.on(
            path,
            Answer(
                body:
                    #"{"metadata": {"continue": "c=1", "resourceVersion": "7"}, "items": [{"metadata": {"name": "a", "managedFields": [1]}}, {"metadata": {"name": "b"}}]}"#
            ))
        transport.on(
            path + "&continue=c%3D1", Answer(body: #"{"metadata": {"resourceVersion": "7"}, "items": [{"metadata": {"name": "c"}}]}"#))
        let list = try await client.list(deployment, namespace: "", labelSelector: "a=b")
        #expect(list.items.map(\.name) == ["a", "b", "c"] && list.resourceVersion == "7")
        #expect(list.items.allSatisfy { $0.groupVersionKind == deployment })
        #expect(list.items.first?.value[path: "metadata", "managedFields"] == nil)
    }

    @Test func `a list whose pages expired is taken at once`() async throws {
        let client = try client(options: .init(pageSize: 1))
        let path = "GET /api/v1/configmaps"
        transport.on(path + "?limit=1", Answer(body: #"{"metadata": {"continue": "c"}, "items": [{"metadata": {"name": "a"}}]}"#))
        transport.on(path + "?limit=1&continue=c", status(410, "Expired", "the provided continue parameter is too old"))
        transport.on(path, Answer(body: #"{"metadata": {"resourceVersion": "9"}, "items": [{"metadata": {"name": "a"}}]}"#))
        #expect(try await client.list(configMap, namespace: "", labelSelector: nil).items.map(\.name) == ["a"])
    }

    @Test func `a watch's lines are put together, bookmarks too`() async throws {
        let client = try client()
        transport.on(
            "GET /api/v1/namespaces/web/configmaps?watch=true&allowWatchBookmarks=true&resourceVersion=5",
            Answer(
                body: """
                    {"type": "ADDED", "object": {"kind": "ConfigMap", "metadata": {"name": "ä", "resourceVersion": "6"}}}
                    {"type": "MODIFIED", "object": {"kind": "ConfigMap", "metadata": {"name": "ä", "resourceVersion": "7"}}}
                    {"type": "BOOKMARK", "object": {"kind": "ConfigMap", "metadata": {"resourceVersion": "9"}}}
                    {"type": "DELETED", "object": {"kind": "ConfigMap", "metadata": {"name": "ä", "resourceVersion": "10"}}}

                    """))
        var seen: [String] = []
        for try await event in try await client.watch(configMap, namespace: "web", labelSelector: nil, resourceVersion: "5") {
            switch event {
            case .added(let manifest): seen.append("added \(manifest.name)")
            case .modified(let manifest): seen.append("modified \(manifest.resourceVersion)")
            case .deleted(let manifest): seen.append("deleted \(manifest.name)")
            case .bookmark(let version): seen.append("bookmark \(version)")
            }
        }
        #expect(seen == ["added ä", "modified 7", "bookmark 9", "deleted ä"])
    }

    @Test func `a watch that is too old says so, at its start and in its middle`() async throws {
        let client = try client()
        let line = "GET /api/v1/configmaps?watch=true&allowWatchBookmarks=true&resourceVersion=1"
        transport.on(
            line,
            Answer(
                body: #"{"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}"# + "\n"),
            status(410, "Expired", "too old resource version"))
        for _ in 0..<2 {
            let error = await #expect(throws: ClusterError.self) {
                for try await _ in try await client.watch(configMap, namespace: "", labelSelector: nil, resourceVersion: "1") {}
            }
            #expect(error?.kind == .expired && error?.subject == "ConfigMap")
        }
    }

    @Test func `a busy server is waited for as it asks`() async throws {
        let waits = Mutex<[Duration]>([])
        let client = try client(sleep: { wait in waits.withLock { $0.append(wait) } })
        let line = "GET /api/v1/namespaces/web/configmaps/x"
        let busy = Answer(status: 429, headers: [("Retry-After", "3")], body: "too many")
        transport.on(line, busy, busy, Answer(body: "{}"))
        _ = try await client.get(configMap, namespace: "web", name: "x")
        #expect(waits.withLock { $0 } == [.seconds(3), .seconds(3)])
        transport.on("GET /api/v1/namespaces/web/configmaps/y", busy)
        let error = await #expect(throws: ClusterError.self) { _ = try await client.get(configMap, namespace: "web", name: "y") }
        #expect(error?.kind == .tooManyRequests && error?.retryAfter == .seconds(3))
    }

    @Test func `a kept connection that died is tried again, a lost server is told`() async throws {
        let client = try client()
        let lost = Answer(error: HTTPError(.connectionLost, url: "u", detail: "reset"))
        transport.on("GET /api/v1/namespaces/web/configmaps/x", lost, Answer(body: "{}"))
        _ = try await client.get(configMap, namespace: "web", name: "x")
        transport.on("POST /api/v1/namespaces/web/configmaps?fieldManager=homelab&fieldValidation=Strict", lost, Answer(body: "{}"))
        let error = await #expect(throws: ClusterError.self) { _ = try await client.create(manifest()) }
        #expect(error?.kind == .unreachable && error?.description == "ConfigMap/web/x: u: reset")
    }

    static let refusals: [(Int, String, String, ClusterError.Kind)] = [
        (400, "BadRequest", "unknown field", .badRequest), (401, "Unauthorized", "Unauthorized", .unauthorized),
        (403, "Forbidden", "no", .forbidden), (409, "Conflict", "Apply failed with 1 conflict", .conflict),
        (409, "AlreadyExists", "exists", .alreadyExists), (422, "Invalid", "is invalid", .invalid),
        (404, "NotFound", "namespaces web not found", .notFound), (500, "InternalError", "failed calling webhook", .serverFailure),
        (500, "", "failed to create typed patch object: .dataa: field not declared in schema", .invalid),
        (503, "ServiceUnavailable", "not ready", .serverFailure), (504, "Timeout", "too slow", .serverFailure),
    ]

    @Test(arguments: refusals) func `refusals have their class and the server's words`(
        code: Int, reason: String, message: String, kind: ClusterError.Kind
    ) async throws {
        let client = try client()
        transport.on(
            "PATCH /api/v1/namespaces/web/configmaps/x?fieldManager=homelab&force=true&fieldValidation=Ignore",
            status(code, reason, message))
        let error = await #expect(throws: ClusterError.self) { _ = try await client.apply(manifest(), options: ApplyOptions()) }
        #expect(error?.kind == kind)
        #expect(error?.description == "ConfigMap/web/x: \(message)")
        if message.contains("declared") { #expect(error?.causes.first?.field == "dataa") }
    }

    @Test func `causes prove an immutable field`() async throws {
        let client = try client()
        let details =
            #"{"causes": [{"reason": "FieldValueInvalid", "message": "Invalid value: 1: field is immutable", "field": "spec.selector"}]}"#
        transport.on(
            "PATCH /api/v1/namespaces/web/configmaps/x?fieldManager=homelab&force=true&fieldValidation=Ignore",
            status(422, "Invalid", "is invalid", details: details))
        let error = await #expect(throws: ClusterError.self) { _ = try await client.apply(manifest(), options: ApplyOptions()) }
        #expect(error?.isImmutableFieldError == true && error?.causes.first?.field == "spec.selector")
    }

    @Test func `plain text from what stands before the server`() async throws {
        let client = try client()
        transport.on("GET /api/v1/namespaces/web/configmaps/x", Answer(status: 502, body: "Bad Gateway\nmore"))
        let error = await #expect(throws: ClusterError.self) { _ = try await client.get(configMap, namespace: "web", name: "x") }
        #expect(error?.kind == .serverFailure && error?.message == "Bad Gateway (HTTP 502)")
    }

    @Test func `objects that cannot be addressed are refused here`() async throws {
        let client = try client()
        let nowhere = Manifest(["apiVersion": "v1", "kind": "ConfigMap", "metadata": ["name": "x"]])
        let error = await #expect(throws: ClusterError.self) { _ = try await client.apply(nowhere, options: ApplyOptions()) }
        #expect(error?.description == "ConfigMap/x: the object has no namespace, and its kind needs one")
    }

    @Test func `a namespace on a kind that has none is left out`() async throws {
        let client = try client()
        transport.on("PATCH /api/v1/namespaces/web?fieldManager=homelab&force=true&fieldValidation=Ignore", Answer(body: "{}"))
        let namespace = Manifest(["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": "web", "namespace": "other"]])
        _ = try await client.apply(namespace, options: ApplyOptions())
        #expect(try JSONReader.value(transport.requests.last?.body ?? [])["metadata"] == ["name": "web"])
    }

    @Test func `no more than so many requests are on their way`() async throws {
        let counter = CountingTransport()
        let connection = ClusterConnection(server: ScriptedTransport.server, tls: TLSOptions())
        let client = KubernetesClient(connection, transport: counter, options: .init(requestsInFlight: 3))
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<40 { group.addTask { _ = try? await client.raw("/\(index)") } }
        }
        #expect(counter.total == 40 && counter.most == 3)
    }

    @Test(.timeLimit(.minutes(1))) func `what hangs gives its turn to others, what waits for a busy server does not`() async throws {
        let limit = InFlightLimit(1, patience: .milliseconds(50))
        let (begun, begin) = AsyncStream.makeStream(of: Void.self)
        let (ends, end) = AsyncStream.makeStream(of: Void.self)
        async let hanging: Void = limit.run {
            begin.yield()
            for await _ in ends { return }
        }
        var starts = begun.makeAsyncIterator()
        await starts.next()
        for _ in 0..<3 { try await limit.run {} }
        end.yield()
        try await hanging
        // Nor is the turn that was given away there twice.
        let (done, finish) = AsyncStream.makeStream(of: String.self)
        async let waiting: Void = limit.run { place in
            await limit.hold(place)
            begin.yield()
            try await Task.sleep(for: .milliseconds(200))
            finish.yield("the first")
            await limit.goOn(place)
        }
        await starts.next()
        try await limit.run { _ = finish.yield("the second") }
        try await waiting
        finish.finish()
        #expect(await done.reduce(into: []) { $0.append($1) } == ["the first", "the second"])
    }

    @Test(.timeLimit(.minutes(1))) func `a lease is renewed while everything waits for a busy server`() async throws {
        let lease = "/apis/coordination.k8s.io/v1/namespaces/homelab-system/leases/homelab-agent"
        let transport = ScriptedTransport()
        transport.on("GET /busy", Answer(status: 429), Answer())
        transport.on("GET \(lease)", Answer())
        let (renewals, renewal) = AsyncStream.makeStream(of: Void.self)
        let client = KubernetesClient(
            ClusterConnection(server: ScriptedTransport.server, tls: TLSOptions()), transport: transport,
            options: .init(requestsInFlight: 1), sleep: { _ in for await _ in renewals { return } })
        async let busy = client.raw("/busy")
        while transport.lines.isEmpty { await Task.yield() }
        _ = try await client.raw(lease)
        renewal.yield()
        #expect(try await busy.status == 200)
        #expect(transport.lines == ["GET /busy", "GET \(lease)", "GET /busy"])
    }
}

/// Counts how many requests are open at once.
private final class CountingTransport: HTTPTransport {
    private let state = Mutex((open: 0, most: 0, total: 0))
    var most: Int { state.withLock { $0.most } }
    var total: Int { state.withLock { $0.total } }

    func send(_ request: HTTPRequest, timeout: Duration) async throws -> HTTPResponse {
        state.withLock { state in
            state.open += 1
            state.total += 1
            state.most = max(state.most, state.open)
        }
        try? await Task.sleep(for: .milliseconds(5))
        state.withLock { $0.open -= 1 }
        return HTTPResponse(status: 200)
    }

    func stream(_ request: HTTPRequest, timeout: Duration, idleTimeout: Duration?) async throws -> HTTPStreamingResponse {
        throw HTTPError(.invalidRequest, url: request.url, detail: "no streams here")
    }
}
