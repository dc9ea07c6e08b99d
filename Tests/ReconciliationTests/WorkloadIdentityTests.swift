import Diagnostics
import HTTP
import HomelabTestSupport
import KubernetesClient
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

/// Clusters that take tokens of a ServiceAccount, named by a ConfigMap.
@Suite struct WorkloadIdentityTests {
    let units = UnitsTests()
    var bench: UnitBench { units.bench }

    private static func configMap(_ data: [String: String]) -> Manifest {
        Manifest([
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": ["namespace": "default", "name": "other"],
            "data": .object(Object(data.sorted { $0.key < $1.key }.map { .init(key: $0.key, value: .string($0.value)) })),
        ])
    }

    private static let whole = [
        "provider": "generic", "address": "other:6443", "serviceAccountName": "far", "audiences": "one\n two \n\n",
        "cluster": "for the clouds",
    ]

    private static let account = Manifest([
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": ["namespace": "default", "name": "far"],
    ])

    @Test(arguments: [
        ("https://API.example.org", "https://api.example.org:443"), ("other:6443", "https://other:6443"),
        ("https://other:6443/k8s/", "https://other:6443"), ("https://[fd00::1]:6443", "https://[fd00::1]:6443"),
        ("[fd00::1]", "https://[fd00::1]:443"), ("http://other:6443", nil), ("fd00::1", nil), ("https://", nil), ("a@b", nil),
        ("other:port", nil),
    ])
    func `the address is taken as Flux takes it`(text: String, meaning: String?) throws {
        let map = Self.configMap(Self.whole.merging(["address": text, "audiences": ""]) { $1 })
        guard let meaning else {
            let problem = #expect(throws: Diagnostic.self) { try WorkloadIdentity(of: map) }
            #expect(problem?.cause == "`address` is \(text)")
            return
        }
        let identity = try WorkloadIdentity(of: map)
        #expect(identity.address == meaning)
        #expect(identity.audiences == [meaning], "it is the audience where none is named")
        #expect(identity.authority == nil)
    }

    @Test(arguments: [
        ("provider", nil, "`provider` is missing"), ("provider", "aws", "`provider` is aws"),
        ("provider", "azure", "none in a cupboard is"),
        ("provider", "gcp", "`provider` is gcp"), ("provider", "vault", "not known"), ("address", nil, "`address` is missing"),
        ("serviceAccountName", " ", "the agent itself is no ServiceAccount"),
    ])
    func `what is missing or cannot be done is named`(key: String, text: String?, cause: String) {
        var data = Self.whole
        data[key] = text
        let problem = #expect(throws: Diagnostic.self) { try WorkloadIdentity(of: Self.configMap(data)) }
        #expect(problem?.cause?.contains(cause) == true && problem?.subject == "ConfigMap/default/other", "\(String(describing: problem))")
    }

    @Test(arguments: ["one\ntwo", " one \n\n two\n", "- one\n- two\n", "[one, \"two\"]"])
    func `audiences are lines or a list`(text: String) throws {
        #expect(try WorkloadIdentity(of: Self.configMap(Self.whole.merging(["audiences": text]) { $1 })).audiences == ["one", "two"])
    }

    private func files(_ title: String = "one") -> [String: String] {
        [
            "clusters/home/a.yaml": UnitsTests.unit("far", path: "far", more: "kubeConfig: {configMapRef: {name: other}}\nwait: true"),
            "far/one.yaml": Files.config(title, name: "one", namespace: "default"),
        ]
    }

    private func message() async -> String { await units.ready("far")?.message ?? "" }

    private func title(_ api: FakeClusterAPI) async -> String? {
        await api.object(UnitsTests.config("one"))?.value[path: "data", "title"]?.string
    }

    @Test func `objects live in the cluster of the address, reached as the ServiceAccount, and a changed ConfigMap is seen`() async throws {
        bench.repository.push(files())
        try await bench.run { _ in
            try await eventually("the ConfigMap is missed", message) { await message().contains("there is no such ConfigMap") }
            await bench.api.put(Self.configMap(Self.whole.merging(["provider": "aws"]) { $1 }))
            try await eventually("a cloud's is refused", message) { await message().contains("`provider` is aws") }
            #expect(await units.ready("far")?.status == "False")
            #expect(await bench.api.object(UnitsTests.config("one")) == nil, "nothing is applied to the cluster of the unit itself")
            await bench.api.put(Self.account)
            await bench.api.put(Self.configMap(Self.whole))
            try await units.awaitReady("far")
            #expect(await title(bench.other) == "one")
            let credential = { (audiences: [String]) in
                ClusterConnection.Credentials.serviceAccount(
                    ServiceAccountCredential(namespace: "default", name: "far", audiences: audiences, issuer: bench.api))
            }
            #expect(bench.connections.value.map(\.credentials) == [credential(["one", "two"])])
            // Another certificate authority, another audience: another login.
            await bench.api.put(Self.configMap(Self.whole.merging(["audiences": "three", "ca.crt": "PEM"]) { $1 }))
            try await eventually("the new audience") { bench.connections.value.last?.credentials == credential(["three"]) }
            #expect(bench.connections.value.last?.tls.trustRoots == "PEM")
            await bench.other.edit(UnitsTests.config("one")) { $0["data"]?["title"] = "by hand" }
            try await eventually("a repair with it") { await title(bench.other) == "one" }
        }
    }

    @Test func `a unit whose ServiceAccount is gone can still be deleted`() async throws {
        await bench.api.put(Self.account)
        await bench.api.put(Self.configMap(Self.whole))
        let commit = bench.repository.push(files())
        try await bench.run { source in
            try await units.awaitReady("far", at: commit)
            await bench.api.remove(Self.account.key)
            bench.repository.push(["clusters/home/b.yaml": Files.config("x", name: "x", namespace: "default")])
            source.wake()
            try await eventually("the unit's end") { await bench.api.object(UnitsTests.key("far")) == nil }
            #expect(await title(bench.other) == "one", "nobody can delete it")
            try await eventually("it is told what is left") {
                await units.events(of: "far", "Kept").contains { $0.contains("ServiceAccount/default/far, which leads to its cluster") }
            }
        }
    }
}
