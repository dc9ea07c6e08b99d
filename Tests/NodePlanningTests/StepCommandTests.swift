import Diagnostics
import NodeInventory
import Testing

@testable import NodePlanning

@Suite struct StepCommandTests {
    private func lines(_ step: Step, _ inputs: StepInputs = StepInputs()) throws -> [[String]] {
        try step.commands(inputs: inputs).map(\.argv)
    }

    @Test func plainCommands() throws {
        #expect(try lines(.loadModules(["overlay", "br_netfilter"])) == [["modprobe", "overlay"], ["modprobe", "br_netfilter"]])
        #expect(try lines(.setSysctls([Sysctl(key: "a.b", value: "1")])) == [["sysctl", "-q", "-w", "a.b=1"]])
        #expect(try lines(.startUnit("k3s.service")) == [["systemctl", "--no-block", "start", "k3s.service"]])
        #expect(try lines(.enableUnit("x.service")) == [["systemctl", "daemon-reload"], ["systemctl", "enable", "--quiet", "x.service"]])
        #expect(try lines(.revokeToken(id: "abc123", node: "a", via: "s")) == [["/usr/local/bin/k3s", "token", "delete", "abc123"]])
        #expect(try lines(.revokeToken(id: nil, node: "a", via: "s")) == [])
        #expect(try lines(.awaitK3s(role: .server)) == [])
        let token = Step.tokenCommand(minutes: 30, description: "a joins")
        #expect(token.argv == ["/usr/local/bin/k3s", "token", "create", "--ttl", "30m", "--description", "a joins"])
    }

    @Test func labelsAndTaints() throws {
        var change = NodeMetadataChange(node: "a1")
        change.setLabels = ["b": "2", "a": "1"]
        change.removeLabels = ["c"]
        change.setTaints = [Taint(key: "gpu", effect: .noSchedule)]
        change.removeTaints = [Taint(key: "old", value: "x", effect: .noExecute)]
        change.annotations = ["homelab.dev/labels": "a,b"]
        let start = ["/usr/local/bin/k3s", "kubectl"]
        #expect(
            try lines(.updateNode(change, via: "s1")) == [
                start + ["label", "node", "a1", "--overwrite", "a=1", "b=2", "c-"],
                start + ["taint", "node", "a1", "--overwrite", "gpu:NoSchedule", "old:NoExecute-"],
                start + ["annotate", "node", "a1", "--overwrite", "homelab.dev/labels=a,b"],
            ])
    }

    /// A secret reaches a node on standard input alone: never in an argument, and shown only as `<secret>`.
    @Test func secretsAreInputOnly() throws {
        let reference = SecretReference.environment("P")
        let inputs = StepInputs(token: Secret("hunter2token"), secrets: [reference: Secret("hunter2\"pass")])
        let file = PlannedFile(path: "/etc/x", mode: "0600", text: "password: SECRET-1-\n", secrets: ["SECRET-1-": reference])
        let steps: [Step] = [.writeToken(.generated), .writeFile(file), .writeSecretFile(path: "/etc/y", source: reference)]
        for step in steps {
            let command = try #require(step.commands(inputs: inputs).first)
            #expect(!command.argv.joined(separator: " ").contains("hunter2"))
            #expect(!"\(command)".contains("hunter2"))
            #expect(command.asRoot)
            #expect(command.argv.contains("0600"))
            #expect(command.argv.last == String(command.input.bytes.count))
        }
        let written = try #require(Step.writeFile(file).commands(inputs: inputs).first)
        #expect(String(decoding: written.input.bytes, as: UTF8.self) == "password: \"hunter2\\\"pass\"\n")
    }

    @Test func missingInputsAreSaid() {
        #expect(throws: Diagnostic.self) { try Step.writeToken(.generated).commands(inputs: StepInputs()) }
        #expect(throws: Diagnostic.self) {
            try Step.writeSecretFile(path: "/x", source: .prompt).commands(inputs: StepInputs())
        }
        let key = AuthorizedKey(node: "s1", purpose: .manage, from: [], comment: "homelab-agent@home/s1")
        #expect(throws: Diagnostic.self) {
            try Step.authorizeKeys([key], user: "ops", home: "/home/ops").commands(inputs: StepInputs())
        }
    }

    @Test func authorizedKeyLines() {
        let manage = AuthorizedKey(node: "s1", purpose: .manage, from: ["10.0.0.1"], comment: "homelab-agent@home/s1")
        #expect(manage.line("ssh-ed25519 AAAA root@s1") == "restrict,from=\"10.0.0.1\" ssh-ed25519 AAAA homelab-agent@home/s1")
        let fetch = AuthorizedKey(node: "s2", purpose: .fetch(repository: "/r.git"), from: [], comment: "homelab-fetch@home/s2")
        #expect(
            fetch.line("ssh-ed25519 BBBB")
                == "restrict,command=\"/usr/local/bin/homelab git-serve /r.git\" ssh-ed25519 BBBB homelab-fetch@home/s2")
        #expect(manage.line("nonsense") == nil)
    }
}

@Suite struct QuorumTests {
    @Test(arguments: [
        (1, 1, false, true), (2, 2, false, true), (3, 3, true, true), (3, 2, false, false), (4, 3, true, false), (5, 3, false, false),
        (5, 4, true, true),
    ]) func healthyMember(_ members: Int, _ healthy: Int, _ removable: Bool, _ restartable: Bool) {
        let quorum = Quorum(members: members, healthy: healthy)
        // Two members become one, which is a majority of itself.
        #expect(quorum.survivesRemoval(ofHealthy: true) == (members == 2 ? true : removable))
        #expect(quorum.survivesRestart(ofHealthy: true) == (members == 2 ? false : restartable))
    }

    @Test func deadMember() {
        #expect(Quorum(members: 3, healthy: 2).survivesRemoval(ofHealthy: false))
        #expect(!Quorum(members: 3, healthy: 1).survivesRemoval(ofHealthy: false))
        #expect(!Quorum(members: 2, healthy: 1).survivesRemoval(ofHealthy: false))
        #expect(Quorum(members: 3, healthy: 2).survivesRestart(ofHealthy: false))
        #expect(!Quorum(members: 3, healthy: 1).survivesRestart(ofHealthy: false))
    }

    @Test func growing() {
        #expect(Quorum(members: 1, healthy: 1).mayGrow)
        #expect(!Quorum(members: 3, healthy: 2).mayGrow)
    }
}
