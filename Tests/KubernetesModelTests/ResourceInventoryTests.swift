import KubernetesModel
import Testing
import YAML

struct ResourceInventoryTests {
    private let deployment = ObjectKey(group: "apps", kind: "Deployment", namespace: "web", name: "front")
    private let role = ObjectKey(group: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "system:thing:x")
    private let service = ObjectKey(group: "", kind: "Service", namespace: "web", name: "front")

    @Test(arguments: [
        ("apps", "Deployment", "web", "front", "web_front_apps_Deployment"),
        ("rbac.authorization.k8s.io", "ClusterRole", "", "system:thing:x", "_system__thing__x_rbac.authorization.k8s.io_ClusterRole"),
        ("", "Namespace", "", "web", "_web__Namespace"), ("", "Secret", "a", "b", "a_b__Secret"),
    ])
    func `identifiers are Flux's and read back`(group: String, kind: String, namespace: String, name: String, id: String) {
        let key = ObjectKey(group: group, kind: kind, namespace: namespace, name: name)
        #expect(key.inventoryID == id)
        #expect(ObjectKey(inventoryID: id) == key)
    }

    @Test(arguments: ["", "web", "a_b_c", "a__g_Kind", "a_b_g_"])
    func `what is no identifier is refused`(id: String) { #expect(ObjectKey(inventoryID: id) == nil) }

    @Test func `text is sorted and reads back whole or not at all`() throws {
        let inventory = ResourceInventory([
            service: .init(version: "v1", digest: "abc"), role: .init(version: "v1"), deployment: .init(version: "v1"),
        ])
        #expect(
            inventory.text == """
                _system__thing__x_rbac.authorization.k8s.io_ClusterRole v1
                web_front__Service v1 abc
                web_front_apps_Deployment v1

                """)
        #expect(ResourceInventory(text: inventory.text) == inventory)
        #expect(ResourceInventory(text: inventory.text + "web_fro") == nil)
        #expect(ResourceInventory(text: "") == ResourceInventory())
    }

    @Test func `Flux's status field is written and read`() {
        let inventory = ResourceInventory([service: .init(version: "v1"), deployment: .init(version: "v1")])
        #expect(
            inventory.fluxValue == [
                "entries": [["id": "web_front__Service", "v": "v1"], ["id": "web_front_apps_Deployment", "v": "v1"]]
            ])
        #expect(ResourceInventory(fluxValue: inventory.fluxValue) == inventory)
    }

    @Test func `merging keeps what is known, subtracting finds what to prune`() {
        let old = ResourceInventory([service: .init(version: "v1", digest: "old"), role: .init(version: "v1", digest: "r")])
        let new = ResourceInventory([service: .init(version: "v1"), deployment: .init(version: "v1", digest: "d")])
        let merged = old.merged(with: new)
        #expect(merged.keys == [role, deployment, service].sorted())
        #expect(merged[service]?.digest == "old")
        #expect(old.subtracting(new).keys == [role])
        var left = merged
        left.remove([role])
        #expect(!left.contains(role) && left.count == 2)
        #expect(merged.groupVersionKind(of: deployment)?.apiVersion == "apps/v1")
    }

    @Test func `a change set counts`() {
        let changes = ChangeSet([
            .init(service, .created), .init(deployment, .unchanged), .init(role, .skipped, detail: "reconcile: disabled"),
        ])
        #expect(changes.summary == "1 created, 1 unchanged, 1 skipped")
        #expect(changes.hasChanges && ChangeSet().summary == "nothing")
        #expect(changes.entries.last?.description == "ClusterRole/system:thing:x skipped (reconcile: disabled)")
    }
}
