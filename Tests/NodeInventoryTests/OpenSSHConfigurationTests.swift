import Foundation
import NodeInventory
import Testing

@Suite struct OpenSSHConfigurationTests {
    private static let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ1Z3MgYnVubnkgd2FzIGhlcmUgYW5kIGF0ZSBjYXJy"

    private func configuration() throws -> OpenSSHConfiguration {
        let spec = try ClusterSpec.load(
            "home.yaml",
            files: [
                "home.yaml": """
                apiVersion: homelab.dev/v1alpha1
                kind: Cluster
                name: home
                k3s: {version: v1.33.4+k3s1}
                nodes:
                  - name: attic
                    role: server
                    host: 192.0.2.1
                    port: 2222
                    user: ops
                    identityFile: /keys/my key
                    hostKeys: ["\(Self.key)"]
                    jump:
                      - {host: gate.example.org, user: me, hostKeys: ["\(Self.key)"]}
                      - other@192.0.2.9:2200
                  - {name: shelf, role: agent, host: shelf.lan, agent: false}
                """
            ])
        return OpenSSHConfiguration(spec, knownHostsFile: "/state/known_hosts")
    }

    /// OpenSSH's own reading of the file, as `ssh -G` prints it.
    private func settings(_ host: String, of configuration: OpenSSHConfiguration? = nil) throws -> [String: String] {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try (configuration ?? self.configuration()).text.write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/ssh")
        process.arguments = ["-G", "-F", file.path, host]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return text.split(separator: "\n").reduce(into: [:]) { all, line in
            let pair = line.split(separator: " ", maxSplits: 1).map(String.init)
            if pair.count == 2, all[pair[0]] == nil { all[pair[0]] = pair[1] }
        }
    }

    @Test func opensshUnderstandsItAsItIsMeant() throws {
        let attic = try settings("attic")
        #expect(attic["hostname"] == "192.0.2.1" && attic["port"] == "2222" && attic["user"] == "ops")
        #expect(attic["identityfile"] == "/keys/my key")
        // By their own names, by which the operator's file may know them.
        #expect(attic["proxyjump"] == "gate.example.org,[192.0.2.9]", "ssh prints addresses in brackets")
        #expect(attic["stricthostkeychecking"] == "true" && attic["userknownhostsfile"] == "/state/known_hosts")
        #expect(attic["hostkeyalias"] == "attic")
        for first in [try settings("attic-jump-1"), try settings("gate.example.org")] {
            #expect(first["hostname"] == "gate.example.org" && first["user"] == "me" && first["hostkeyalias"] == "attic-jump-1")
        }
        for second in [try settings("attic-jump-2"), try settings("192.0.2.9")] {
            #expect(second["hostname"] == "192.0.2.9" && second["port"] == "2200" && second["user"] == "other")
        }
        let shelf = try settings("shelf")
        #expect(shelf["hostname"] == "shelf.lan" && shelf["user"] == "root" && shelf["identityagent"] == "none")
    }

    @Test func onlyWholeKeysAreKnownHosts() throws {
        #expect(try configuration().knownHosts == "attic \(Self.key)\nattic-jump-1 \(Self.key)\n")
    }

    /// Files in folders of any name: `%` begins a token of ssh's, a blank ends a word, `#` begins a comment.
    @Test(arguments: ["/my keys/id", "/100%/id", "/a#b/id", "/it's/id", "/a=b/id", "/100% of it's/#1 key"])
    func pathsOfAnyNameAreWhatTheyAre(_ path: String) throws {
        let spec = try ClusterSpec.load(
            "home.yaml",
            files: [
                "home.yaml": """
                apiVersion: homelab.dev/v1alpha1
                kind: Cluster
                name: home
                k3s: {version: v1.33.4+k3s1}
                nodes:
                  - {name: attic, role: server, host: 192.0.2.1, identityFile: "\(path)", hostKeys: ["\(Self.key)"]}
                """
            ])
        let attic = try settings("attic", of: OpenSSHConfiguration(spec, knownHostsFile: path + ".hosts"))
        // `ssh -G` prints them before their tokens are read.
        #expect(attic["identityfile"]?.replacing("%%", with: "%") == path)
        #expect(attic["userknownhostsfile"]?.replacing("%%", with: "%") == path + ".hosts")
    }

    @Test func aJumpHostThatMeansSeveralThingsGoesByANameOfItsOwn() throws {
        func node(_ name: String, _ jump: String) -> String { "  - {name: \(name), role: agent, host: \(name).lan, jump: [\(jump)]}\n" }
        let spec = try ClusterSpec.load(
            "home.yaml",
            files: [
                "home.yaml": "apiVersion: homelab.dev/v1alpha1\nkind: Cluster\nname: home\nk3s: {version: v1.33.4+k3s1}\nnodes:\n"
                    + "  - {name: attic, role: server, host: 192.0.2.1}\n" + node("shelf", "ann@gate") + node("cellar", "bob@gate")
                    + node("loft", "attic") + node("shed", "192.0.2.1") + node("barn", "'[2001:db8::1]'") + node("den", "ops@hall")
                    + node("hut", "ops@hall")
            ])
        let configuration = OpenSSHConfiguration(spec, knownHostsFile: "/state/known_hosts")
        for name in ["shelf", "cellar", "loft", "shed", "barn"] {
            #expect(try settings(name, of: configuration)["proxyjump"] == "\(name)-jump-1")
        }
        for name in ["den", "hut"] { #expect(try settings(name, of: configuration)["proxyjump"] == "hall") }
        #expect(try settings("hall", of: configuration)["user"] == "ops")
    }

    /// `Host` entries of the operator's own file are for the word on ssh's command line.
    @Test func sshIsToldTheHostWhereThatIsOneNodesOnly() throws {
        let spec = try ClusterSpec.load(
            "home.yaml",
            files: [
                "home.yaml": """
                apiVersion: homelab.dev/v1alpha1
                kind: Cluster
                name: home
                k3s: {version: v1.33.4+k3s1}
                nodes:
                  - {name: attic, role: server, host: far-away, hostKeys: ["\(Self.key)"]}
                  - {name: shelf, role: agent, host: 192.0.2.9, port: 2201}
                  - {name: cellar, role: agent, host: 192.0.2.9, port: 2202}
                  - {name: loft, role: agent, host: attic}
                """
            ])
        let configuration = OpenSSHConfiguration(spec, knownHostsFile: "/state/known_hosts")
        #expect(spec.nodes.map(configuration.word) == ["far-away", "shelf", "cellar", "loft"])
        let attic = try settings("far-away", of: configuration)
        #expect(attic["hostkeyalias"] == "attic" && attic["stricthostkeychecking"] == "true")
        #expect(attic["hostname"] == "far-away", "what the operator's own file says of it may come in its place")
        #expect(try settings("cellar", of: configuration)["port"] == "2202")
    }
}
