import Diagnostics
import Foundation
import NodeInventory
import SSH
import Testing

@testable import Provisioning

@Suite struct SSHConnectorTests {
    private static let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ1Z3MgYnVubnkgd2FzIGhlcmUgYW5kIGF0ZSBjYXJy"

    private func node(_ text: String) throws -> NodeSpec {
        let spec = try ClusterSpec.load(
            "home.yaml",
            files: [
                "home.yaml": """
                {apiVersion: homelab.dev/v1alpha1, kind: Cluster, name: home, k3s: {version: v1.33.4+k3s1},
                 nodes: [{name: attic, role: server, \(text)}]}
                """
            ])
        return spec.nodes[0]
    }

    private func connector(_ config: String = "", trust: SSHConnector.Trust = .person(confirm: nil)) -> SSHConnector {
        SSHConnector(trust: trust, secrets: SecretSource(base: "/nowhere", prompt: nil), config: SSHConfig(text: config))
    }

    /// The operator's files and variables are not on the servers.
    @Test func `an agent needs none of the operator's secrets`() throws {
        let node = try node(
            "host: 192.0.2.1, hostKeys: \"\(Self.key)\", password: {env: HOMELAB_NOT_SET}, passphrase: {file: gone}, "
                + "jump: {host: 192.0.2.2, hostKeys: \"\(Self.key)\", password: {file: gone}}")
        let target = try connector(trust: .pinsOnly(identityFile: "/etc/homelab/id_ed25519")).target(for: node)
        #expect(target.authentication.count == 1 && target.jump.map(\.authentication.count) == [1])
        guard case .keyFile("/etc/homelab/id_ed25519", _)? = target.authentication.first else {
            Issue.record("\(target.authentication)")
            return
        }
        #expect(throws: Diagnostic.self) { try connector().target(for: node) }
    }

    @Test func `an agent names the jump host that is not pinned`() throws {
        let node = try node("host: 192.0.2.1, hostKeys: \"\(Self.key)\", jump: ops@192.0.2.2")
        let error = #expect(throws: HostError.self) {
            try connector(trust: .pinsOnly(identityFile: "/etc/homelab/id_ed25519")).target(for: node)
        }
        #expect(error?.diagnostic.subject == "jump host \"192.0.2.2\" of node \"attic\"", "\(String(describing: error))")
    }

    private static let config = "Host attic.lan\n  User me\n  Port 2200\n  HostName 192.0.2.9\n  ProxyJump gate\nHost gate\n  User you\n"

    @Test func `what the inventory does not write comes from the operator's file`() throws {
        let left = try connector(Self.config).target(for: node("host: attic.lan, hostKeys: \"\(Self.key)\""))
        #expect(left.user == "me" && left.port == 2200 && left.host == "192.0.2.9" && left.jump.map(\.user) == ["you"])
        let written = try connector(Self.config).target(for: node("host: attic.lan, user: root, port: 22, hostKeys: \"\(Self.key)\""))
        #expect(written.user == "root" && written.port == 22, "what is written counts, also when it is the default")
        let jump = try connector("Host gate\n  User you\n  Port 99\n")
            .target(for: node("host: attic.lan, hostKeys: \"\(Self.key)\", jump: [root@gate:22, gate]"))
        #expect(jump.jump.map(\.user) == ["root", "you"] && jump.jump.map(\.port) == [22, 99])
    }

    @Test func `jump hosts are told as an inventory would have them`() throws {
        let hosts = "Host attic.lan\n  ProxyJump me@gate:2200\nHost gate\n  ProxyJump ssh://outer\n"
        #expect(try connector(hosts).jumps(to: node("host: attic.lan")).map(\.text) == ["outer", "me@gate:2200"])
        #expect(try connector(hosts).jumps(to: node("host: attic.lan, jump: 'you@[fd00::1]:22'")).map(\.text) == ["you@[fd00::1]:22"])
        #expect(try connector(hosts).jumps(to: node("host: 192.0.2.1")).isEmpty)
    }

    @Test(arguments: [
        ("Match exec \"test -e /x\"\n  User you\nHost attic.lan\n  ProxyCommand nc %h %p\n", "host: attic.lan", "node \"attic\""),
        ("Host gate\n  ProxyCommand nc %h %p\n", "host: attic.lan, jump: gate", "jump host \"gate\" of node \"attic\""),
        (
            "Host attic.lan\n  ProxyJump gate\nHost gate\n  ProxyCommand nc %h %p\n", "host: attic.lan",
            "jump host \"gate\" of node \"attic\""
        ),
    ]) func `a ProxyCommand is told and never passed over`(_ config: String, _ way: String, _ subject: String) throws {
        let node = try node("\(way), hostKeys: \"\(Self.key)\"")
        let error = #expect(throws: HostError.self) { try connector(config).target(for: node) }
        #expect(error?.kind == .refused && error?.diagnostic.subject == subject, "\(String(describing: error))")
        #expect(error?.diagnostic.cause == "ProxyCommand nc %h %p", "\(String(describing: error))")
    }

    @Test func `a jump host of the inventory takes the place of a ProxyCommand`() throws {
        let node = try node("host: attic.lan, jump: gate, hostKeys: \"\(Self.key)\"")
        let target = try connector("Host attic.lan\n  ProxyCommand nc %h %p\n").target(for: node)
        #expect(target.jump.map(\.host) == ["gate"])
    }

    @Test func `a command at its limit is another thing than a connection that cannot be made`() {
        let error = SSHError(target: "attic", kind: .timedOut(after: .seconds(120)))
        let silent = HostError.translated(error, node: "attic", within: .seconds(120)) as? HostError
        #expect(silent == HostError.silent(node: "attic", after: .seconds(120)))
        #expect((HostError.translated(error, node: "attic") as? HostError)?.diagnostic.summary == "cannot be reached")
    }

    @Test func `what the agents do not know is told`() throws {
        let found = try connector(Self.config).findings(on: [node("host: attic.lan"), node("host: 192.0.2.1")]).all
        #expect(found.count == 1 && found[0].severity == .warning)
        #expect(found[0].cause == "User me, HostName 192.0.2.9, Port 2200, ProxyJump gate")
        #expect(found[0].remedy == "Write user: and host: and port: and jump: in the inventory.")
        let written = try node("host: 192.0.2.9, user: me, port: 2200, jump: {host: gate, user: you}")
        #expect(connector(Self.config).findings(on: [written]).isEmpty)
        let jump = try connector(Self.config).findings(on: [node("host: 192.0.2.9, jump: gate")]).all
        #expect(jump.map(\.cause) == ["User you for gate"])
    }

    @Test func `an alias as the only server's host is told`() throws {
        let found = try connector(Self.config).findings(onTheOnlyServer: node("host: attic.lan")).all
        #expect(found.map(\.summary) == ["kubeconfigs will name attic.lan, which only ~/.ssh/config knows"])
        #expect(try connector(Self.config).findings(onTheOnlyServer: node("host: 192.0.2.1")).isEmpty)
    }
}
