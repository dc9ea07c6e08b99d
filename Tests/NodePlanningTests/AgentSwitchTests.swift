import Foundation
import NodeInventory
import Testing

@testable import NodePlanning

/// The upgrade of the agent by git: what is planned, and the node's own script with stand-ins for systemd.
@Suite struct AgentSwitchTests {
    private static let source = """
        agent:
          version: 0.2.0
          source: https://mirror.example.org/homelab
        """

    private func plan(lock: String? = nil, _ change: (inout NodeFacts) -> Void = { _ in }) throws -> NodePlan {
        let example = PlanningCase.named("add-agent")
        var files = ["inventory/home.yaml": try #require(example.text("inventory.yaml")) + "\n" + Self.source + "\n"]
        files["inventory/home.lock.yaml"] = lock
        let spec = try ClusterSpec.load("inventory/home.yaml", files: files)
        var observed = try example.observed()
        if var facts = observed["s1"]?.facts {
            facts.agent.binary = BinaryFact(sha256: String(repeating: "c", count: 64), version: "0.1.0")
            facts.units[NodeLayout.agentUnit] = UnitFact(active: "active", enabled: true)
            change(&facts)
            observed["s1"] = .facts(facts)
        }
        var context = PlanningCase.context
        context.homelab = spec.agent.sha256
        return NodePlanner.plan(desired: spec, observed: observed, cluster: try example.cluster(), context: context)
    }

    private static let pin = String(repeating: "d", count: 64)
    private static let lock = """
        apiVersion: homelab.dev/v1alpha1
        kind: Lock
        k3s: {}
        homelab:
          0.2.0: {amd64: \(pin)}
        """

    @Test func `a pinned version is switched to, last and one server at a time`() throws {
        let plan = try plan(lock: Self.lock)
        let phase = try #require(plan.phases.last)
        #expect(phase.kind == .homelabUpgrade && phase.concurrency == 1 && phase.endsRunOnFailure)
        let steps = try #require(phase.tasks.first).steps.map(\.step)
        guard steps.count == 2, case .switchAgent(let change) = steps[1] else {
            Issue.record("\(steps)")
            return
        }
        #expect(change.artifact.sha256 == Self.pin && change.artifact.path == "/usr/local/bin/homelab")
        let others = plan.phases.dropLast().flatMap(\.tasks).flatMap(\.steps)
        #expect(!others.contains { if case .installBinary(let artifact) = $0.step { artifact.name == .homelab } else { false } })
        #expect(!others.contains { $0.reason.contains("binary is replaced") })
    }

    @Test func `without a pin nothing is installed, and it is said`() throws {
        let plan = try plan()
        #expect(!plan.phases.contains { $0.kind == .homelabUpgrade })
        #expect(plan.pending.contains { $0.text.contains("no sha256 of 0.2.0 for amd64 is pinned") })
    }

    @Test func `a version that went back is not tried again`() throws {
        let outcome = AgentSwitchOutcome(text: "returned \(Self.pin) not ready within 90 s")
        let plan = try plan(lock: Self.lock) { $0.agent.lastSwitch = outcome }
        #expect(!plan.phases.contains { $0.kind == .homelabUpgrade })
        #expect(plan.pending.contains { $0.text.hasSuffix("went back to its earlier homelab agent: not ready within 90 s") })
    }

    // MARK: On the node

    private struct Node {
        let folder: String
        let initSystem: String
        var link: String { folder + "/bin/homelab" }
        var outcome: String { (try? String(contentsOfFile: folder + "/outcome", encoding: .utf8)) ?? "" }
        var calls: [String] {
            ((try? String(contentsOfFile: folder + "/calls", encoding: .utf8)) ?? "").split(separator: "\n").map(String.init)
        }

        /// - Parameter initSystem: what the scripts are to find, whatever starts this machine.
        init(_ initSystem: String) throws {
            self.initSystem = initSystem
            folder = NSTemporaryDirectory() + "homelab-switch-" + UUID().uuidString
            for name in ["bin", "tools"] {
                try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
            }
            // Inside the unit it would be another process; here it runs at once. Sleeping is left out.
            try program("tools/systemd-run", "while [ \"${1#--}\" != \"$1\" ]; do shift; done; exec \"$@\"")
            try program(
                "tools/systemctl",
                "echo \"$*\" >>\(folder)/calls; case $* in 'is-active --quiet homelab-agent-switch.service') exit 3 ;; esac")
            try program("tools/rc-service", "[ \"$2\" = status ] || echo \"$2 $1.service\" >>\(folder)/calls")
            try program("tools/sleep", ":")
            try program("bin/homelab", "echo old")
        }

        func program(_ path: String, _ text: String) throws {
            try "#!/bin/sh\n\(text)\n".write(toFile: "\(folder)/\(path)", atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(folder)/\(path)")
        }

        func run(_ arguments: [String]) throws -> String {
            let process = Process()
            process.executableURL = URL(filePath: "/bin/sh")
            process.arguments = arguments
            process.environment = ["PATH": "\(folder)/tools:/usr/bin:/bin"]
            let pipe = Pipe()
            process.standardOutput = pipe
            process.standardError = pipe
            try process.run()
            let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            return process.terminationStatus == 0 ? text : "status \(process.terminationStatus): \(text)"
        }

        func upgrade(_ text: String, within seconds: Int = 60) throws -> (sha256: String, output: String) {
            try program("upload", text)
            let sum = String(try run(["-c", "sha256sum <\(folder)/upload"]).prefix(64))
            try? FileManager.default.removeItem(atPath: folder + "/outcome")
            let output = try run([
                "-c", here(NodeScripts.prepareAgentSwitch), "homelab", "\(folder)/upload", sum, link, "\(folder)/slots",
                "homelab-agent.service", "127.0.0.1:9797", String(seconds), "\(folder)/outcome", here(NodeScripts.agentSwitch),
            ])
            // Without systemd it is a process of its own here, too.
            let deadline = Date().addingTimeInterval(60)
            while output.isEmpty, outcome.isEmpty, Date() < deadline { usleep(20_000) }
            if initSystem != "systemd" {
                _ = try run(["-c", here(DetachedProcess.functions) + "while detached homelab-agent-switch; do :; done"])
            }
            return (sum, output)
        }

        private func here(_ script: String) -> String {
            script.replacingOccurrences(of: InitSystem.isSystemd, with: initSystem == "systemd" ? "true" : "false")
                .replacingOccurrences(of: "\"/run/", with: "\"\(folder)/").replacingOccurrences(of: "\"/var/log/", with: "\"\(folder)/")
        }
    }

    @Test(.enabled(if: getuid() == 0, "files are given to root"), arguments: ["systemd", "openrc"])
    func `a healthy agent stays, each time in the other slot`(_ initSystem: String) throws {
        let node = try Node(initSystem)
        defer { try? FileManager.default.removeItem(atPath: node.folder) }
        let first = try node.upgrade("echo one")
        #expect(first.output == "")
        #expect(node.outcome == "done \(first.sha256)\n")
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: node.link) == node.folder + "/slots/b")
        #expect(try node.run([node.link]) == "one\n")
        let second = try node.upgrade("echo two")
        #expect(node.outcome == "done \(second.sha256)\n")
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: node.link) == node.folder + "/slots/a")
        #expect(try node.run([node.link]) == "two\n")
        #expect(node.calls.filter { $0 == "restart homelab-agent.service" }.count == 2)
    }

    @Test(.enabled(if: getuid() == 0, "files are given to root"), arguments: ["systemd", "openrc"])
    func `one that does not get ready makes way for the old one`(_ initSystem: String) throws {
        let node = try Node(initSystem)
        defer { try? FileManager.default.removeItem(atPath: node.folder) }
        let bad = try node.upgrade("echo 'not ready: no leader is known' >&2; exit 1", within: 1)
        #expect(node.outcome == "returned \(bad.sha256) not ready within 1 s: not ready: no leader is known\n")
        #expect(try node.run([node.link]) == "old\n")
        #expect(node.calls.filter { $0 == "restart homelab-agent.service" }.count == 2)
        let outcome = try #require(AgentSwitchOutcome(text: node.outcome))
        #expect(outcome.result == .returned && outcome.sha256 == bad.sha256)
    }
}
