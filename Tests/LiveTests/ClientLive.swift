import Foundation
import HTTPNetworking
import KubernetesClient
import KubernetesModel
import Synchronization
import Testing
import YAML

/// The client against a real API server, in namespaces of its own.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct ClientLive {
    private let client: KubernetesClient
    private let transport: AsyncHTTPTransport
    private let namespace = "live-\(UUID().uuidString.prefix(8).lowercased())"
    private let configMap = GroupVersionKind(group: "", version: "v1", kind: "ConfigMap")
    private let namespaceKind = GroupVersionKind(group: "", version: "v1", kind: "Namespace")

    init() throws {
        let connection = try Kubeconfig.load([try SyncBed.shared.get().kubeconfig]).connection()
        transport = try AsyncHTTPTransport(tls: connection.tls)
        client = KubernetesClient(connection, transport: transport)
    }

    private func withNamespace(_ body: () async throws -> Void) async throws {
        _ = try await client.apply(
            Manifest(["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": .string(namespace)]]), options: ApplyOptions())
        do {
            try await body()
        } catch {
            Issue.record(error)
        }
        _ = try await client.delete(namespaceKind, namespace: "", name: namespace, options: .init())
        await transport.shutdown()
    }

    private func manifest(_ name: String, _ data: Value) -> Manifest {
        Manifest([
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": ["name": .string(name), "namespace": .string(namespace), "labels": ["suite": "live"]], "data": data,
        ])
    }

    private func deployment(image: String, labels: Value = ["app": "x"]) -> Manifest {
        Manifest([
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["name": "front", "namespace": .string(namespace)],
            "spec": [
                "replicas": 0, "selector": ["matchLabels": labels],
                "template": [
                    "metadata": ["labels": labels],
                    "spec": [
                        "containers": [
                            [
                                "name": "main", "image": .string(image), "ports": [["containerPort": 80]],
                                "resources": ["limits": ["cpu": 1, "memory": "1024Mi"], "requests": ["cpu": "0.5"]],
                                "env": [["name": "A", "value": ""]],
                            ]
                        ]
                    ],
                ],
            ],
        ])
    }

    @Test func `an object's life`() async throws {
        try await withNamespace {
            let created = try await client.apply(manifest("a", ["k": "1"]), options: ApplyOptions())
            let again = try await client.apply(manifest("a", ["k": "1"]), options: ApplyOptions())
            #expect(created.resourceVersion == again.resourceVersion)
            #expect(difference(desired: manifest("a", ["k": "1"]), live: again).isEmpty)
            let dry = try await client.apply(manifest("a", ["k": "2"]), options: ApplyOptions(dryRun: true))
            #expect(dry.value[path: "data", "k"] == "2")
            #expect(try await client.get(configMap, namespace: namespace, name: "a")?.value[path: "data", "k"] == "1")
            let patched = try await client.mergePatch(
                configMap, namespace: namespace, name: "a", patch: ["data": ["other": "x"]], subresource: nil)
            #expect(patched.value["data"] == ["k": "1", "other": "x"])
            var stale = created
            stale.value["data"] = ["k": "9"]
            let conflict = await #expect(throws: ClusterError.self) { _ = try await client.replace(stale, subresource: nil) }
            #expect(conflict?.kind == .conflict)
            let exists = await #expect(throws: ClusterError.self) { _ = try await client.create(manifest("a", [:])) }
            #expect(exists?.kind == .alreadyExists)
            let wrongUID = await #expect(throws: ClusterError.self) {
                _ = try await client.delete(configMap, namespace: namespace, name: "a", options: .init(uid: "no-such-uid"))
            }
            #expect(wrongUID?.kind == .conflict)
            #expect(try await client.delete(configMap, namespace: namespace, name: "a", options: .init(uid: created.uid)))
            #expect(try await !client.delete(configMap, namespace: namespace, name: "a", options: .init()))
            #expect(try await client.get(configMap, namespace: namespace, name: "a") == nil)
        }
    }

    @Test func `refusals are told apart`() async throws {
        try await withNamespace {
            _ = try await client.apply(manifest("a", ["k": "1"]), options: ApplyOptions(fieldManager: "somebody"))
            let conflict = await #expect(throws: ClusterError.self) {
                _ = try await client.apply(manifest("a", ["k": "2"]), options: ApplyOptions(force: false))
            }
            #expect(conflict?.kind == .conflict && conflict?.causes.first?.field == ".data.k")
            var typo = manifest("b", ["k": "1"])
            typo.value["dataa"] = ["x": "y"]
            let unknownField = await #expect(throws: ClusterError.self) { _ = try await client.apply(typo, options: ApplyOptions()) }
            #expect(unknownField.map { [.invalid, .badRequest].contains($0.kind) } == true && unknownField?.isTransient == false)
            var homeless = manifest("c", [:])
            homeless.value["metadata"] = ["name": "c", "namespace": "no-such-namespace-here"]
            let missing = await #expect(throws: ClusterError.self) { _ = try await client.apply(homeless, options: ApplyOptions()) }
            #expect(missing?.kind == .notFound)
            let widget = Manifest([
                "apiVersion": "nowhere.example.org/v1", "kind": "Widget", "metadata": ["name": "w", "namespace": .string(namespace)],
            ])
            let unknownKind = await #expect(throws: ClusterError.self) { _ = try await client.apply(widget, options: ApplyOptions()) }
            #expect(unknownKind?.kind == .unknownKind)

            _ = try await client.apply(deployment(image: "nginx:1"), options: ApplyOptions())
            let immutable = await #expect(throws: ClusterError.self) {
                _ = try await client.apply(deployment(image: "nginx:1", labels: ["app": "y"]), options: ApplyOptions())
            }
            #expect(immutable?.kind == .invalid && immutable?.isImmutableFieldError == true, "\(String(describing: immutable))")
            var wrong = deployment(image: "nginx:1")
            var spec = wrong.value["spec"] ?? .null
            spec["replicas"] = -1
            wrong.value["spec"] = spec
            let invalid = await #expect(throws: ClusterError.self) { _ = try await client.apply(wrong, options: ApplyOptions()) }
            #expect(invalid?.kind == .invalid && invalid?.isImmutableFieldError == false)
        }
    }

    @Test func `a defaulted object shows no drift, an edited one does`() async throws {
        try await withNamespace {
            let wanted = deployment(image: "nginx:1")
            let live = try await client.apply(wanted, options: ApplyOptions())
            #expect(difference(desired: wanted, live: live).isEmpty, "\(difference(desired: wanted, live: live))")
            let edited = try await client.mergePatch(
                wanted.groupVersionKind, namespace: namespace, name: "front", patch: ["spec": ["replicas": 1]], subresource: nil)
            #expect(difference(desired: wanted, live: edited).map(\.path) == ["spec.replicas"])
            let service = Manifest([
                "apiVersion": "v1", "kind": "Service", "metadata": ["name": "front", "namespace": .string(namespace)],
                "spec": [
                    "selector": ["app": "x"],
                    "ports": [["port": 80, "targetPort": 8080, "name": "http"], ["port": 53, "protocol": "UDP", "name": "dns"]],
                ],
            ])
            let stored = try await client.apply(service, options: ApplyOptions())
            #expect(difference(desired: service, live: stored).isEmpty)
            let secret = Manifest([
                "apiVersion": "v1", "kind": "Secret", "metadata": ["name": "s", "namespace": .string(namespace)],
                "stringData": ["a": "one", "b": ""],
            ])
            let storedSecret = try await client.apply(secret, options: ApplyOptions())
            #expect(difference(desired: secret, live: storedSecret).isEmpty)
            var shorter = secret
            shorter.value["stringData"] = ["a": "one"]
            #expect(try await client.apply(shorter, options: ApplyOptions()).value["data"] == ["a": "b25l"])
        }
    }

    @Test func `lists come in pages, and watches follow`() async throws {
        try await withNamespace {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<25 {
                    group.addTask { _ = try await client.apply(manifest("m\(index)", ["i": .string("\(index)")]), options: ApplyOptions()) }
                }
                try await group.waitForAll()
            }
            let paged = KubernetesClient(client.connection, transport: transport, options: .init(pageSize: 10))
            let list = try await paged.list(configMap, namespace: namespace, labelSelector: "suite=live")
            #expect(list.items.count == 25 && list.items.allSatisfy { $0.kind == "ConfigMap" })
            let events = try await client.watch(
                configMap, namespace: namespace, labelSelector: "suite=live", resourceVersion: list.resourceVersion)
            _ = try await client.apply(manifest("new", ["a": "1"]), options: ApplyOptions())
            _ = try await client.apply(manifest("new", ["a": "2"]), options: ApplyOptions())
            _ = try await client.delete(configMap, namespace: namespace, name: "new", options: .init())
            var seen: [String] = []
            for try await event in events {
                switch event {
                case .added(let manifest): seen.append("added \(manifest.name)")
                case .modified(let manifest): seen.append("modified \(manifest.name)")
                case .deleted(let manifest): seen.append("deleted \(manifest.name)")
                case .bookmark: continue
                }
                if seen.count == 3 { break }
            }
            #expect(seen == ["added new", "modified new", "deleted new"])
        }
    }

    @Test func `a definition and its object`() async throws {
        let group = "g\(UUID().uuidString.prefix(8).lowercased()).example.org"
        let definition = Manifest([
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": ["name": .string("widgets.\(group)")],
            "spec": [
                "group": .string(group), "scope": "Namespaced", "names": ["plural": "widgets", "kind": "Widget"],
                "versions": [
                    [
                        "name": "v1", "served": true, "storage": true,
                        "schema": ["openAPIV3Schema": ["type": "object", "x-kubernetes-preserve-unknown-fields": true]],
                    ]
                ],
            ],
        ])
        let kind = GroupVersionKind(group: group, version: "v1", kind: "Widget")
        try await withNamespace {
            #expect(try await client.resource(for: kind) == nil)
            let stored = try await client.apply(definition, options: ApplyOptions())
            #expect(difference(desired: definition, live: stored).isEmpty)
            let isEstablished = { (one: Manifest) in one.name == definition.name && health(of: one).isCurrent }
            let list = try await client.list(definition.groupVersionKind, namespace: "", labelSelector: nil)
            if !list.items.contains(where: isEstablished) {
                let events = try await client.watch(
                    definition.groupVersionKind, namespace: "", labelSelector: nil, resourceVersion: list.resourceVersion)
                for try await event in events {
                    if case .modified(let one) = event, isEstablished(one) { break }
                }
            }
            let widget = Manifest([
                "apiVersion": .string(kind.apiVersion), "kind": "Widget", "metadata": ["name": "w", "namespace": .string(namespace)],
                "spec": ["list": [], "on": false],
            ])
            var applied: Manifest?
            for _ in 0..<50 where applied == nil {
                do {
                    applied = try await client.apply(widget, options: ApplyOptions())
                } catch let error as ClusterError where error.kind == .unknownKind {
                    try await Task.sleep(for: .milliseconds(100))
                }
            }
            #expect(applied.map { difference(desired: widget, live: $0).isEmpty } == true)
            _ = try await client.delete(definition.groupVersionKind, namespace: "", name: definition.name, options: .init())
        }
    }

    @Test func `every kind, and the server's own pages`() async throws {
        let all = try await client.resources()
        #expect(all.contains { $0.kind == configMap && $0.isNamespaced && $0.plural == "configmaps" })
        #expect(all.contains { $0.plural == "customresourcedefinitions" && !$0.isNamespaced })
        #expect(!all.contains { $0.plural.contains("/") })
        #expect(try await client.raw("/readyz").status == 200)
        #expect(try await client.raw("/version").body.contains("gitVersion"))
        await transport.shutdown()
    }
}
