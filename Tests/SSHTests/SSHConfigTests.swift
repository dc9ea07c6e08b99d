import Foundation
import Testing

@testable import SSH

@Suite struct SSHConfigTests {
    @Test func theFirstValueWinsAsOpenSSHHasIt() {
        let config = SSHConfig(
            text: """
                Host attic
                    User me
                    IdentitiesOnly no
                    IdentityFile /a
                Host *
                    User other
                    IdentitiesOnly yes
                    IdentityFile /b
                    Port 2222
                """)
        let attic = config.settings(for: "attic")
        #expect(attic.user == "me" && attic.port == 2222 && !attic.identitiesOnly)
        #expect(attic.identityFiles == ["/a", "/b"])
        #expect(config.settings(for: "shelf").identitiesOnly)
    }

    @Test func aMatchIsToldOnlyWhereItSaysSomethingThatMatters() {
        let config = SSHConfig(
            text: """
                Match exec "test -e /tmp/x"
                    ForwardX11 yes
                Match user root
                    Port 99
                    HostName elsewhere
                Host attic
                    Port 2200
                """)
        let attic = config.settings(for: "attic")
        #expect(attic.unsupported == ["Match user root"])
        #expect(attic.port == 2200 && attic.hostName == nil)
    }

    @Test func everyHonouredSettingIsRead() {
        let config = SSHConfig(
            text: """
                Host gate
                    ProxyJump none
                Host *.home
                    HostName %h.arpa
                    User = ada
                    Port 2200
                    IdentityFile "/keys/%r at %h"
                    IdentityFile /keys/second
                    IdentitiesOnly yes
                    IdentityAgent none
                    ProxyJump me@gate:2201,[fd00::1]:22
                    UserKnownHostsFile /a /b-%p
                Host * !gate
                    ProxyJump other
                """)
        let attic = config.settings(for: "attic.home")
        #expect(attic.hostName == "attic.home.arpa" && attic.user == "ada" && attic.port == 2200)
        #expect(
            attic.identityFiles == ["/keys/ada at attic.home.arpa", "/keys/second"] && attic.identitiesOnly && attic.identityAgent == "none"
        )
        #expect(attic.proxyJump == ["me@gate:2201", "[fd00::1]:22"])
        #expect(attic.userKnownHostsFiles == ["/a", "/b-2200"])
        #expect(config.settings(for: "gate").proxyJump.isEmpty && config.settings(for: "shelf").proxyJump == ["other"])
        #expect(config.settings(for: "shelf").hostName == nil && config.settings(for: "shelf").userKnownHostsFiles.isEmpty)
    }

    @Test func aProxyCommandIsToldAndNotFollowed() {
        let config = SSHConfig(text: "Host attic\n    ProxyCommand nc %h %p\n    ProxyJump gate\n")
        #expect(config.settings(for: "attic").unsupported == ["ProxyCommand nc %h %p"] && config.settings(for: "attic").proxyJump.isEmpty)
    }

    @Test func matchAllCounts() {
        let config = SSHConfig(text: "Match all\n    Port 99\n")
        #expect(config.settings(for: "attic").port == 99 && config.settings(for: "attic").unsupported.isEmpty)
    }

    @Test func tokensAndVariablesStandForWhatOpenSSHPutsThere() {
        let config = SSHConfig(
            text: #"""
                Host attic
                    HostName 100%%-%h.arpa
                    IdentityFile ~/.ssh/%n-%p-%r-%%
                    IdentityFile ${HOME}/%i
                    IdentityFile '/keys/of "me"'
                    IdentityFile /a\ b
                    IdentityFile ${NOWHERE_TO_BE_FOUND}/x
                    ProxyJump %r@gate-%n:%p
                    IdentitiesOnly true
                    UserKnownHostsFile none
                """#)
        let home = ProcessInfo.processInfo.environment["HOME"] ?? ""
        let attic = config.settings(for: "attic", user: "ops", port: 2022)
        #expect(attic.hostName == "100%-attic.arpa" && attic.identitiesOnly && attic.userKnownHostsFiles == ["none"])
        #expect(
            attic.identityFiles == [
                "\(home)/.ssh/attic-2022-ops-%", "\(home)/\(getuid())", #"/keys/of "me""#, "/a b", "${NOWHERE_TO_BE_FOUND}/x",
            ], "\(attic.identityFiles)")
        #expect(attic.proxyJump == ["ops@gate-attic:2022"])
    }

    @Test func noneTakesTheDefaultsAway() {
        let config = SSHConfig(text: "Host attic\n    IdentityFile none\nHost *\n    IdentityAgent $HOME\n")
        #expect(config.settings(for: "attic").hasNoDefaultIdentities && config.settings(for: "attic").identityFiles.isEmpty)
        #expect(!config.settings(for: "shelf").hasNoDefaultIdentities)
        #expect(config.settings(for: "shelf").identityAgent == ProcessInfo.processInfo.environment["HOME"])
    }

    /// ssh_config(5), Include: inside of a block it stands for that block's hosts only, whatever blocks it has itself.
    @Test func whatABlockIncludesIsForItsHostsOnly() {
        let text = "Host work-*\n    Include inner\n    User late\nMatch user x\n    Include inner\nHost *\n    Port 9\n"
        let config = SSHConfig(text: text) { _ in ["User first\nHost *\n    IdentityFile /inner\n"] }
        let (work, other) = (config.settings(for: "work-1"), config.settings(for: "home"))
        #expect(work.user == "first" && work.identityFiles == ["/inner"] && work.port == 9, "\(work)")
        #expect(other.user == nil && other.identityFiles.isEmpty && other.port == 9, "\(other)")
        #expect(Set(other.unsupported) == ["Match user x"], "what a Match includes is told as a part of it")
    }

    /// A comment in Latin-1 is no reason to read nothing, neither in the file nor in one that it includes.
    @Test func aCommentMayBeInAnyEncoding() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "homelab-config-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let comment = Data("# Ger\u{E4}te\n".unicodeScalars.map { UInt8($0.value) })
        try (comment + Data("Host b\n    User of-b\n".utf8)).write(to: URL(filePath: folder + "/inner"))
        try (comment + Data("Include \(folder)/inner\nHost a\n    User of-a\n".utf8)).write(to: URL(filePath: folder + "/config"))
        let config = try SSHConfig(file: folder + "/config")
        #expect(config.settings(for: "a").user == "of-a" && config.settings(for: "b").user == "of-b")
    }

    @Test func includedFilesAreFoundByWildcards() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "homelab-config-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for name in ["a", "b"] {
            try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
            try "Host \(name)\n    User of-\(name)\n".write(toFile: "\(folder)/\(name)/1.conf", atomically: true, encoding: .utf8)
        }
        try "Include \(folder)/[ab]/*.conf \(folder)/none/*\n".write(toFile: folder + "/config", atomically: true, encoding: .utf8)
        let config = try SSHConfig(file: folder + "/config")
        #expect(config.settings(for: "a").user == "of-a" && config.settings(for: "b").user == "of-b")
    }
}
