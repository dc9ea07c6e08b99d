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

    @Test func matchAllCounts() {
        let config = SSHConfig(text: "Match all\n    Port 99\n")
        #expect(config.settings(for: "attic").port == 99 && config.settings(for: "attic").unsupported.isEmpty)
    }
}
