import Diagnostics
import Testing

@testable import Provisioning

@Suite struct ElevationTests {
    @Test(arguments: [
        ("sudo: a password is required", SudoRefusal.passwordNeeded),
        ("sudo: a terminal is required to read the password; either use the -S option", .passwordNeeded),
        ("sudo: no password was provided\nsudo: a password is required", .passwordNeeded),
        ("Sorry, try again.\nsudo: no password was provided\nsudo: 1 incorrect password attempt", .wrongPassword),
        ("bob is not in the sudoers file.  This incident will be reported.", .notASudoer),
        ("Sorry, user bob may not run sudo on m1.", .notASudoer),
        ("Sorry, user bob is not allowed to execute '/usr/bin/sh -c :' as root on m1.", .notASudoer),
        ("sudo: sorry, you must have a tty to run sudo", .terminalNeeded),
        ("sh: 1: exec: sudo: not found", .notInstalled),
        ("doas: Operation not permitted", .doas),
        ("doas: Authentication required", .doas),
        ("sudo: /etc/sudo.conf is owned by uid 1000, should be 0", .other("sudo: /etc/sudo.conf is owned by uid 1000, should be 0")),
    ])
    func refusalIsReadFromItsWords(text: String, expected: SudoRefusal) {
        #expect(SudoRefusal(exitStatus: 1, standardError: text) == expected)
    }

    @Test func everyRefusalSaysWhatToDo() {
        for refusal in [SudoRefusal.passwordNeeded, .wrongPassword, .notASudoer, .terminalNeeded, .notInstalled, .doas, .other("x")] {
            let diagnostic = refusal.diagnostic(node: "m1", user: "bob")
            #expect(diagnostic.subject == "node \"m1\"")
            #expect(diagnostic.remedy?.isEmpty == false)
        }
    }

    @Test func passwordIsOnlyInTheInput() {
        let elevation = Elevation.sudoPassword(Secret("tops3cret"))
        #expect(!elevation.script(running: "id -u").contains("tops3cret"))
        #expect(elevation.stdinPrefix == Array("tops3cret\n".utf8))
        #expect(!"\(elevation)".contains("tops3cret"))
        #expect(Elevation.root.script(running: "id -u") == "id -u")
    }
}
