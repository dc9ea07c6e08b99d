import Cryptography
import FileSystem
import Foundation
import NodePlanning
import Synchronization
import Testing

@testable import Provisioning

@Suite struct DigestMemoryTests {
    private static let (stamp, sum) = ("b0:1:2.5:3", String(repeating: "a", count: 64))

    private static func facts(_ lines: [String] = ["k3s.sha256=\(sum)", "k3s.stamp=\(stamp)"]) throws -> NodeFacts {
        try NodeFacts.parse("homelab-facts 1\n" + lines.map { $0 + "\n" }.joined() + "end\n")
    }

    @Test func `what was hashed is told to the next look at the same host, and for an hour`() throws {
        let minutes = Mutex(0)
        let start = ContinuousClock.now
        let memory = DigestMemory { start + .seconds(60 * minutes.withLock { $0 }) }
        memory.note(try Self.facts(), of: "s1")
        #expect(memory.preamble(for: "s1") == "known=' \(Self.stamp)=\(Self.sum) '\n")
        #expect(memory.preamble(for: "s2") == "")
        // A look that was told so does not make it younger.
        minutes.withLock { $0 = 59 }
        #expect(memory.preamble(for: "s1") != "")
        memory.note(try Self.facts(), of: "s1")
        minutes.withLock { $0 = 60 }
        #expect(memory.preamble(for: "s1") == "")
        memory.note(try Self.facts(), of: "s1")
        memory.note(try Self.facts([]), of: "s1")
        #expect(memory.preamble(for: "s1") == "", "the file is gone")
    }

    @Test func `nothing that a node says gets into the script that way`() throws {
        let memory = DigestMemory()
        memory.note(try Self.facts(["k3s.sha256=\(Self.sum)", "k3s.stamp=1' ; reboot ; '"]), of: "s1")
        memory.note(try Self.facts(["k3s.sha256=x'y", "k3s.stamp=\(Self.stamp)"]), of: "s2")
        #expect(memory.preamble(for: "s1") == "" && memory.preamble(for: "s2") == "")
    }

    /// By the script itself: a file that somebody wrote to is read again, however old it looks.
    @Test func `only a file that was not touched is believed to be the same`() throws {
        let folder = NSTemporaryDirectory() + "homelab-digests-" + UUID().uuidString
        defer { try? Files.removeTree(folder) }
        try Files.makeDirectory(folder)
        let binary = folder + "/k3s"
        try Files.write("#!/bin/sh\necho v1\n", to: binary, mode: 0o755)
        let functions = try #require(FactsScript.text().components(separatedBy: "\necho 'homelab-facts 1'\n").first)
        func look(_ preamble: String) throws -> NodeFacts {
            let run = Process()
            run.executableURL = URL(fileURLWithPath: "/bin/sh")
            run.arguments = ["-c", preamble + functions + "\nbinary k3s \(binary)"]
            let printed = Pipe()
            run.standardOutput = printed
            try run.run()
            let output = printed.fileHandleForReading.readDataToEndOfFile()
            run.waitUntilExit()
            return try NodeFacts.parse("homelab-facts 1\n" + String(decoding: output, as: UTF8.self) + "end\n")
        }
        let first = try look("")
        #expect(first.k3s.binary?.sha256 == (try SHA256.hex(ofFile: binary)) && first.k3s.binary?.version == "v1")
        let stamp = try #require(first.k3s.binary?.stamp)
        let told = "known=' \(Self.stamp)=x \(stamp)=\(Self.sum) '\n"
        #expect(try look(told).k3s.binary?.sha256 == Self.sum, "it is not read")
        let memory = DigestMemory()
        memory.note(first, of: "s1")
        let again = try look(memory.preamble(for: "s1"))
        #expect(again == first)
        // As long as before, and with the time of before.
        let times = try FileManager.default.attributesOfItem(atPath: binary)[.modificationDate]
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: binary))
        try file.seek(toOffset: 16)
        try file.write(contentsOf: Array("2".utf8))
        try file.close()
        try FileManager.default.setAttributes([.modificationDate: try #require(times)], ofItemAtPath: binary)
        let changed = try look(told)
        #expect(changed.k3s.binary?.sha256 == (try SHA256.hex(ofFile: binary)) && changed.k3s.binary?.sha256 != first.k3s.binary?.sha256)
        #expect(changed.k3s.binary?.stamp != stamp)
    }
}
