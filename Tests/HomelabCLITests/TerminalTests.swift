import Foundation
import HomelabTestSupport
import Testing

@testable import HomelabCLI

/// The program on a terminal: what a person sees there, and what the keys do.
@Suite struct TerminalTests {
    private static let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"

    private let folder = NSTemporaryDirectory() + "homelab-terminal-" + UUID().uuidString

    /// An inventory of one machine at a port that refuses connections.
    private func prepare() throws {
        try FileManager.default.createDirectory(atPath: folder + "/inventory", withIntermediateDirectories: true)
        try """
        {apiVersion: homelab.dev/v1alpha1, kind: Cluster, name: home, k3s: {version: v1.36.4+k3s1, datastore: etcd},
         nodes: [{name: m1, role: server, host: 127.0.0.1, port: \(Loopback.freePort()), user: root, hostKeys: [\(Self.key)]}]}
        """.write(toFile: folder + "/inventory/home.yaml", atomically: true, encoding: .utf8)
    }

    private func start(_ arguments: String..., environment: [String: String] = ["TERM": "xterm"]) throws -> PseudoTerminal {
        try PseudoTerminal(
            BuiltProgram.url.path, arguments, in: folder,
            environment: environment.merging(["HOME": folder, "PATH": "/usr/bin:/bin"]) { first, _ in first })
    }

    /// What passes for a packed snapshot, and its token.
    private func snapshot() throws -> String {
        let file = folder + "/snapshot.zip"
        let bytes = [0x50, 0x4B, 3, 4] + [UInt8](repeating: 0, count: 100) + [0x50, 0x4B, 5, 6] + [UInt8](repeating: 0, count: 18)
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        try "K10abc::server:x\n".write(toFile: file + ".token", atomically: true, encoding: .utf8)
        return file
    }

    @Test func `a reset that can see no machine asks nothing`() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try prepare()
        let terminal = try start("reset")
        #expect(terminal.end() == 1)
        #expect(terminal.shown.contains("there is no machine that could be taken\r\n    nothing was done"), "\(terminal.shown)")
        #expect(terminal.shown.contains(#"error: node "m1": cannot be reached"#), "\(terminal.shown)")
    }

    @Test func `a wrong name is refused before any machine is looked at`() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try prepare()
        let terminal = try start("reset", "--confirm", "hom")
        #expect(terminal.end() == 1)
        #expect(terminal.shown.contains("error: --confirm hom is not the name home\r\n    nothing was done"), "\(terminal.shown)")
        #expect(!terminal.shown.contains("m1"), "\(terminal.shown)")
    }

    @Test func `a wrong name at the prompt changes nothing`() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try prepare()
        let terminal = try start("snapshot", "restore", try snapshot())
        #expect(terminal.wait(for: "Type home to go on: "), "\(terminal.shown)")
        terminal.type("hom\n")
        #expect(terminal.end() == 1)
        #expect(
            terminal.shown.contains("All that was written to cluster home since this snapshot will be lost"), "\(terminal.shown)")
        #expect(terminal.shown.contains("error: that was not the name\r\n    nothing was done"), "\(terminal.shown)")
    }

    @Test func `one Ctrl-C ends a question`() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try prepare()
        let terminal = try start("snapshot", "restore", try snapshot())
        #expect(terminal.wait(for: "Type home to go on: "), "\(terminal.shown)")
        terminal.type("\u{03}")
        #expect(terminal.end(seconds: 10) == 130, "\(terminal.shown)")
        #expect(terminal.shown.contains("Stopped. Running the same command again goes on from here."), "\(terminal.shown)")
    }

    /// A shell asks the terminal afterwards whether it shows what is typed.
    @Test func `Ctrl-C at a hidden question leaves a terminal that shows what is typed`() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try prepare()
        let server = try LoopbackServer()
        let key = try server.makeKey("key", type: "ed25519", passphrase: "open sesame", authorized: true)
        let pin = try server.publicLine("host_ed25519").split(separator: " ").prefix(2).joined(separator: " ")
        let inventory = folder + "/inventory/home.yaml"
        try """
        {apiVersion: homelab.dev/v1alpha1, kind: Cluster, name: home, k3s: {version: v1.36.4+k3s1},
         nodes: [{name: m1, role: server, host: 127.0.0.1, port: \(server.port), user: root, identityFile: \(key), passphrase: prompt,
           hostKeys: [\(pin)]}]}
        """.write(toFile: inventory, atomically: true, encoding: .utf8)
        let terminal = try PseudoTerminal(
            "/bin/sh", ["-c", "trap : INT; \(BuiltProgram.url.path) plan; echo; stty -a"], in: folder,
            environment: ["HOME": folder, "PATH": "/usr/bin:/bin", "TERM": "xterm"])
        #expect(terminal.wait(for: "assphrase"), "\(terminal.shown)")
        terminal.type("\u{03}")
        #expect(terminal.end(seconds: 10) != nil, "\(terminal.shown)")
        #expect(terminal.shown.contains(" echo ") && !terminal.shown.contains("-echo "), "\(terminal.shown)")
    }

    @Test func `a table on a terminal, lines on one that is dumb`() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try prepare()
        let able = try start("bootstrap", "--yes")
        #expect(able.end() == 1)
        #expect(able.shown.contains("\u{1B}[31m✗\u{1B}[0m m1  gather facts: cannot be reached"), "\(able.shown)")
        let colourless = try start("bootstrap", "--yes", environment: ["TERM": "xterm", "NO_COLOR": "1"])
        #expect(colourless.end() == 1)
        #expect(colourless.shown.contains("  ✗ m1  gather facts: cannot be reached"), "\(colourless.shown)")
        #expect(!colourless.shown.contains(/\u{1B}\[[0-9;]*m/), "\(colourless.shown)")
        for type in [["TERM": "dumb"], [:]] {
            let dumb = try start("bootstrap", "--yes", environment: type)
            #expect(dumb.end() == 1)
            #expect(!dumb.shown.contains("\u{1B}"), "\(dumb.shown)")
            #expect(dumb.shown.contains("m1: gather facts\r\n") && dumb.shown.contains("m1: gather facts: failed after "), "\(dumb.shown)")
        }
    }

    @Test func `a log folder that cannot be made is told before anything is done`() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try prepare()
        try "".write(toFile: folder + "/file", atomically: true, encoding: .utf8)
        let terminal = try start("bootstrap", "--yes", environment: ["XDG_STATE_HOME": folder + "/file"])
        #expect(terminal.end() == 1)
        #expect(terminal.shown.contains("the folder for the nodes' log files cannot be made, so nothing was begun"), "\(terminal.shown)")
        #expect(terminal.shown.contains("XDG_STATE_HOME=FOLDER homelab"), "\(terminal.shown)")
    }

    @Test func `a pipe that nobody reads is noticed`() {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        #expect(!Console.isAbandoned(ends[1]))
        close(ends[0])
        #expect(Console.isAbandoned(ends[1]))
        close(ends[1])
    }
}
