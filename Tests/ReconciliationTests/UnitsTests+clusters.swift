import Diagnostics
import Foundation
import Git
import HomelabTestSupport
import KubernetesClient
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

/// Units whose objects are in another cluster.
@Suite struct RemoteClusterTests {
    let units = UnitsTests()
    var bench: UnitBench { units.bench }

    private static func kubeconfig(server: String = "https://other:6443", token: String = "t0k3n") -> String {
        """
        current-context: c
        clusters: [{name: c, cluster: {server: "\(server)"}}]
        users: [{name: u, user: {token: \(token)}}]
        contexts: [{name: c, context: {cluster: c, user: u}}]
        """
    }

    private func putSecret(_ text: String, key: String = "value") async {
        await bench.api.put(
            Manifest([
                "apiVersion": "v1", "kind": "Secret", "metadata": ["namespace": "default", "name": "other"],
                "data": [key: .string(Data(text.utf8).base64EncodedString())],
            ]))
    }

    private func files(_ title: String = "one", more: String = "") -> [String: String] {
        [
            "clusters/home/a.yaml": UnitsTests.unit("far", path: "far", more: "kubeConfig: {secretRef: {name: other}}\nwait: true" + more),
            "far/one.yaml": Files.config(title, name: "one", namespace: "default"),
        ]
    }

    private func title(_ api: FakeClusterAPI) async -> String? {
        await api.object(UnitsTests.config("one"))?.value[path: "data", "title"]?.string
    }

    @Test func `objects live in the cluster of the kubeconfig, and the unit in this one`() async throws {
        await putSecret(Self.kubeconfig(), key: "value.yaml")
        var commit = bench.repository.push(files())
        try await bench.run { source in
            try await units.awaitReady("far", at: commit)
            #expect(await title(bench.other) == "one")
            #expect(await bench.api.object(UnitsTests.config("one")) == nil)
            #expect(bench.connections.value.map(\.credentials) == [.token(.init("t0k3n"))])
            // Drift is seen there, and told here.
            await bench.other.edit(UnitsTests.config("one")) { $0["data"]?["title"] = "by hand" }
            try await eventually("a repair") { await title(bench.other) == "one" }
            let events = { await bench.api.keys.filter { $0.kind == "Event" && $0.name.hasPrefix("far.") } }
            try await eventually("the event") {
                for key in await events() where await bench.api.object(key)?.value["reason"] == "DriftRepaired" { return true }
                return false
            }
            // Pruning, too.
            var next = files("two")
            next["far/two.yaml"] = Files.config("2", name: "two", namespace: "default")
            commit = bench.repository.push(next)
            source.wake()
            try await units.awaitReady("far", at: commit)
            next["far/two.yaml"] = nil
            commit = bench.repository.push(next)
            source.wake()
            try await units.awaitReady("far", at: commit)
            try await eventually("the prune") { await bench.other.object(UnitsTests.config("two")) == nil }
            // And what leaves with the unit.
            commit = bench.repository.push(["clusters/home/b.yaml": Files.config("x", name: "x", namespace: "default")])
            source.wake()
            try await eventually("the unit's end") { await bench.api.object(UnitsTests.key("far")) == nil }
            #expect(await bench.other.object(UnitsTests.config("one")) == nil)
        }
    }

    @Test func `units of two clusters may want an object of one name`() async throws {
        await putSecret(Self.kubeconfig())
        var tree = files()
        tree["clusters/home/b.yaml"] = UnitsTests.unit("near", path: "near")
        tree["near/one.yaml"] = Files.config("near", name: "one", namespace: "default")
        let commit = bench.repository.push(tree)
        try await bench.run { _ in
            try await units.awaitReady("far", at: commit)
            try await units.awaitReady("near", at: commit)
            #expect(await title(bench.other) == "one")
            #expect(await title(bench.api) == "near")
        }
    }

    @Test func `a missing or useless kubeconfig is told, and its change is seen`() async throws {
        bench.repository.push(files())
        func message() async -> String { await units.ready("far")?.message ?? "" }
        try await bench.run { _ in
            try await eventually("the Secret is missed", message) { await message().contains("there is no such Secret") }
            await putSecret(Self.kubeconfig(), key: "other")
            try await eventually("its key is missed", message) { await message().contains("the Secret has no key value or value.yaml") }
            await putSecret(Self.kubeconfig().replacing("token: t0k3n", with: "exec: {command: aws}"))
            try await eventually("no plug-in is run", message) { await message().contains("plug-ins are not run") }
            await putSecret(Self.kubeconfig(server: "https://nowhere:6443"))
            try await eventually("it cannot be reached", message) { await message().contains("no route to host") }
            #expect(await units.ready("far")?.status == "False")
            #expect(await bench.api.object(UnitsTests.config("one")) == nil, "nothing is applied to the cluster of the unit itself")
            await putSecret(Self.kubeconfig())
            try await units.awaitReady("far")
            #expect(await title(bench.other) == "one")
            // New credentials are used from then on.
            await putSecret(Self.kubeconfig(token: "n3w"))
            try await eventually("the new token") { bench.connections.value.last?.credentials == .token(.init("n3w")) }
            await bench.other.edit(UnitsTests.config("one")) { $0["data"]?["title"] = "by hand" }
            try await eventually("a repair with it") { await title(bench.other) == "one" }
        }
    }

    @Test func `two ways to one cluster are one cluster`() async throws {
        await putSecret(Self.kubeconfig())
        await bench.api.put(
            Manifest([
                "apiVersion": "v1", "kind": "Secret", "metadata": ["namespace": "default", "name": "again"],
                "data": ["value": .string(Data(Self.kubeconfig(token: "an0ther").utf8).base64EncodedString())],
            ]))
        var tree = files()
        let commit = bench.repository.push(tree)
        try await bench.run { source in
            try await units.awaitReady("far", at: commit)
            tree["clusters/home/b.yaml"] = UnitsTests.unit("too", path: "too", more: "kubeConfig: {secretRef: {name: again}}")
            tree["too/one.yaml"] = Files.config("mine", name: "one", namespace: "default")
            bench.repository.push(tree)
            source.wake()
            try await units.awaitReady("too", "False")
            let message = await units.ready("too")?.message ?? ""
            #expect(message.contains("default/far wants it too") && message.contains("default/far has it"), "\(message)")
            #expect(await title(bench.other) == "one")
        }
    }

    @Test func `units whose cluster does not answer keep those of no other waiting`() async throws {
        await putSecret(Self.kubeconfig())
        let isSilent = Shared(true)
        for _ in 0..<40 {
            await bench.other.during(.get, name: "kube-system") { _ in
                while isSilent.value, !Task.isCancelled { try? await Task.sleep(for: .milliseconds(5)) }
            }
        }
        // More than there are turns for the units of the home cluster.
        var tree: [String: String] = [:]
        for number in 0..<20 {
            tree["clusters/home/\(number).yaml"] = UnitsTests.unit(
                "far-\(number)", path: "far/\(number)", more: "kubeConfig: {secretRef: {name: other}}")
            tree["far/\(number)/c.yaml"] = Files.config("x", name: "far-\(number)", namespace: "default")
        }
        bench.repository.push(tree)
        func asked() async -> Int { await bench.other.requests.count { $0.verb == .get && $0.name == "kube-system" } }
        let clock = ContinuousClock()
        let begin = clock.now
        try await bench.run { source in
            try await eventually("that cluster's turns are taken", { "\(await asked())" }) { await asked() >= 8 }
            tree["clusters/home/near.yaml"] = UnitsTests.unit("near", path: "near")
            tree["near/c.yaml"] = Files.config("x", name: "near", namespace: "default")
            let commit = bench.repository.push(tree)
            source.wake()
            try await units.awaitReady("near", at: commit)
            // After five seconds a pass goes on without its turn, which another gets; on a slow host they may be over by now.
            let count = await asked()
            let rounds = 1 + Int((clock.now - begin) / Duration.seconds(5))
            #expect((8...8 * rounds).contains(count), "\(count) in \(rounds) rounds")
            isSilent.update { $0 = false }
            for number in 0..<20 { try await units.awaitReady("far-\(number)", at: commit) }
        }
    }

    @Test func `what a unit leaves on another cluster is told until somebody has settled it`() async throws {
        await putSecret(Self.kubeconfig())
        var tree = files()
        var commit = bench.repository.push(tree)
        try await bench.run { _ in
            try await units.awaitReady("far", at: commit)
            #expect(
                await bench.api.object(UnitsTests.key("far"))?.annotation("homelab.dev/cluster")
                    == "uid-kube-system-other https://other:6443")
        }
        // While no agent runs, it is pointed to the cluster it lies in.
        tree["clusters/home/a.yaml"] = UnitsTests.unit("far", path: "far", more: "wait: true")
        commit = bench.repository.push(tree)
        // The real server leaves no empty field behind where an apply takes the last one away.
        await bench.api.edit(UnitsTests.key("far")) { $0["spec"]?["kubeConfig"] = nil }
        try await bench.run { _ in
            try await units.awaitReady("far", at: commit)
            #expect(await title(bench.api) == "one")
            #expect(await title(bench.other) == "one", "nothing is deleted there")
            let left =
                "1 objects are left on https://other:6443, which nobody keeps any more: ConfigMap/default/one; to delete them there: "
                + "kubectl delete configmap --all-namespaces -l kustomize.toolkit.fluxcd.io/name=far,"
                + "kustomize.toolkit.fluxcd.io/namespace=default"
            try await eventually("it is said", { await String(describing: units.ready("far")) }) {
                await units.ready("far")?.message.contains(left) == true
            }
            #expect(await bench.api.object(UnitsTests.key("far"))?.annotation("homelab.dev/cluster") == nil)
            await bench.api.edit(UnitsTests.key("far")) { $0["metadata"]?["annotations"]?["homelab.dev/left-behind"] = nil }
            try await eventually("it is settled", { await String(describing: units.ready("far")) }) {
                await units.ready("far")?.message.contains("are left") == false
            }
        }
    }

    @Test func `a user who may not list pods holds nothing up`() async throws {
        await putSecret(Self.kubeconfig())
        let refusal = ClusterError(.forbidden, subject: "pods", message: "User \"far\" cannot list resource \"pods\"")
        for kind in [GroupKind(group: "", kind: "Pod"), GroupKind(group: "apps", kind: "ReplicaSet")] {
            await bench.other.fail(.list, kind: kind, with: refusal, times: 1000)
        }
        var tree = files()
        tree["far/two.yaml"] = Files.config("2", name: "two", namespace: "default")
        bench.repository.push(tree)
        try await bench.run { source in
            try await units.awaitReady("far")
            tree["far/two.yaml"] = nil
            let commit = bench.repository.push(tree)
            source.wake()
            try await units.awaitReady("far", at: commit)
            try await eventually("it goes") { await bench.other.object(UnitsTests.config("two")) == nil }
            try await eventually("it is said that nobody could look") {
                let event = await units.events(of: "far", "UsersUnknown").first ?? ""
                return event.contains("cannot list resource") && event.contains("list and watch pods and replicasets in default")
            }
        }
    }

    @Test func `a unit whose kubeconfig is gone can still be deleted`() async throws {
        await putSecret(Self.kubeconfig())
        let commit = bench.repository.push(files())
        try await bench.run { source in
            try await units.awaitReady("far", at: commit)
            await bench.api.remove(ObjectKey(group: "", kind: "Secret", namespace: "default", name: "other"))
            try await units.awaitReady("far", "False")
            bench.repository.push(["clusters/home/b.yaml": Files.config("x", name: "x", namespace: "default")])
            source.wake()
            try await eventually("the unit's end") { await bench.api.object(UnitsTests.key("far")) == nil }
            #expect(await title(bench.other) == "one", "nobody can delete it")
        }
    }
}
