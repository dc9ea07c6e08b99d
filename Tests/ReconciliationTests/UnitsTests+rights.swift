import Git
import HomelabTestSupport
import KubernetesModel
import SyncPlanning
import Testing
import YAML

@testable import Reconciliation

/// What a unit with rights of its own may not.
extension UnitsTests {
    @Test func `the health checks of a unit tell nothing of what its ServiceAccount may not read`() async throws {
        let user = "system:serviceaccount:default:deployer"
        let secret = ObjectKey(group: "", kind: "Secret", namespace: "kube-system", name: "token")
        await bench.api.put(
            Manifest([
                "apiVersion": "v1", "kind": "Secret", "metadata": ["name": "token", "namespace": "kube-system"],
                "data": ["key": "c2VjcmV0"],
            ]))
        let refusal = ClusterError(.forbidden, subject: secret.description, message: "User \"\(user)\" cannot get resource \"secrets\"")
        await bench.api.fail(.get, kind: secret.groupKind, name: "token", user: user, with: refusal, times: .max)
        let guess = "{apiVersion: v1, kind: Secret, current: \"data.key == 'c2VjcmV0'\", failed: \"data.key != 'c2VjcmV0'\"}"
        var files = [
            "clusters/home/a.yaml": Self.unit(
                "a", path: "a",
                more: "serviceAccountName: deployer\nhealthCheckExprs: [\(guess)]\n"
                    + "healthChecks: [{apiVersion: v1, kind: Secret, name: token, namespace: kube-system}]"),
            "a/one.yaml": Files.config("1", name: "one", namespace: "default"),
        ]
        bench.repository.push(files)
        try await bench.run { source in
            try await eventually("it is applied, and the check is refused", { await ready("a")?.message ?? "" }) {
                let message = await ready("a")?.message ?? ""
                let isApplied = await bench.api.object(Self.config("one")) != nil
                return isApplied && message.contains("it cannot be looked at: User")
            }
            #expect(await ready("a")?.status != "True")
            await bench.api.mend()
            files["a/one.yaml"] = Files.config("2", name: "one", namespace: "default")
            let next = bench.repository.push(files)
            source.wake()
            try await awaitReady("a", at: next)
        }
        let looks = await bench.api.requests.filter { $0.verb == .get && $0.name == "token" }
        #expect(!looks.isEmpty && looks.allSatisfy { $0.user == user }, "\(looks)")
    }

    private func put(_ text: String, _ annotations: Value = .null) async throws {
        var object = Manifest(try #require(try YAMLReader.values(text, file: "hand.yaml").first))
        if !annotations.isNull { object.value["metadata"]?["annotations"] = annotations }
        await bench.api.put(object)
    }

    private func awaitTitle(_ title: String) async throws {
        try await eventually("the title \(title)") {
            await bench.api.object(Self.config("one"))?.value[path: "data", "title"]?.string == title
        }
    }

    private static func repositoryKey(_ name: String, namespace: String = "default") -> ObjectKey {
        ObjectKey(group: FluxKinds.gitRepository.group, kind: "GitRepository", namespace: namespace, name: name)
    }

    @Test func `a GitRepository that anybody marks as the agent's own says nothing of whose commits count`() async throws {
        let verify = ", verify: {mode: HEAD, secretRef: {name: nothing}}"
        try await put(
            Self.gitRepository("mine", url: "https://example.org/mine.git", more: verify), [FluxComponents.agentSource: "agent"])
        let mine = Self.repositoryKey("mine")
        func push(_ title: String) {
            bench.repository.push(["clusters/home/one.yaml": Files.config(title, name: "one", namespace: "default")])
        }
        push("one")
        for (bench, title) in [(bench, "two"), (bench.next, "three")] {
            try await bench.run { source in
                try await eventually("it was seen") { await bench.api.object(mine)?.condition("Ready") != nil }
                push(title)
                source.wake()
                try await awaitTitle(title)
                #expect(source.state.value.problem == nil)
                #expect(await bench.api.object(mine)?.value[path: "status", "artifact"] == nil)
            }
        }
    }

    @Test func `a GitRepository that anybody makes with the agent's URL is not read with the agent's login`() async throws {
        let copy = Self.gitRepository("copy", url: "ssh://m1/srv/home.git")
        try await put(copy)
        try await put(
            Self.unit("spy", path: "apps", more: "serviceAccountName: spy").replacing(
                "name: home, namespace: homelab-system", with: "name: copy"))
        var files = [
            "clusters/home/two.yaml": Files.config("two", name: "two", namespace: "default"),
            "apps/one.yaml": Files.config("one", name: "one", namespace: "default"),
        ]
        bench.repository.push(files)
        try await bench.run { source in
            try await eventually("it has nothing to build", { await ready("spy")?.message ?? "" }) {
                await ready("spy")?.message.contains("GitRepository/default/copy is not there, or gives no commit yet") == true
            }
            try await eventually("it is not reached") {
                await bench.api.object(Self.repositoryKey("copy"))?.condition("Ready")?.status == "False"
            }
            #expect(await bench.api.object(Self.config("one")) == nil)
            #expect(await bench.api.object(Self.repositoryKey("copy"))?.value[path: "status", "artifact"] == nil)
            // What the agent's own unit makes is as good as its own.
            files["clusters/home/copy.yaml"] = copy
            bench.repository.push(files)
            source.wake()
            try await awaitReady("spy")
        }
    }

    @Test func `after its record was lost, the agent's own GitRepository is that again`() async throws {
        let key = Self.repositoryKey("flux-system", namespace: "flux-system")
        func status() async -> String { await String(describing: bench.api.object(key)?.value["status"]) }
        func isOwn(at commit: CommitInfo) async -> Bool {
            let object = await bench.api.object(key)
            let revision = object?.value[path: "status", "artifact", "revision"]?.string
            return object?.condition("Ready")?.status == "True" && revision?.hasSuffix(commit.id.hex) == true
        }
        let first = bench.repository.push(Self.bootstrappedByFlux)
        try await bench.run { _ in try await eventually("it is read", status) { await isOwn(at: first) } }
        await bench.api.remove(ObjectKey(group: "", kind: "ConfigMap", namespace: "homelab-system", name: "homelab-inventory-home"))
        var files = Self.bootstrappedByFlux
        files["apps/one.yaml"] = Files.config("two", name: "one", namespace: "default")
        let second = bench.repository.push(files)
        try await bench.next.run { _ in
            try await eventually("it is read again", status) { await isOwn(at: second) }
            try await awaitTitle("two")
        }
    }
}
