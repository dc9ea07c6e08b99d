import HTTP
import KubernetesClient
import KubernetesModel
import Testing

private typealias Answer = ScriptedTransport.Answer

struct DiscoveryTests {
    private let transport = ScriptedTransport()
    private let deployment = GroupVersionKind(group: "apps", version: "v1", kind: "Deployment")
    private let widget = GroupVersionKind(group: "example.org", version: "v1", kind: "Widget")

    private var client: KubernetesClient {
        KubernetesClient(ClusterConnection(server: ScriptedTransport.server, tls: TLSOptions()), transport: transport)
    }

    @Test func `two requests where the server tells everything at once`() async throws {
        transport.on("GET /api", Answer(body: try fixture("discovery/api-aggregated.json")))
        transport.on("GET /apis", Answer(body: try fixture("discovery/apis-aggregated.json")))
        let client = client
        let found = try await client.resource(for: deployment)
        #expect(found?.plural == "deployments" && found?.isNamespaced == true && found?.verbs.contains("patch") == true)
        let namespace = try await client.resource(for: GroupVersionKind(group: "", version: "v1", kind: "Namespace"))
        #expect(namespace?.isNamespaced == false)
        #expect(Set(transport.lines) == ["GET /api", "GET /apis"])
        #expect(transport.requests.allSatisfy { $0.headers.contains { $0.name == "Accept" && $0.value.contains("APIGroupDiscoveryList") } })
    }

    @Test func `an older server is asked for the group versions that are needed`() async throws {
        try transport.servePlainDiscovery()
        let client = client
        #expect(try await client.resource(for: deployment)?.plural == "deployments")
        #expect(try await client.resource(for: GroupVersionKind(group: "", version: "v1", kind: "Namespace"))?.isNamespaced == false)
        #expect(Set(transport.lines) == ["GET /api", "GET /apis", "GET /apis/apps/v1", "GET /api/v1"])
    }

    @Test func `a kind that appears later is found, one question for all who ask`() async throws {
        try transport.servePlainDiscovery()
        let client = client
        transport.on(
            "GET /apis/example.org/v1", Answer(status: 404, body: "404 page not found"),
            Answer(body: #"{"groupVersion": "example.org/v1", "resources": [{"name": "widgets", "kind": "Widget", "namespaced": true}]}"#))
        #expect(try await client.resource(for: widget) == nil)
        #expect(try await client.resource(for: widget)?.plural == "widgets")
        _ = try await client.resource(for: widget)
        #expect(transport.lines.filter { $0 == "GET /apis/example.org/v1" }.count == 2)
    }

    @Test func `a kind is found in whatever version the server has, the preferred one first`() async throws {
        let budget = GroupKind(group: "policy", kind: "PodDisruptionBudget")
        transport.on(
            "GET /apis/policy",
            Answer(
                body:
                    #"{"kind": "APIGroup", "versions": [{"groupVersion": "policy/v2"}, {"groupVersion": "policy/v1"}], "preferredVersion": {"groupVersion": "policy/v1"}}"#
            ))
        transport.on(
            "GET /apis/policy/v1",
            Answer(
                body:
                    #"{"groupVersion": "policy/v1", "resources": [{"name": "poddisruptionbudgets", "kind": "PodDisruptionBudget", "namespaced": true}]}"#
            ))
        transport.on("GET /apis/policy/v2", Answer(body: #"{"groupVersion": "policy/v2", "resources": []}"#))
        transport.on("GET /apis/example.org", Answer(status: 404, body: "404 page not found"))
        let client = client
        #expect(try await client.resource(for: budget)?.kind.version == "v1")
        #expect(transport.lines == ["GET /apis/policy", "GET /apis/policy/v1"])
        #expect(try await client.resource(for: GroupKind(group: "policy", kind: "PodSecurityPolicy")) == nil)
        #expect(try await client.resource(for: GroupKind(group: "example.org", kind: "Widget")) == nil)
    }

    @Test func `objects of an unknown kind say so`() async throws {
        try transport.servePlainDiscovery()
        transport.on("GET /apis/example.org/v1", Answer(status: 404, body: "404 page not found"))
        let client = client
        let error = await #expect(throws: ClusterError.self) { _ = try await client.get(widget, namespace: "web", name: "w") }
        #expect(error?.kind == .unknownKind)
        #expect(error?.description == "Widget.example.org/web/w: the server knows no kind example.org/v1 Widget (yet)")
    }

    @Test func `everything, with the preferred versions first and broken groups left out`() async throws {
        try transport.servePlainDiscovery()
        transport.on("GET /apis/apps/v1beta1", Answer(status: 503, body: "down"))
        let all = try await client.resources()
        #expect(all.map(\.plural) == ["configmaps", "namespaces", "deployments"])
    }
}
