import Diagnostics
import HTTP
import HomelabTestSupport
import KubernetesClient
import KubernetesModel
import Synchronization
import Testing
import YAML

/// Tokens that one cluster gives and another takes.
struct ServiceAccountCredentialTests {
    /// A clock that a test moves.
    private final class Moment: Sendable {
        private let passed = Mutex(Duration.zero)
        private let start = ContinuousClock.now

        var now: ContinuousClock.Instant { start + passed.withLock { $0 } }
        func advance(by duration: Duration) { passed.withLock { $0 += duration } }
    }

    private let home = FakeClusterAPI()
    private let moment = Moment()

    private func putAccount() async {
        await home.put(
            Manifest(["apiVersion": "v1", "kind": "ServiceAccount", "metadata": ["namespace": "default", "name": "far"]]))
    }

    private func credential() -> ServiceAccountCredential {
        ServiceAccountCredential(namespace: "default", name: "far", audiences: ["a", "b"], issuer: home) { [moment] in moment.now }
    }

    private var requestCount: Int { get async { await home.requests.filter { $0.verb == .token }.count } }

    @Test func `a token is asked for once, and anew before it ends`() async throws {
        await putAccount()
        let credential = credential()
        // Those who come together get one.
        let first = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<20 { group.addTask { try await credential.token().revealed } }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(first == ["token 1 of default/far for a, b"])
        moment.advance(by: .seconds(2879))
        #expect(try await credential.token().revealed.hasPrefix("token 1 "))
        moment.advance(by: .seconds(1))
        #expect(try await credential.token().revealed.hasPrefix("token 2 "))
        #expect(await requestCount == 2)
    }

    @Test func `one that still holds is used while no other can be had`() async throws {
        await putAccount()
        let credential = credential()
        _ = try await credential.token()
        await home.setReachable(false)
        moment.advance(by: .seconds(2900))
        #expect(try await credential.token().revealed.hasPrefix("token 1 "))
        #expect(try await credential.token().revealed.hasPrefix("token 1 "))
        #expect(await requestCount == 2, "it is not asked again at once")
        moment.advance(by: .seconds(700))
        let error = await #expect(throws: ClusterError.self) { try await credential.token() }
        #expect(error?.kind == .unreachable)
        await home.setReachable(true)
        #expect(try await credential.token().revealed.hasPrefix("token 2 "))
    }

    @Test func `no ServiceAccount and no right to its tokens are no missing object`() async throws {
        let missing = await #expect(throws: ClusterError.self) { try await credential().token() }
        #expect(missing?.kind == .unauthorized && missing?.subject == "ServiceAccount/default/far", "\(String(describing: missing))")
        #expect(missing?.message.contains("there is no such ServiceAccount") == true)
        await putAccount()
        await home.fail(.token, with: ClusterError(.forbidden, subject: "x", message: "cannot create resource serviceaccounts/token"))
        let refused = await #expect(throws: ClusterError.self) { try await credential().token() }
        #expect(refused?.kind == .unauthorized && refused?.message.contains("cannot create resource") == true)
    }

    @Test func `a refused token is replaced, but not one that was given a moment ago`() async throws {
        await putAccount()
        let credential = credential()
        let token = try await credential.token()
        #expect(await credential.forget(token) == false)
        moment.advance(by: .seconds(11))
        #expect(await credential.forget(token))
        #expect(try await credential.token().revealed.hasPrefix("token 2 "))
        // Whose request was on its way with the first sends it again with the second.
        #expect(await credential.forget(token))
        #expect(try await credential.token().revealed.hasPrefix("token 2 "))
    }

    @Test func `requests carry it, and one that is refused is sent again with another`() async throws {
        await putAccount()
        let transport = ScriptedTransport()
        try transport.servePlainDiscovery()
        let connection = ClusterConnection(
            server: ScriptedTransport.server, tls: TLSOptions(), credentials: .serviceAccount(credential()))
        let client = KubernetesClient(connection, transport: transport)
        let configMap = GroupVersionKind(group: "", version: "v1", kind: "ConfigMap")
        let refusal = ScriptedTransport.Answer(
            status: 401, body: #"{"kind": "Status", "code": 401, "reason": "Unauthorized", "message": "Unauthorized"}"#)
        let found = ScriptedTransport.Answer(body: #"{"kind": "ConfigMap", "metadata": {"name": "x"}}"#)
        transport.on("GET /api/v1/namespaces/web/configmaps/x", found, refusal, found, refusal)
        func sent() -> String? { transport.requests.last?.headers.first { $0.name == "Authorization" }?.value }
        #expect(try await client.get(configMap, namespace: "web", name: "x")?.name == "x")
        #expect(sent() == "Bearer token 1 of default/far for a, b")
        moment.advance(by: .seconds(60))
        #expect(try await client.get(configMap, namespace: "web", name: "x")?.name == "x")
        #expect(sent() == "Bearer token 2 of default/far for a, b")
        let error = await #expect(throws: ClusterError.self) { try await client.get(configMap, namespace: "web", name: "x") }
        #expect(error?.kind == .unauthorized && error?.message.contains("ServiceAccount/default/far for the audiences a, b") == true)
        #expect(error?.message.contains("token 2") == false, "\(error?.message ?? "")")
        #expect(await requestCount == 2)
    }

    @Test func `the API server is asked for a token as it wants to be`() async throws {
        let transport = ScriptedTransport()
        transport.on("GET /api", .init(body: #"{"kind": "APIVersions", "versions": ["v1"]}"#))
        transport.on("GET /apis", .init(body: #"{"kind": "APIGroupList", "groups": []}"#))
        let account = #"{"name": "serviceaccounts", "namespaced": true, "kind": "ServiceAccount", "verbs": ["get"]}"#
        transport.on("GET /api/v1", .init(body: #"{"kind": "APIResourceList", "groupVersion": "v1", "resources": [\#(account)]}"#))
        let client = KubernetesClient(
            ClusterConnection(server: ScriptedTransport.server, tls: TLSOptions()), transport: transport)
        let line = "POST /api/v1/namespaces/web/serviceaccounts/far/token"
        transport.on(
            line, .init(status: 201, body: #"{"spec": {"expirationSeconds": 7200}, "status": {"token": "t0k3n"}}"#),
            .init(status: 201, body: #"{"status": {"token": "t0k3n"}}"#), .init(status: 201, body: "{}"))
        let token = try await client.requestToken(namespace: "web", serviceAccount: "far", audiences: ["a"])
        #expect(token == ServiceAccountToken(text: Secret("t0k3n"), lifetime: .seconds(7200)))
        #expect(
            try JSONReader.value(transport.requests.last?.body ?? []) == [
                "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": ["audiences": ["a"]],
            ])
        #expect(try await client.requestToken(namespace: "web", serviceAccount: "far", audiences: []).lifetime == .seconds(600))
        await #expect(throws: ClusterError.self) { try await client.requestToken(namespace: "web", serviceAccount: "far", audiences: []) }
    }
}
