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
}
