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
    @Test func noPartOfASecretIsLeft() {
        let hash = String(repeating: "ab", count: 32)
        var scrubber = Scrubber([
            Secret("secret"), Secret("secret-and-more"), Secret(#"pass"word\1"#), Secret("K10\(hash)::server:0123456789"),
        ])
        #expect(scrubber.scrub("secret-and-more secret") == "<secret> <secret>")
        #expect(scrubber.scrub(#"{"password":"pass\"word\\1"}"#) == #"{"password":"<secret>"}"#)
        #expect(scrubber.scrub("password 0123456789 was wrong") == "password <secret> was wrong")
        scrubber.add(Secret("K10\(hash)::abcdef.fedcba9876543210"))
        #expect(scrubber.scrub("no token abcdef.fedcba9876543210") == "no token <secret>")
    }

    @Test func whatATerminalWouldObeyIsTakenOut() {
        #expect(Scrubber().scrub("a\u{1B}[31mred\u{1B}[0m\u{07} \u{1B}]0;title\u{9B}2J\tb\nc") == "ared ]0;title2J\tb\nc")
        #expect(Scrubber().scrub("naïve — 日本\n") == "naïve — 日本\n")
    }

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

    @Test func commandsSeeWhatSudoWouldTellThem() async throws {
        let command = RemoteCommand(["sh", "-c", "echo $HOME ${SUDO_USER-nobody} ${PATH:+path}"])
        #expect(try await host.run(command).output == "/root nobody path\n")
        #expect(try await LocalHost(name: "here", user: "pi").run(command).output == "/root pi path\n")
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

    /// What a process that a hanging disk holds does to whoever waits for it; it cannot be ended either.
    @Test func aLookIsGivenUpAfterItsLimit() async throws {
        let look = RemoteCommand(["sh", "-c", "trap '' TERM; sleep 30"]).within(.milliseconds(200))
        let start = ContinuousClock.now
        let error = await #expect(throws: HostError.self) { try await host.run(look) }
        #expect(error?.kind == .unreachable && error?.diagnostic.summary.hasPrefix("it logs in, but does not answer") == true)
        #expect(.now - start < .seconds(10))
        #expect(try await host.run(RemoteCommand(["echo", "well"]).within(.seconds(60))).output == "well\n")
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

    private func inFolder(_ body: (_ folder: String, _ home: Kubeconfig) throws -> Void) throws {
        let folder = try Files.makeTemporaryDirectory()
        defer { try? Files.removeTree(folder) }
        try body(folder, KubeconfigTests.fromServer.renamed(to: "home", server: "https://h:6443"))
    }

    @Test func aLinkStaysALink() throws {
        try inFolder { folder, home in
            try Files.makeDirectory(folder + "/real")
            try Files.write("apiVersion: v1\nkind: Config\n", to: folder + "/real/config")
            try Files.link(folder + "/config", to: "real/config")
            try KubeconfigFile(path: folder + "/config").write(home, merging: true)
            #expect(try Files.linkTarget(folder + "/config") == "real/config")
            #expect(try Files.readText(folder + "/real/config").contains("https://h:6443"))
            try Files.link(folder + "/new", to: "later/config")
            try KubeconfigFile(path: folder + "/new").write(home, merging: true)
            #expect(try Files.readText(folder + "/later/config").contains("https://h:6443"))
            try Files.link(folder + "/circle", to: "circle")
            #expect(throws: FileError.self) { try KubeconfigFile(path: folder + "/circle").write(home, merging: true) }
        }
    }

    @Test(arguments: [
        ("- a\n- b\n", "it is a list or a text"), ("kind: Config\n---\nkind: Config\n", "it holds 2 documents"),
        ("apiVersion: v1\nkind: Secret\n", "it is of the kind Secret"), ("kind: Config\nclusters: {a: b}\n", "`clusters` is no list"),
    ])
    func whatIsNoKubeconfigStaysAsItIs(_ text: String, _ cause: String) throws {
        try inFolder { folder, home in
            let file = KubeconfigFile(path: folder + "/config")
            try Files.write(text, to: file.path)
            let problem = #expect(throws: Diagnostic.self) { try file.write(home, merging: true) }
            #expect(problem?.summary == "it is no kubeconfig that could be merged into, and stays as it is")
            #expect(problem?.cause?.hasPrefix(cause) == true && problem?.remedy?.contains("--kubeconfig FILE") == true)
            #expect(try Files.readText(file.path) == text)
        }
    }

    @Test func entriesOfAnotherClusterAreKeptInACopy() throws {
        try inFolder { folder, home in
            let file = KubeconfigFile(path: folder + "/config")
            let text = "kind: Config\nusers: [{name: home, user: {token: the-only-copy}}]\ncontexts: null\n"
            try Files.write(text, to: file.path)
            let earlier = try #require(try file.write(home, merging: true))
            #expect(earlier.hasPrefix(file.path + ".before-20"))
            #expect(try Files.readText(earlier) == text && Files.status(earlier).mode == 0o600)
            #expect(try file.write(home, merging: true) == nil, "the second time the entries are its own")
        }
    }

    @Test func aFileThatCannotBeWrittenIsToldWithWhatToDo() throws {
        try inFolder { folder, home in
            try Files.write("", to: folder + "/file")
            let file = KubeconfigFile(path: folder + "/file/config")
            let error = #expect(throws: FileError.self) { try file.write(home, merging: true) }
            let told = file.problem(try #require(error)).description
            #expect(told.hasPrefix("error: \(file.path): the kubeconfig cannot be kept: cannot "), "\(told)")
            #expect(told.hasSuffix("homelab kubeconfig --merge --kubeconfig FILE`"))
        }
    }
}

@Suite struct RunRecorderTests {
    @Test func aLogThatCannotBeWrittenIsToldOnceAndStopsNothing() throws {
        let folder = try Files.makeTemporaryDirectory()
        defer { try? Files.removeTree(folder) }
        let events = EventLog()
        let recorder = try RunRecorder(folder: folder + "/log") { events.add($0) }
        try Files.removeTree(folder + "/log")
        for _ in 1...3 { recorder.emit(.stepStarted(node: "m1", step: "start k3s")) }
        #expect(events.lines.count == 4, "\(events.lines)")
        #expect(events.lines[0].hasPrefix("the log of this run is not whole: cannot append to \(folder)/log/m1.log"))
    }

    @Test func aFolderThatCannotBeMadeIsToldWithWhatToDo() throws {
        let folder = try Files.makeTemporaryDirectory()
        defer { try? Files.removeTree(folder) }
        try Files.write("", to: folder + "/file")
        let problem = #expect(throws: Diagnostic.self) { try RunRecorder(folder: folder + "/file/logs") { _ in } }
        #expect(problem?.summary == "the folder for the nodes' log files cannot be made, so nothing was begun")
        #expect(problem?.remedy?.contains("XDG_STATE_HOME=FOLDER") == true)
    }

    @Test func theNewestHundredRunsOfAClusterAreKept() throws {
        let folder = try Files.makeTemporaryDirectory()
        defer { try? Files.removeTree(folder) }
        let others = ["home-lab-2026-01-01T00-00-00Z", "home-2026-notes", "home-2026-01-01T00-00-00Z.kept", "shed-2026-01-01T00-00-00Z"]
        let runs = (100...220).map { "home-2026-01-01T00-0\($0 / 60)-\($0 % 60 < 10 ? "0" : "")\($0 % 60)Z" }
        for name in others + runs { try Files.makeDirectory("\(folder)/\(name)") }
        let first = RunLogs.begin(in: folder, cluster: "home")
        #expect(try Files.list(folder) == (others + runs.suffix(99)).sorted())
        try Files.makeDirectory(first)
        let second = RunLogs.begin(in: folder, cluster: "home")
        #expect(second != first, "each run has a folder of its own")
    }

    @Test func aLogThatHasGrownLongIsPutAside() throws {
        let folder = try Files.makeTemporaryDirectory()
        defer { try? Files.removeTree(folder) }
        try Files.write([UInt8](repeating: 10, count: 5 << 20), to: folder + "/m1.log")
        try Files.write("short\n", to: folder + "/m2.log")
        _ = try RunRecorder(folder: folder) { _ in }
        #expect(try Files.list(folder) == ["m1.log.1", "m2.log"])
    }

    @Test func longOutputIsCutWithAWord() throws {
        let folder = try Files.makeTemporaryDirectory()
        defer { try? Files.removeTree(folder) }
        let recorder = try RunRecorder(folder: folder) { _ in }
        recorder.log("m1", (1...450).map { "line \($0)" }.joined(separator: "\n"))
        let lines = try Files.readText(folder + "/m1.log").split(separator: "\n")
        #expect(lines.count == 401 && lines[400].hasSuffix("(and 50 more lines)"))
    }
}
