import Foundation
import Testing

@testable import Provisioning

@Suite struct ShellLineTests {
    static let scripts = [
        "printf %s plain",
        "printf '%s' \"it's\"",
        "x='a\\nb!c'; printf '%s' \"$x\"",
        "printf '%s\\n' one\nprintf '%s\\n' two",
        "printf %s 'grüße 100% `tick` $HOME'",
    ]

    private func run(_ shell: String, _ line: String) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: shell)
        process.arguments = ["-c", line]
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }

    static let shells = ["/bin/sh", "/bin/bash", "/usr/bin/zsh", "/usr/bin/fish", "/bin/tcsh", "/usr/bin/dash"]
        .filter { FileManager.default.isExecutableFile(atPath: $0) }

    @Test(arguments: scripts) func everyLoginShellRunsTheSameScript(script: String) throws {
        let expected = try run("/bin/sh", script)
        #expect(!expected.isEmpty)
        for shell in Self.shells {
            #expect(try run(shell, ShellLine.anyShell(script)) == expected, "\(shell)")
        }
    }

    @Test func lineForForeignShellsHoldsNothingTheyRead() {
        let line = ShellLine.anyShell("a='b\\c!d'\ne")
        let inner = line.dropFirst("sh -c '".count).dropLast()
        #expect(!inner.contains("'") && !inner.contains("!") && !inner.contains("\n"))
        #expect(!inner.contains("\\\\"))
    }

    @Test func wordsAreQuotedOnlyWhenTheyMustBe() {
        #expect(ShellLine.quoted(["ls", "-l", "/a b", "it's", ""]) == "ls -l '/a b' 'it'\\''s' ''")
    }
}

@Suite struct ShellNoiseTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test func whatComesBeforeTheCommandIsLeftOut() {
        #expect(ShellNoise.removed(from: bytes("Welcome!\nhomelab-begins\n{}\n")) == bytes("{}\n"))
        #expect(ShellNoise.removed(from: bytes("no newlinehomelab-begins\nx")) == bytes("x"), "a greeting without an end of line")
        #expect(ShellNoise.removed(from: bytes("homelab-begins\nhomelab-begins\n")) == bytes("homelab-begins\n"), "only the first counts")
        #expect(ShellNoise.removed(from: bytes("This account is not available.\n")) == bytes("This account is not available.\n"))
    }

    @Test func aStreamIsCutAnywhere() {
        let all = bytes("Hi\nhomelab-begins\none\ntwo\n")
        for size in 1...all.count {
            var noise = ShellNoise()
            let passed = stride(from: 0, to: all.count, by: size).flatMap { noise.pass(Array(all[$0..<min($0 + size, all.count)])) }
            #expect(passed == bytes("one\ntwo\n"), "in pieces of \(size)")
        }
    }
}
