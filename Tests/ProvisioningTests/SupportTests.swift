import Diagnostics
import FileSystem
import NodeInventory
import NodePlanning
import Testing
import YAML

@testable import Provisioning

@Suite struct PrintedTokenTests {
    @Test func eachTellsForWhomItWasMade() {
        let printed = """
            bootstrap-token-abc123 "homelab: m2 joins"
            bootstrap-token-def456\u{20}
            bootstrap-token-fed789 "of a \\"friend\\"\\nbootstrap-token-x"
            No resources found

            """
        let tokens = ClusterObserver.tokens(printed: printed[...])
        #expect(Set(tokens.keys) == ["abc123", "def456", "fed789"])
        #expect(tokens["abc123"] == TokenSource.description(of: "m2") && tokens["def456"] == "")
    }
}

@Suite struct ScrubberTests {
    @Test func tokensAndKnownSecretsAreBlanked() {
        let hash = String(repeating: "0f", count: 32)
        let scrubber = Scrubber([Secret("hunter22\n"), Secret("x")])
        #expect(scrubber.scrub("join K10\(hash)::server:abc now, pass hunter22, x") == "join K10<secret> now, pass <secret>, x")
        #expect(scrubber.scrub("\"K10\(hash)::abcdef.0123456789abcdef\"") == "\"K10<secret>\"")
        #expect(scrubber.scrub("the K10 trail") == "the K10 trail")
    }
}

@Suite struct ParallelTests {
    @Test func resultsKeepTheOrder() async {
        let squares = await parallel(Array(1...50), limit: 7) { number in
            await Task.yield()
            return number * number
        }
        #expect(squares == (1...50).map { $0 * $0 })
        #expect(await parallel([Int](), limit: 3) { $0 } == [])
    }

    @Test func shieldedRunsToItsEnd() async {
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            return await shielded { !Task.isCancelled }
        }
        task.cancel()
        #expect(await task.value)
    }
}

@Suite struct SecretSourceTests {
    @Test func sourcesAndTheirErrors() throws {
        let folder = try Files.makeTemporaryDirectory()
        try Files.write("tops3cret\n", to: folder + "/pw")
        let source = SecretSource(base: folder, prompt: nil)
        #expect(try source.secret(.file("pw"), question: "?", subject: "s").revealed == "tops3cret")
        #expect(throws: Diagnostic.self) { _ = try source.secret(.file("none"), question: "?", subject: "s") }
        #expect(throws: Diagnostic.self) { _ = try source.secret(.environment("HOMELAB_TEST_NOT_SET"), question: "?", subject: "s") }
        #expect(throws: Diagnostic.self) { _ = try source.secret(.prompt, question: "?", subject: "s") }
        #expect(source.ask("?") == nil)
        try Files.removeTree(folder)
    }

    @Test func everyQuestionIsPutOnce() throws {
        let events = EventLog()
        let source = SecretSource(
            base: "/",
            prompt: {
                events.add(.note(node: nil, text: $0))
                return "answer"
            })
        #expect(try source.secret(.prompt, question: "a", subject: "s").revealed == "answer")
        #expect(source.ask("a")?.revealed == "answer")
        #expect(events.lines == ["a"])
        source.forget(question: "a")
        _ = source.ask("a")
        #expect(events.lines == ["a", "a"])
    }
}

@Suite struct LocalHostTests {
    let host = LocalHost(name: "here")

    @Test func inputOutputAndStatus() async throws {
        let result = try await host.run(RemoteCommand(["sh", "-c", "cat; echo oops >&2; exit 3"], input: .text("hello")))
        #expect(result.output == "hello" && result.errorOutput == "oops\n" && result.exitStatus == 3)
        #expect(result.complaint == "oops")
    }

    @Test func largeInputDoesNotBlock() async throws {
        let text = String(repeating: "0123456789abcdef", count: 40_000)
        let result = try await host.run(RemoteCommand(["cat"], input: .text(text)))
        #expect(result.standardOutput.count == 640_000)
        #expect(try await host.run(RemoteCommand(["true"], input: .text(text))).succeeded)
    }

    @Test func missingProgramIsAnError() async {
        await #expect(throws: HostError.self) { _ = try await host.run(RemoteCommand(["/no/such/program"])) }
    }

    @Test func cancellingEndsTheCommand() async throws {
        let host = self.host
        let task = Task { try await host.run(RemoteCommand(["sleep", "600"])) }
        try await Task.sleep(for: .milliseconds(50))
        task.cancel()
        await #expect(throws: CancellationError.self) { _ = try await task.value }
    }

    @Test func uploadIsVerified() async throws {
        let folder = try Files.makeTemporaryDirectory()
        try Files.write("content", to: folder + "/a")
        let hash = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
        try await host.upload(FileUpload(source: folder + "/a", destination: folder + "/b", mode: 0o600, sha256: hash)) { _, _ in }
        #expect(try Files.readText(folder + "/b") == "content")
        await #expect(throws: Diagnostic.self) {
            try await host.upload(
                FileUpload(source: folder + "/a", destination: folder + "/c", mode: 0o600, sha256: String(repeating: "0", count: 64))
            ) { _, _ in }
        }
        try Files.removeTree(folder)
    }
}

@Suite struct JumpAddressTests {
    @Test func formsOfProxyJump() {
        #expect(JumpAddress("bob@gate:2222") == JumpAddress("ssh://bob@gate:2222"))
        let address = JumpAddress("bob@gate:2222")
        #expect(address.user == "bob" && address.host == "gate" && address.port == 2222)
        #expect(JumpAddress("gate").port == nil)
        #expect(JumpAddress("[fd00::1]:22").host == "fd00::1" && JumpAddress("fd00::1").host == "fd00::1")
    }
}

@Suite struct NodePlanTests {
    @Test func limitedKeepsStepsAboutTheNodes() {
        let plan = NodePlan(
            cluster: "c",
            phases: [
                Phase(
                    .agents,
                    tasks: [
                        NodeTask(node: "m2", steps: [PlannedStep(.reboot, "")]), NodeTask(node: "m3", steps: [PlannedStep(.reboot, "")]),
                    ]),
                Phase(
                    .metadata,
                    tasks: [
                        NodeTask(
                            node: "m1",
                            steps: [
                                PlannedStep(.updateNode(NodeMetadataChange(node: "m2"), via: "m1"), ""),
                                PlannedStep(.updateNode(NodeMetadataChange(node: "m3"), via: "m1"), ""),
                            ])
                    ]),
            ])
        let limited = plan.limited(to: ["m3"])
        #expect(limited.involvedNodes == ["m3", "m1"])
        #expect(limited.phases[1].tasks[0].steps.count == 1)
        #expect(plan.limited(to: []) == plan)
        #expect(plan.limited(to: ["m9"]).isEmpty)
        #expect(plan.acting(through: "m4").phases[1].tasks[0].node == "m4")
    }
}

@Suite struct KubeconfigFileTests {
    @Test func writtenPrivateAndMerged() throws {
        let folder = try Files.makeTemporaryDirectory()
        let file = KubeconfigFile(path: folder + "/sub/config")
        let home = KubeconfigTests.fromServer.renamed(to: "home", server: "https://h:6443")
        try file.write(home, merging: true)
        #expect(try Files.status(file.path).mode == 0o600)
        #expect(file.holds(cluster: "home", certificateAuthority: nil) && !file.holds(cluster: "work", certificateAuthority: nil))
        try file.write(KubeconfigTests.fromServer.renamed(to: "work", server: "https://w:6443"), merging: true)
        #expect(file.holds(cluster: "home", certificateAuthority: nil) && file.holds(cluster: "work", certificateAuthority: nil))
        #expect(file.holds(cluster: "home", certificateAuthority: "ZGVmYXVsdA=="))
        #expect(!file.holds(cluster: "home", certificateAuthority: "b3RoZXI="))
        try file.write(home, merging: false)
        #expect(!file.holds(cluster: "work", certificateAuthority: nil))
        try Files.write("a: [", to: file.path)
        #expect(throws: YAMLError.self) { try file.write(home, merging: true) }
        #expect(try Files.readText(file.path) == "a: [")
        try Files.removeTree(folder)
    }
}
