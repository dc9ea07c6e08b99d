import Diagnostics
import Testing

@testable import NodeInventory

@Suite struct InventoryEditTests {
    private static let key = HostKey.key(type: "ssh-ed25519", blob: "AAAAC3NzaC1lZDI1NTE5AAAAIHVuc2VyIFNjaGzDvHNzZWwgaXN0IGhpZXIhISE=")
    private static let path = "inventory/home.yaml"

    private static let head = """
        apiVersion: homelab.dev/v1alpha1
        kind: Cluster
        name: home   # the flat
        k3s: {version: v1.36.4+k3s1}
        defaults:
          user: debian
          identityFile: ~/.ssh/homelab

        """

    private func edit(_ nodes: String, more: [String: String] = [:]) throws -> InventoryEdit {
        try InventoryEdit(Self.path, files: more.merging([Self.path: Self.head + nodes]) { $1 })
    }

    private func newNode(_ name: String, user: String = "debian") -> NodeSpec {
        var node = NodeSpec(name: name, role: .agent, host: "192.0.2.13", user: user, location: SourceLocation(file: "", line: 1))
        node.hostKeys = [Self.key]
        return node
    }

    @Test func `a key is pinned below the host, and nothing else changes`() throws {
        let nodes = """
            nodes:
              # in the attic
              - name: attic
                role: server
                host: 192.0.2.11     # fixed by the router
                labels: {disk: ssd}

              - {name: shelf, role: agent, host: 192.0.2.12}   # on the shelf
            # the end

            """
        let attic = try edit(nodes).pinning(Self.key, of: "attic")
        #expect(
            attic.text
                == Self.head
                + nodes.replacing("by the router\n", with: "by the router\n    hostKeys: [\(Self.key)]\n"))
        let shelf = try edit(nodes).pinning(Self.key, of: "shelf")
        #expect(shelf.text == Self.head + nodes.replacing("agent, host", with: "agent, hostKeys: [\"\(Self.key)\"], host"))
    }

    @Test func `a new entry goes behind the last one, in its layout`() throws {
        let nodes = """
            nodes:
            - name: attic
              role: server
              host: 192.0.2.11
              config:
                kubelet-arg:
                - max-pods=200

            - name: shelf
              role: agent
              host: 192.0.2.12
              taints:
              - a=b:NoSchedule
            # more to come
            maintenanceWindows: []

            """
        let change = try edit(nodes).adding(newNode("cellar"))
        #expect(
            change.text
                == Self.head
                + nodes.replacing(
                    "  - a=b:NoSchedule\n",
                    with: "  - a=b:NoSchedule\n\n- name: cellar\n  role: agent\n  host: 192.0.2.13\n  hostKeys: [\(Self.key)]\n"))
    }

    @Test func `another user and a name that YAML would misread are written out`() throws {
        let nodes = "nodes:\n  - {name: attic, role: server, host: 192.0.2.11}\n"
        let change = try edit(nodes).adding(newNode("on", user: "root"))
        let added = ["  - name: \"on\"", "role: agent", "host: 192.0.2.13", "user: root", "hostKeys: [\(Self.key)]\n"]
        #expect(change.text.hasSuffix(added.joined(separator: "\n    ")))
    }

    @Test func `with a file for each node a file is written`() throws {
        let attic = "apiVersion: homelab.dev/v1alpha1\nkind: Node\nname: attic\nrole: server\nhost: 192.0.2.11\n"
        let edit = try edit("", more: ["inventory/home/nodes/attic.yaml": attic])
        let change = try edit.adding(newNode("cellar"))
        #expect(change.file == "inventory/home/nodes/cellar.yaml")
        #expect(change.text.hasPrefix("apiVersion: homelab.dev/v1alpha1\nkind: Node\nname: cellar\n"))
        let pinned = try edit.pinning(Self.key, of: "attic")
        #expect(pinned.file == "inventory/home/nodes/attic.yaml" && pinned.text == attic + "hostKeys: [\(Self.key)]\n")
    }

    @Test func `Windows line breaks stay`() throws {
        let text = (Self.head + "nodes:\n  - name: attic\n    role: server\n    host: 192.0.2.11\n").replacing("\n", with: "\r\n")
        let change = try InventoryEdit(Self.path, files: [Self.path: text]).pinning(Self.key, of: "attic")
        #expect(change.text == text + "    hostKeys: [\(Self.key)]\r\n")
    }

    @Test func `what cannot be changed safely is told to be written by hand`() throws {
        let flow = "nodes: [{name: attic, role: server, host: 192.0.2.11}]\n"
        let problem = #expect(throws: Diagnostic.self) { try edit(flow).adding(newNode("cellar")) }
        #expect(problem?.remedy?.contains("name: cellar") == true)
        let empty = "nodes:\n  - name: attic\n    role: server\n    host: 192.0.2.11\n    hostKeys: []\n"
        #expect(throws: Diagnostic.self) { try edit(empty).pinning(Self.key, of: "attic") }
    }
}
