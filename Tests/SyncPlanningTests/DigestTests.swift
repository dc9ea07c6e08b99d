import KubernetesModel
import Testing
import YAML

@testable import SyncPlanning

@Suite struct DigestTests {
    @Test func `a digest does not depend on the order of keys`() {
        let one = Manifest(["kind": "A", "metadata": ["name": "x", "namespace": "y"]])
        let other = Manifest(["metadata": ["namespace": "y", "name": "x"], "kind": "A"])
        #expect(ContentDigest.of(one) == ContentDigest.of(other))
    }

    @Test func `a digest tells a text from a number, and one list from two`() {
        let values: [Value] = [
            "1", 1, true, nil, ["a", "b"], ["ab"], [["a"], "b"], ["a": "b"], ["a": nil], 1.5, .uint(.max), .uint(.max - 1),
        ]
        #expect(Set(values.map { ContentDigest.of(Manifest(["value": $0])) }).count == values.count)
    }

    @Test func `what the server left standing is no drift, a further change of the same field is`() {
        let owner = Ownership(namespace: "homelab-system", name: "home")
        let desired = DesiredObject(
            Manifest(["apiVersion": "example.org/v1", "kind": "W", "metadata": ["name": "w"], "spec": ["size": "1024M"]]), owner: owner)
        var live = desired.manifest
        live.value["spec"] = ["size": "1G"]
        let settled = PresentObject(of: live, desired: desired).differences
        #expect(settled.count == 1)
        #expect(PresentObject(of: live, desired: desired, settled: settled).differences.isEmpty)
        live.value["spec"] = ["size": "2G"]
        #expect(PresentObject(of: live, desired: desired, settled: settled).differences.count == 1)
    }
}
