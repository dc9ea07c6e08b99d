package import Diagnostics

/// How commands on a node get root's rights; found out once per connection.
package enum Elevation: Hashable, Sendable {
    /// The login user is root.
    case root
    /// `sudo` without a password, or `doas` on a machine that has no sudo.
    case sudo
    /// `sudo` with this password on stdin.
    case sudoPassword(Secret)

    /// The POSIX shell script that runs `script` with root's rights. With a password, its line comes first on stdin
    /// (`stdinPrefix`); `-k` makes sudo ask for it every time, so it can never end up in the command's own input.
    package func script(running script: String) -> String {
        switch self {
        case .root: script
        case .sudo: "\(Self.withoutPassword)LC_ALL=C exec $r sh -c \(ShellLine.quoted(script))"
        case .sudoPassword: "LC_ALL=C exec sudo -k -S -p '' -- sh -c \(ShellLine.quoted(script))"
        }
    }

    /// Sets `r` to what gives root's rights without asking.
    private static let withoutPassword =
        "if command -v sudo >/dev/null || ! command -v doas >/dev/null; then r='sudo -n --'; else r='doas -n'; fi; "

    /// Runs `script` through sudo where that needs no password, and otherwise says in one round trip why it does not: sudo's words on
    /// stderr and `refusedStatus`.
    static func probing(_ script: String) -> String {
        """
        \(withoutPassword)
        e=$(LC_ALL=C $r sh -c : 2>&1 </dev/null) || { printf '%s\\n' "$e" >&2; exit \(refusedStatus); }
        \(Elevation.sudo.script(running: script))
        """
    }

    static let refusedStatus: Int32 = 222

    package var stdinPrefix: [UInt8] {
        if case .sudoPassword(let password) = self { Array(password.revealed.utf8) + [UInt8(ascii: "\n")] } else { [] }
    }
}

/// Why sudo refused, by its own words in the C locale.
package enum SudoRefusal: Hashable, Sendable {
    case passwordNeeded, wrongPassword, notASudoer, terminalNeeded, notInstalled
    /// The machine has doas in sudo's place, which says no or asks for a password.
    case doas
    case other(String)

    /// nil when the output of the failed probe is not sudo's.
    package init(exitStatus: Int32, standardError text: String) {
        let lines = text.split(whereSeparator: \.isNewline).map(String.init)
        func says(_ words: String) -> Bool { text.contains(words) }
        if lines.contains(where: { $0.hasPrefix("doas: ") }) {
            self = .doas
        } else if says("must have a tty") {
            self = .terminalNeeded
        } else if says("not in the sudoers file") || says("may not run sudo") || says("is not allowed to") {
            self = .notASudoer
        } else if says("incorrect password") || says("Sorry, try again") || says("Authentication failed") {
            self = .wrongPassword
        } else if says("a password is required") || says("no password was provided") || says("terminal is required to read the password") {
            self = .passwordNeeded
        } else if exitStatus == 127 || says("sudo: not found") || says("command not found") {
            self = .notInstalled
        } else {
            self = .other(lines.last ?? "exit status \(exitStatus)")
        }
    }

    package func diagnostic(node: String, user: String) -> Diagnostic {
        let subject = "node \"\(node)\""
        switch self {
        case .passwordNeeded:
            return Diagnostic(
                .error, "sudo asks \(user) for a password", subject: subject,
                remedy: "Name the password's source in the inventory under this node (`sudoPassword: {file: …}`, `{env: …}` or `prompt`), "
                    + "or allow sudo without one: `\(user) ALL=(ALL) NOPASSWD: ALL` in /etc/sudoers.d/\(user).")
        case .wrongPassword:
            return Diagnostic(
                .error, "sudo does not accept the password of \(user)", subject: subject,
                remedy: "Correct the password in the source that the inventory names for this node.")
        case .notASudoer:
            return Diagnostic(
                .error, "\(user) may not use sudo", subject: subject,
                remedy: "Add the user to sudoers (`usermod -aG sudo \(user)` as root), or name another `user` in the inventory.")
        case .terminalNeeded:
            return Diagnostic(
                .error, "sudo wants a terminal (requiretty)", subject: subject,
                remedy: "Put `Defaults:\(user) !requiretty` into /etc/sudoers.d/\(user), or connect as root.")
        case .notInstalled:
            return Diagnostic(
                .error, "there is no sudo and \(user) is not root", subject: subject,
                remedy: "Install sudo and allow it to \(user), or connect as root.")
        case .doas:
            return Diagnostic(
                .error, "doas does not let \(user) become root without a password", subject: subject,
                remedy: "Write `permit nopass \(user)` into /etc/doas.conf, or connect as root; passwords are given to sudo only.")
        case .other(let words):
            return Diagnostic(
                .error, "sudo failed for \(user)", subject: subject, cause: words,
                remedy: "Try `ssh \(user)@… sudo true` and put right what it says.")
        }
    }
}
