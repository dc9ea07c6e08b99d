import Foundation
import HomelabTestSupport
import Testing

/// The program as a person starts it: what it prints where, and its exit status.
@Suite struct ProgramTests {
    private struct Answer {
        let status: Int32
        let output: String
        let errors: String
    }

    private func homelab(_ arguments: String..., in folder: String = NSTemporaryDirectory(), result: String? = nil) throws -> Answer {
        try homelab(arguments, in: folder, result: result)
    }

    /// - Parameter result: where standard output goes instead; the answer has none then.
    private func homelab(_ arguments: [String], in folder: String = NSTemporaryDirectory(), result: String? = nil) throws -> Answer {
        let process = Process()
        let (output, errors) = (Pipe(), Pipe())
        process.executableURL = BuiltProgram.url
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = result.flatMap { FileHandle(forWritingAtPath: $0) } ?? output
        process.standardError = errors
        try process.run()
        if result != nil { try output.fileHandleForWriting.close() }
        let text = { (pipe: Pipe) in String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self) }
        let (out, err) = (text(output), text(errors))
        process.waitUntilExit()
        return Answer(status: process.terminationStatus, output: out, errors: err)
    }

    @Test func `help goes to standard output and is no failure`() throws {
        let help = try homelab("--help")
        #expect(help.status == 0 && help.errors.isEmpty)
        #expect(help.output.contains("bootstrap") && help.output.contains("status"))
        #expect(try homelab("bootstrap", "--help").output.contains("--yes"))
    }

    @Test func `a result that is cut off is no success`() throws {
        let cut = try homelab("schema", result: "/dev/full")
        #expect(cut.status == 1 && cut.errors.hasPrefix("error: standard output: the result could not be written whole"), "\(cut.errors)")
    }

    @Test func `what makes no sense together is refused`() throws {
        let journal = try homelab("doctor", "--journal", "-", "-o", "json")
        #expect(journal.status == 64 && journal.output.isEmpty && journal.errors.contains("explains in text only"))
        let live = try homelab("plan", "--live", "-i", "a.yaml", "--agent-binary", "arm64=a", "--only", "ada")
        #expect(live.status == 64 && live.errors.contains("leave --only and --inventory and --agent-binary out"), "\(live.errors)")
        #expect(try homelab("plan", "--context", "home").errors.contains("--context goes with --live only"))
        for (words, usage) in [(["recover", "--wait", "5"], "recover"), (["suspend", "app", "--for", "long"], "suspend")] {
            let wrong = try homelab(words)
            #expect(wrong.status == 64 && wrong.errors.contains("is a duration such as"), "\(wrong.errors)")
            #expect(wrong.errors.contains("Usage: homelab \(usage) "), "\(wrong.errors)")
        }
        let nowhere = try homelab("init", "")
        #expect(nowhere.status == 1 && nowhere.errors.hasPrefix("error: the folder's name is empty"), "\(nowhere.errors)")
        let missing = try homelab("plan", "--live", "--kubeconfig", "/nowhere/config")
        #expect(missing.status == 1 && missing.errors.contains("there is no kubeconfig: looked for /nowhere/config"), "\(missing.errors)")
    }

    @Test func `a wrong word shows the usage, with status 64`() throws {
        let wrong = try homelab("bootstrap", "--yess")
        #expect(wrong.status == 64 && wrong.output.isEmpty)
        #expect(wrong.errors.contains("--yess") && wrong.errors.contains("Usage:"))
    }

    @Test func `an API that does not answer is told at once, with what to do`() throws {
        let file = NSTemporaryDirectory() + "homelab-kubeconfig-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: file) }
        try """
        apiVersion: v1
        kind: Config
        clusters: [{name: a, cluster: {server: "https://127.0.0.1:1"}}]
        contexts: [{name: a, context: {cluster: a, user: a}}]
        current-context: a
        users: [{name: a, user: {token: t}}]
        """.write(toFile: file, atomically: true, encoding: .utf8)
        let answer = try homelab("status", "--kubeconfig", file)
        #expect(answer.status == 1 && answer.output.isEmpty)
        #expect(answer.errors.hasPrefix("error: https://127.0.0.1:1: the cluster's API does not answer: connection refused\n"))
        #expect(answer.errors.contains("`homelab recover`"), "\(answer.errors)")
    }

    @Test func `validate tells what is wrong with machines and objects in one run`() throws {
        let folder = NSTemporaryDirectory() + "homelab-program-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        #expect(try homelab("init", folder, "--name", "home").status == 0)
        #expect(try homelab("validate", in: folder).status == 0)
        let inventory = folder + "/inventory/home.yaml"
        try String(contentsOfFile: inventory, encoding: .utf8).replacing("role: server", with: "role: sever")
            .write(toFile: inventory, atomically: true, encoding: .utf8)
        try "resources: [nowhere.yaml]\n".write(
            toFile: folder + "/clusters/home/hello/kustomization.yaml", atomically: true, encoding: .utf8)
        let found = try homelab("validate", in: folder)
        #expect(found.status == 1 && found.output.isEmpty)
        #expect(found.errors.contains("inventory/home.yaml:22:11") && found.errors.contains("did you mean \"server\"?"), "\(found.errors)")
        #expect(found.errors.contains("clusters/home/hello/kustomization.yaml:1:13"), "\(found.errors)")
    }

    @Test func `build names what it is given as it is found from here`() throws {
        let folder = NSTemporaryDirectory() + "homelab-program-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder + "/app", withIntermediateDirectories: true)
        try "resources: []\n".write(toFile: folder + "/app/kustomization.yaml", atomically: true, encoding: .utf8)
        for given in ["app/kustomization.yaml", folder + "/app/kustomization.yaml"] {
            let answer = try homelab("build", given, in: folder)
            #expect(answer.status == 1 && answer.output.isEmpty)
            #expect(
                answer.errors == """
                    error: "app/kustomization.yaml" is not a directory
                        name the directory that it is in: app

                    """)
        }
    }

    @Test func `files of an inventory that cannot be read are told all at once, with the rest`() throws {
        let folder = NSTemporaryDirectory() + "homelab-program-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        #expect(try homelab("init", folder, "--name", "home").status == 0)
        let nodes = folder + "/inventory/home/nodes"
        try FileManager.default.createDirectory(atPath: nodes + "/folder.yaml", withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: nodes + "/loop.yaml", withDestinationPath: "loop.yaml")
        try FileManager.default.createSymbolicLink(atPath: nodes + "/gone.yaml", withDestinationPath: "nowhere")
        try Data([0x61, 0x0A, 0xFF, 0xFE]).write(to: URL(fileURLWithPath: nodes + "/latin.yaml"))
        try "kind: Nod\n".write(toFile: nodes + "/typo.yaml", atomically: true, encoding: .utf8)
        #expect(FileManager.default.createFile(atPath: nodes + "/large.yaml", contents: nil))
        #expect(truncate(nodes + "/large.yaml", 1 << 32) == 0)
        for command in ["validate", "plan"] {
            let found = try homelab(command, in: folder)
            #expect(found.status == 1 && found.output.isEmpty, "\(found.output)")
            for (file, words, remedy) in [
                ("folder.yaml:1:1", "Is a directory", "another name"), ("loop.yaml:1:1", "Too many levels", "leads back to itself"),
                ("gone.yaml:1:1", "No such file", "leads to nothing"), ("latin.yaml:2:1", "it is no UTF-8 text", "iconv"),
                ("typo.yaml:1:7", "\"kind\" is \"Nod\"", "did you mean"), ("large.yaml:1:1", "larger than", "a few kilobytes"),
            ] {
                let line = found.errors.range(of: "inventory/home/nodes/\(file): error: ").map { found.errors[$0.upperBound...] } ?? ""
                #expect(line.prefix { $0 != "\n" }.contains(words), "\(file): \(found.errors)")
                #expect(line.split(separator: "\n").dropFirst().first?.contains(remedy) == true, "\(file): \(found.errors)")
            }
            #expect(!found.errors.contains("no node has role: server"), "an entry that cannot be read may be it:\n\(found.errors)")
        }
        try FileManager.default.removeItem(atPath: nodes)
        try FileManager.default.createSymbolicLink(atPath: nodes, withDestinationPath: "nodes")
        let loop = try homelab("validate", in: folder)
        #expect(loop.status == 1 && loop.errors.contains("inventory/home/nodes:1:1: error: it cannot be read"), "\(loop.errors)")
        let endless = try homelab("validate", "-i", "/dev/zero", in: folder)
        #expect(endless.status == 1 && endless.errors.contains("/dev/zero:1:1: error: it cannot be read: larger than"), "\(endless.errors)")
    }

    @Test func `keys and secrets that are not here or open to others are told with the entry that names them`() throws {
        let folder = NSTemporaryDirectory() + "homelab-program-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder + "/inventory", withIntermediateDirectories: true)
        for (name, mode) in [("open", 0o644), ("shut", 0o600), ("secret", 0o640)] {
            let attributes: [FileAttributeKey: Any] = [.posixPermissions: mode]
            #expect(FileManager.default.createFile(atPath: "\(folder)/inventory/\(name)", contents: Data("x".utf8), attributes: attributes))
        }
        let keys = folder + "/inventory"
        try """
        apiVersion: homelab.dev/v1alpha1
        kind: Cluster
        name: home
        k3s: {version: v1.36.4+k3s1}
        nodes:
          - {name: m1, role: server, host: 192.0.2.1, identityFile: [\(keys)/shut, \(keys)/gone], sudoPassword: {file: secret}}
          - {name: m2, role: agent, host: 192.0.2.2, identityFile: \(keys)/open, password: {file: nowhere}}
          - {name: m3, role: agent, host: 192.0.2.3, identityFile: \(keys), jump: {host: g, passphrase: {file: gone}}}
        """.write(toFile: folder + "/inventory/home.yaml", atomically: true, encoding: .utf8)
        let found = try homelab("validate", in: folder)
        #expect(found.status == 0, "they may be on another machine: \(found.errors)")
        for words in [
            "home.yaml:6:5: warning: node m1: the identity file \(keys)/gone is not here: No such file or directory\n    make it (`ssh-keygen",
            "home.yaml:6:5: warning: node m1: the secret's file secret can be read by others\n    `chmod 600 inventory/secret`",
            "home.yaml:7:5: warning: node m2: the identity file \(keys)/open can be read by others\n    `chmod 600 \(keys)/open`",
            "home.yaml:7:5: warning: node m2: the secret's file nowhere is not here",
            "home.yaml:8:5: warning: node m3: the identity file \(keys) is a directory",
            "warning: node m3: the secret's file gone is not here",
        ] { #expect(found.errors.contains(words), "\(words)\n\(found.errors)") }
        #expect(!found.errors.contains("shut"), "\(found.errors)")
    }

    @Test func `secrets that git has or would take are told with the field that names them`() throws {
        let folder = NSTemporaryDirectory() + "homelab-program-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let outside = folder + "/outside"
        let (work, keys) = (folder + "/work", folder + "/work/inventory")
        try FileManager.default.createDirectory(atPath: work + "/nested/.git", withIntermediateDirectories: true)
        try FileManager.default.createDirectory(atPath: keys, withIntermediateDirectories: true)
        for path in [outside, keys + "/open", keys + "/kept.key", work + "/token", work + "/nested/pin"] {
            let attributes: [FileAttributeKey: Any] = [.posixPermissions: 0o600]
            #expect(FileManager.default.createFile(atPath: path, contents: Data("hunter2".utf8), attributes: attributes))
        }
        try FileManager.default.createSymbolicLink(atPath: keys + "/link", withDestinationPath: outside)
        try "*.key\n".write(toFile: work + "/.gitignore", atomically: true, encoding: .utf8)
        try """
        apiVersion: homelab.dev/v1alpha1
        kind: Cluster
        name: home
        k3s: {version: v1.36.4+k3s1}
        repository: {url: "https://example.org/me/home.git", token: {file: ../token}, ca: {file: open}}
        nodes:
          - {name: m1, role: server, host: 192.0.2.1, agent: true, sudoPassword: {file: kept.key}, password: {file: link}}
          - {name: m2, role: agent, host: 192.0.2.2,
             sudoPassword: {file: open}, password: {file: nowhere}, passphrase: {file: ../nested/pin}}
          - {name: m3, role: agent, host: 192.0.2.3, sudoPassword: {file: open}}
        """.write(toFile: keys + "/home.yaml", atomically: true, encoding: .utf8)
        func told() throws -> [Substring] {
            let found = try homelab("validate", in: work)
            #expect(found.status == 0 && !found.errors.contains("hunter2"), "\(found.errors)")
            return found.errors.split(separator: "\n").filter { $0.contains("git has the secret") || $0.contains("`git add` takes") }
        }
        #expect(try told().isEmpty, "it is no work tree yet")
        for arguments in [["init", "--quiet"], ["add", "token"]] {
            let git = Process()
            git.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            git.arguments = ["git", "-C", work] + arguments
            try git.run()
            git.waitUntilExit()
        }
        let lines = try told()
        try #require(lines.count == 2, "\(lines)")
        #expect(lines[0].hasPrefix("inventory/home.yaml:5:61: warning: repository.token: git has the secret's file ../token"))
        #expect(lines[1].hasPrefix("inventory/home.yaml:9:20: warning: nodes[1].sudoPassword: the next `git add` takes"), "\(lines)")
        let errors = try homelab("repository", in: work).errors
        #expect(errors.contains("write /token into .gitignore and run `git rm --cached token`\n    where it has been pushed"), "\(errors)")
        #expect(errors.contains("move it out of the repository, or write /inventory/open into .gitignore\n"), "\(errors)")
    }

    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/usr/share/zoneinfo/Europe/Berlin"), "needs the tz database"))
    func `validate tells a time zone that there is not`() throws {
        let folder = NSTemporaryDirectory() + "homelab-program-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        #expect(try homelab("init", folder, "--name", "home").status == 0)
        let inventory = folder + "/inventory/home.yaml"
        let text = try String(contentsOfFile: inventory, encoding: .utf8)
        for (zone, status) in [("Europe/Berlin", Int32(0)), ("Mars/Olympus", 1), ("../../../etc/passwd", 1)] {
            try (text + "maintenanceWindows: [{start: '02:00', end: '05:00', timeZone: \(zone)}]\n")
                .write(toFile: inventory, atomically: true, encoding: .utf8)
            let found = try homelab("validate", in: folder)
            #expect(found.status == status, "\(zone): \(found.output)\(found.errors)")
            if status != 0 { #expect(found.errors.contains("name the time zone \"\(zone)\", which there is not"), "\(found.errors)") }
        }
        try (text + "maintenanceWindows: [{start: '02:00', end: '05:00', timeZone: Mars/Olympus}]\npolcy: {}\n")
            .write(toFile: inventory, atomically: true, encoding: .utf8)
        let all = try homelab("validate", in: folder).errors
        #expect(all.contains("unknown field \"polcy\"") && all.contains("\"Mars/Olympus\""), "with every other problem: \(all)")
    }

    /// An inventory of one machine that takes connections and says nothing, and the program with it under way.
    private func withSilentMachine(_ command: String, _ body: (_ pid: pid_t, _ errors: () throws -> String) throws -> Void) throws {
        let (socket, port) = try Loopback.listen()
        defer { close(socket) }
        let folder = NSTemporaryDirectory() + "homelab-program-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder + "/inventory", withIntermediateDirectories: true)
        try """
        {apiVersion: homelab.dev/v1alpha1, kind: Cluster, name: home, k3s: {version: v1.36.4+k3s1},
         nodes: [{name: m1, role: server, host: 127.0.0.1, port: \(port), user: root, password: {file: password}, hostKeys: [\(Self.key)]}]}
        """.write(toFile: folder + "/inventory/home.yaml", atomically: true, encoding: .utf8)
        try "secret".write(toFile: folder + "/inventory/password", atomically: true, encoding: .utf8)
        // A shell starts it with no signal held, as a terminal does; a test's threads hold some.
        let pid = try Loopback.spawn(
            "/bin/sh",
            ["-c", "cd \(folder) && exec env --default-signal=INT \(BuiltProgram.url.path) \(command) >output 2>errors </dev/null"])
        var patience = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let connection = accept(socket, nil, nil)
        #expect(connection >= 0)
        defer { close(connection) }
        try body(pid) { try String(contentsOfFile: folder + "/errors", encoding: .utf8) }
    }

    @Test func `Ctrl-C while a machine says nothing stops cleanly`() throws {
        try withSilentMachine("plan") { pid, errors in
            kill(pid, SIGINT)
            var status: Int32 = 0
            waitpid(pid, &status, 0)
            let said = try errors()
            #expect(status == 130 << 8, "\(said)")
            #expect(said.contains("Stopped. Running the same command again goes on"), "\(said)")
        }
    }

    @Test(arguments: [("plan", "m1: gather facts: does not answer yet\n"), ("doctor", "m1: does not answer yet\n")])
    func `a machine that says nothing is told before it is given up`(_ command: String, _ words: String) throws {
        try withSilentMachine(command) { pid, errors in
            for _ in 0..<100 {
                if try errors().contains(words) { break }
                usleep(100_000)
            }
            let said = try errors()
            #expect(said.hasSuffix(words), "\(said)")
            kill(pid, SIGINT)
            waitpid(pid, nil, 0)
        }
    }

    @Test func `who reads events is told what stops a run before it begins`() throws {
        let folder = NSTemporaryDirectory() + "homelab-program-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder + "/inventory", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let none = try homelab("bootstrap", "--yes", "-o", "json", in: folder)
        #expect(none.status == 1 && none.errors.isEmpty, "\(none.errors)")
        let told = try JSONSerialization.jsonObject(with: Data(none.output.utf8)) as? [String: Any]
        #expect(told?["event"] as? String == "result" && told?["succeeded"] as? Bool == false, "\(none.output)")
        let finding = (told?["findings"] as? [[String: Any]])?.first
        #expect(finding?["summary"] as? String == "there is no inventory here", "\(none.output)")
    }

    private static let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"

    @Test func `validate names the file of an expression that cannot be read`() throws {
        let folder = NSTemporaryDirectory() + "homelab-program-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        #expect(try homelab("init", folder, "--name", "home").status == 0)
        try """
        # An app
        apiVersion: kustomize.toolkit.fluxcd.io/v1
        kind: Kustomization
        metadata: {name: app, namespace: default}
        spec: {healthCheckExprs: [{apiVersion: v1, kind: Pod, current: "status.phase = 'Running'"}]}
        """.write(toFile: folder + "/clusters/home/app.yaml", atomically: true, encoding: .utf8)
        let found = try homelab("validate", in: folder)
        #expect(found.status == 1 && found.errors.contains("clusters/home/app.yaml:5:64: error: "), "\(found.errors)")
        #expect(found.errors.contains("spec.healthCheckExprs[0].current:1:14: the character = has no meaning here"), "\(found.errors)")
    }
}
