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
}
