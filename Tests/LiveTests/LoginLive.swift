import Foundation
import Testing

/// Every way into a machine that people have, against real SSH servers; and what an operator reads when there is none.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct LoginLive {
    static let lab = Lab.made("livelog") { lab in
        try lab.lab(
            "up", "plain:hostkeys=all", "pass:auth=password,sudo=pass", "kbd:auth=kbd,sudo=pass", "tty:sudo=tty",
            "nosudo:sudo=none,root=no",
            "odd:port=2222,shell=/usr/bin/fish", "behind:net=behind", "hard:hostkeys=all")
        try "homelab-debian\n".write(toFile: lab.folder + "/password", atomically: true, encoding: .utf8)
    }

    let lab: Lab

    init() throws { lab = try Self.lab.get() }

    /// An inventory of one machine with these lines in its entry; `lab` and its key are not named unless the lines do.
    private func write(_ machine: String, _ lines: [String], host: String? = nil, pin: Bool = true) throws {
        try lab.write(
            """
            apiVersion: homelab.dev/v1alpha1
            kind: Cluster
            name: home
            k3s:
              version: \(Lab.k3sVersion)
              sha256: {amd64: \(String(repeating: "0", count: 64))}
            nodes:
              - name: \(machine)
                role: server
                host: \(host ?? (try lab.lab("ip", machine)))
            \((lines + (pin ? ["hostKeys: [\(try lab.lab("hostkey", machine))]"] : [])).map { "    " + $0 }.joined(separator: "\n"))

            """, to: "inventory/home.yaml")
    }

    /// `homelab preflight` of such a machine.
    private func look(
        at machine: String, _ lines: [String], host: String? = nil, pin: Bool = true, environment: [String: String] = [:],
        limit: Double = 90
    ) throws -> Shell.Result {
        try write(machine, lines, host: host, pin: pin)
        return try lab.homelab("preflight", "--skip-reach", environment: ["SSH_AUTH_SOCK": ""].merging(environment) { $1 }, limit: limit)
    }

    /// Whether the machine was seen: its own line says what it is.
    private func isSeen(_ result: Shell.Result) -> Bool { result.output.contains("x86_64") }

    /// Whether the program's libssh2 is one that cannot do everything these servers ask for.
    private var hasOldLibrary: Bool {
        get throws {
            let version = try Shell.must([Lab.binary, "probe", "library"]).split(separator: ".").compactMap { Int($0) }
            return version.lexicographicallyPrecedes([1, 11])
        }
    }

    private var ownKey: String { "identityFile: \(lab.identity)" }

    /// A new key pair that the machine's `debian` lets in.
    private func key(_ name: String, _ options: String..., on machine: String = "plain", passphrase: String = "") throws -> String {
        let file = "\(lab.folder)/\(name)"
        if !FileManager.default.fileExists(atPath: file) {
            try Shell.must(["ssh-keygen", "-q", "-N", passphrase, "-C", name, "-f", file] + options)
            try lab.lab("authorize", machine, file + ".pub", "debian")
        }
        return file
    }

    // MARK: Passwords

    @Test func t01_aPasswordFromAFileAndTheSameForSudo() throws {
        let result = try look(
            at: "pass",
            ["user: debian", "agent: false", "password: {file: \(lab.folder)/password}", "sudoPassword: {file: \(lab.folder)/password}"])
        #expect(isSeen(result), "\(result.text)")
    }

    @Test func t02_aPasswordFromTheEnvironmentOverKeyboardInteractive() throws {
        let result = try look(
            at: "kbd", ["user: debian", "password: {env: NODE_PASSWORD}", "sudoPassword: {env: NODE_PASSWORD}"],
            environment: ["NODE_PASSWORD": "homelab-debian"])
        #expect(isSeen(result), "\(result.text)")
    }

    @Test func t03_aPasswordThatIsAskedFor() throws {
        _ = try look(at: "pass", ["user: debian", "password: prompt", "sudoPassword: {file: \(lab.folder)/password}"])
        let result = try lab.run(
            ["sh", "-c", "printf 'homelab-debian\\n' | script -qec '\(Lab.binary) preflight --skip-reach' /dev/null"], limit: 60)
        #expect(result.output.contains("Password for"), "\(result.text)")
        #expect(!result.output.contains("Password for pass: homelab-debian"), "the answer is not shown")
        #expect(isSeen(result), "\(result.text)")
    }

    @Test func t03b_CtrlCAtTheQuestionStopsAndTheTerminalShowsWhatIsTyped() throws {
        _ = try look(at: "pass", ["user: debian", "password: prompt", "sudoPassword: {file: \(lab.folder)/password}"])
        let program = "trap : INT; \(Lab.binary) preflight --skip-reach; echo status $?; stty -a"
        let result = try lab.run(
            ["sh", "-c", "(sleep 4; printf '\\003'; sleep 4) | script -qec \"$0\" /dev/null", program], environment: ["TERM": "xterm"],
            limit: 60)
        #expect(result.output.contains("Password for pass"), "\(result.text)")
        #expect(result.output.contains("Stopped. Running the same command again goes on from here."), "\(result.text)")
        #expect(result.output.contains("status 130") && result.output.contains(" echo "), "\(result.text)")
    }

    @Test func t04_withNobodyToAskThatIsSaid() throws {
        let result = try look(at: "pass", ["user: debian", "password: prompt"])
        #expect(result.status == 1)
        #expect(result.text.contains("login was refused"), "\(result.text)")
        #expect(result.text.contains("its password has to be asked for, and nobody answered: run it on a terminal"), "\(result.text)")
    }

    @Test func t05_aWrongPasswordIsSaidAndNotShown() throws {
        try "not-the-password\n".write(toFile: lab.folder + "/wrong", atomically: true, encoding: .utf8)
        let login = try look(at: "pass", ["user: debian", "agent: false", "password: {file: \(lab.folder)/wrong}"])
        #expect(login.status == 1)
        #expect(login.text.contains("login was refused") && login.text.contains("tried password"), "\(login.text)")
        #expect(login.text.contains("\n    check the user name and the password\n"), "\(login.text)")
        let sudo = try look(
            at: "pass", ["user: debian", "password: {file: \(lab.folder)/password}", "sudoPassword: {file: \(lab.folder)/wrong}"])
        #expect(sudo.text.contains("sudo does not accept the password of debian"), "\(sudo.text)")
        #expect(!(login.text + sudo.text).contains("not-the-password"))
    }

    @Test func t06_aMissingSudoPasswordNamesTheFieldToWrite() throws {
        let result = try look(at: "pass", ["user: debian", "password: {file: \(lab.folder)/password}"])
        #expect(result.text.contains("sudo asks debian for a password"), "\(result.text)")
        #expect(result.text.contains("sudoPassword: {file: …}"), "\(result.text)")
    }

    @Test func t07_otherRefusalsOfSudoHaveTheirOwnRemedy() throws {
        let tty = try look(at: "tty", ["user: debian", ownKey])
        #expect(tty.text.contains("requiretty") && tty.text.contains("Defaults:debian !requiretty"), "\(tty.text)")
        let none = try look(
            at: "nosudo", ["user: debian", ownKey, "sudoPassword: {file: \(lab.folder)/password}"])
        #expect(none.text.contains("debian may not use sudo") && none.text.contains("usermod -aG sudo debian"), "\(none.text)")
    }

    // MARK: Keys

    @Test(arguments: [
        ["ed25519", "-t", "ed25519"], ["ecdsa", "-t", "ecdsa", "-b", "256"], ["ecdsa521", "-t", "ecdsa", "-b", "521"],
        ["rsa", "-t", "rsa", "-b", "3072"], ["rsa-pem", "-t", "rsa", "-b", "2048", "-m", "PEM"], ["ecdsa-pem", "-t", "ecdsa", "-m", "PEM"],
    ])
    func t08_everyKindOfUserKeyPlainAndEncrypted(_ kind: [String]) throws {
        for passphrase in ["", "open sesame"] {
            let name = kind[0] + (passphrase.isEmpty ? "" : "-encrypted")
            let file = "\(lab.folder)/\(name)"
            try Shell.must(["ssh-keygen", "-q", "-N", passphrase, "-C", name, "-f", file] + kind.dropFirst())
            try lab.lab("authorize", "plain", file + ".pub", "debian")
            let result = try look(
                at: "plain",
                ["user: debian", "agent: false", "identityFile: \(file)"] + (passphrase.isEmpty ? [] : ["passphrase: {env: PASSPHRASE}"]),
                environment: ["PASSPHRASE": passphrase])
            if try hasOldLibrary, name == "rsa-encrypted" {
                // It signs with RSA keys in no way that servers still take, and our own reader has no bcrypt: that says what to do.
                #expect(result.text.contains("encrypted in OpenSSH's own format"), "\(name):\n\(result.text)")
            } else {
                #expect(isSeen(result), "\(name):\n\(result.text)")
            }
        }
    }

    @Test func t09_aWrongOrMissingPassphraseIsSaid() throws {
        let file = try key("locked", "-t", "ed25519", passphrase: "open sesame")
        let wrong = try look(
            at: "plain", ["user: debian", "agent: false", "identityFile: \(file)", "passphrase: {env: PASSPHRASE}"],
            environment: ["PASSPHRASE": "shut"])
        #expect(wrong.text.contains("wrong passphrase") && wrong.text.contains(file), "\(wrong.text)")
        let missing = try look(at: "plain", ["user: debian", "agent: false", "identityFile: \(file)"])
        #expect(missing.text.contains("needs its passphrase"), "\(missing.text)")
        let absent = try look(at: "plain", ["user: debian", "agent: false", "identityFile: \(lab.folder)/nowhere"])
        #expect(absent.text.contains("\(lab.folder)/nowhere"), "\(absent.text)")
    }

    @Test func t10_theAgentsKeysEvenWhenItHoldsManyOthers() throws {
        let socket = lab.folder + "/agent"
        let agent = Process()
        agent.executableURL = URL(fileURLWithPath: "/usr/bin/ssh-agent")
        agent.arguments = ["-D", "-a", socket]
        agent.standardOutput = FileHandle.nullDevice
        agent.standardError = FileHandle.nullDevice
        try agent.run()
        // It inherits a thread's blocked signals, so that only this one ends it.
        defer { kill(agent.processIdentifier, SIGKILL) }
        try lab.wait("agent", limit: 10) { FileManager.default.fileExists(atPath: socket) }
        for number in 1...8 {
            let file = "\(lab.folder)/stranger-\(number)"
            try Shell.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file])
            try Shell.must(["ssh-add", "-q", file], environment: ["SSH_AUTH_SOCK": socket])
        }
        let rsa = try key("agent-rsa", "-t", "rsa", "-b", "2048")
        try Shell.must(["ssh-add", "-q", rsa], environment: ["SSH_AUTH_SOCK": socket])
        // Only the public half is on the disk, as with a key on a token: it says which of nine keys is meant, and the server hangs up
        // after six wrong ones.
        try FileManager.default.removeItem(atPath: rsa)
        let named = try look(at: "plain", ["user: debian", "identityFile: \(rsa)"], environment: ["SSH_AUTH_SOCK": socket])
        #expect(isSeen(named), "\(named.text)")
        let unnamed = try look(at: "plain", ["user: debian"], environment: ["SSH_AUTH_SOCK": socket])
        #expect(unnamed.text.contains("perhaps too many keys were tried"), "\(unnamed.text)")
        // IdentitiesOnly keeps the agent's keys out of it but for those that are named.
        try FileManager.default.createDirectory(atPath: lab.folder + "/.ssh", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: lab.folder + "/.ssh") }
        try "Host *\n    IdentitiesOnly yes\n".write(toFile: lab.folder + "/.ssh/config", atomically: true, encoding: .utf8)
        let only = try look(at: "plain", ["user: debian"], environment: ["SSH_AUTH_SOCK": socket])
        #expect(only.text.contains("login was refused") && !only.text.contains("agent key"), "\(only.text)")
        try "Host *\n    IdentitiesOnly yes\n    IdentityFile \(rsa)\n"
            .write(toFile: lab.folder + "/.ssh/config", atomically: true, encoding: .utf8)
        let both = try look(at: "plain", ["user: debian"], environment: ["SSH_AUTH_SOCK": socket])
        #expect(isSeen(both), "\(both.text)")
    }

    // MARK: Host keys

    @Test(arguments: ["ed25519", "ecdsa", "rsa"])
    func t11_eachKindOfHostKeyCanBePinned(_ type: String) throws {
        let result = try look(
            at: "plain", ["user: debian", ownKey, "hostKeys: [\(try lab.lab("hostkey", "plain", type))]"], pin: false)
        if try hasOldLibrary, type == "rsa" {
            #expect(result.text.contains("only its RSA host key is pinned or known"), "\(result.text)")
        } else {
            #expect(isSeen(result), "\(type):\n\(result.text)")
        }
        #expect(!result.text.contains("has changed"), "\(result.text)")
    }

    @Test func t12_anUnknownHostKeyIsShownWithTheLineToPin() throws {
        let result = try look(at: "plain", ["user: debian", ownKey], pin: false)
        #expect(result.status == 1)
        #expect(result.text.contains("its host key is not known"), "\(result.text)")
        #expect(result.text.contains("hostKeys: [\"\(try lab.lab("hostkey", "plain").prefix(60))"), "\(result.text)")
    }

    // MARK: Ways

    @Test func t13_anotherPortAndAFishShell() throws {
        let result = try look(at: "odd", ["user: debian", "port: 2222", ownKey])
        #expect(isSeen(result), "\(result.text)")
        let closed = try look(at: "odd", ["user: debian", ownKey])
        #expect(closed.text.contains("cannot be reached") && closed.text.contains("connection refused"), "\(closed.text)")
    }

    @Test(arguments: ["/usr/bin/zsh", "/bin/tcsh", "/bin/dash", "/bin/bash"])
    func t14_everyLoginShell(_ shell: String) throws {
        try lab.on("plain", "usermod --shell \(shell) debian")
        let result = try look(at: "plain", ["user: debian", ownKey])
        #expect(isSeen(result), "\(shell):\n\(result.text)")
    }

    @Test func t15_rootRefusedIsSaid() throws {
        let result = try look(at: "nosudo", ["user: root", ownKey])
        #expect(result.text.contains("login was refused") && result.text.contains("PermitRootLogin"), "\(result.text)")
        #expect(
            result.text.contains(
                """
                error: node "nosudo": login was refused: root@\(try lab.lab("ip", "nosudo")): login refused (tried key \(lab.identity))
                    check that the key is in /root/.ssh/authorized_keys there and that its sshd lets root log in (PermitRootLogin)
                """), "\(result.text)")
    }

    @Test func t16_throughAChainOfJumpHosts() throws {
        let jump = { (name: String) in
            """
                  - host: \(try lab.lab("ip", name))
                    user: debian
                    identityFile: \(lab.identity)
                    hostKeys: [\(try lab.lab("hostkey", name))]
            """
        }
        let result = try look(
            at: "behind", ["user: debian", ownKey, "jump:\n\(try jump("tty"))\n\(try jump("plain"))"])
        #expect(isSeen(result), "\(result.text)")
        let logged = try lab.homelab("ssh", "behind", "--", "cat", "/etc/hostname")
        #expect(logged.output == "behind\n", "\(logged.text)")
    }

    @Test func t17_sshGoesTheSameWayAndBelievesOnlyThePin() throws {
        _ = try look(at: "plain", ["user: debian", ownKey])
        let seen = try lab.homelab("ssh", "plain", "--", "echo \"$(whoami) on $(hostname)\"; exit 7")
        #expect(seen.output == "debian on plain\n" && seen.status == 7, "\(seen.text)")
        _ = try look(at: "plain", ["user: debian", ownKey, "hostKeys: [\(try lab.lab("hostkey", "hard"))]"], pin: false)
        let other = try lab.homelab("ssh", "plain", "--", "true")
        #expect(other.status == 255 && other.text.contains("Host key verification failed"), "\(other.text)")
    }

    // MARK: Servers that allow little

    /// What the server is to allow only, and what homelab's library must bring for it.
    @Test(arguments: [
        ["Ciphers aes256-gcm@openssh.com,chacha20-poly1305@openssh.com", "ciphers"],
        ["MACs hmac-sha2-256-etm@openssh.com\nCiphers aes256-ctr", "message codes"],
        ["HostKey /etc/ssh/ssh_host_rsa_key\nHostKeyAlgorithms rsa-sha2-512,rsa-sha2-256", "host key types"],
    ])
    func t18_aHardenedServerIsReachedOrExplained(_ settings: [String]) throws {
        let hostKeys = settings[1] == "host key types" ? "rsa" : "ed25519"
        if hostKeys == "rsa" { try lab.on("hard", "sed -i '/^HostKey/d' /etc/ssh/sshd_config.d/00-lab.conf") }
        try lab.on("hard", "printf '\(settings[0])\\n' > /etc/ssh/sshd_config.d/01-hard.conf && systemctl restart ssh")
        let result = try look(
            at: "hard", ["user: debian", ownKey, "hostKeys: [\(try lab.lab("hostkey", "hard", hostKeys))]"], pin: false)
        if try hasOldLibrary {
            #expect(result.text.contains("it offers only the \(settings[1])"), "\(result.text)")
            #expect(result.text.contains("this homelab's libssh2 1.10"), "\(result.text)")
            #expect(result.text.contains("1.11 or later"), "\(result.text)")
        } else {
            #expect(isSeen(result), "\(result.text)")
        }
    }

    @Test func t19_aCutLineIsNoticedWithinTenSeconds() throws {
        try lab.on("plain", "printf '#!/bin/sh\\nsleep 60\\n' > /usr/local/bin/k3s && chmod 755 /usr/local/bin/k3s")
        try write("plain", ["user: debian", ownKey])
        let run = try lab.start("preflight", "--skip-reach")
        // The connection goes while the machine is asked for its facts, in which this k3s keeps it waiting.
        try lab.wait("a machine that is at work", limit: 60) { try lab.on("plain", "pgrep -f '^/bin/sh /usr/local/bin/k3s'").succeeded }
        let cut = Date()
        try lab.lab("cut", "plain", "drop")
        let result = run.end(limit: 60)
        // Ten seconds, and what two busy cores add to it.
        #expect(Date().timeIntervalSince(cut) < 16)
        try lab.lab("mend", "plain")
        try lab.on("plain", "rm /usr/local/bin/k3s")
        #expect(result.text.contains("the connection was lost"), "\(result.text)")
    }

    // MARK: ~/.ssh/config

    @Test func t20_theOperatorsOwnConfigurationIsHonoured() throws {
        let home = lab.folder
        try FileManager.default.createDirectory(atPath: home + "/.ssh", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: home + "/.ssh") }
        try """
        Host far-*
            User debian
            IdentityFile \(lab.identity)
            IdentitiesOnly yes
            UserKnownHostsFile \(home)/far_known_hosts
        Host far-away
            HostName \(try lab.lab("ip", "behind"))
            ProxyJump far-hop
        Host far-hop
            HostName \(try lab.lab("ip", "plain"))
        Host far-port
            HostName \(try lab.lab("ip", "odd"))
            Port 2222
        Match user nobody
            Port 99

        """.write(toFile: home + "/.ssh/config", atomically: true, encoding: .utf8)
        try """
        \(try lab.lab("ip", "behind")) \(try lab.lab("hostkey", "behind"))
        \(try lab.lab("ip", "plain")) \(try lab.lab("hostkey", "plain"))
        [\(try lab.lab("ip", "odd"))]:2222 \(try lab.lab("hostkey", "odd"))

        """.write(toFile: home + "/far_known_hosts", atomically: true, encoding: .utf8)
        let away = try look(at: "behind", [], host: "far-away", pin: false)
        #expect(isSeen(away), "\(away.text)")
        #expect(away.text.contains("`Match user nobody` is not read here"), "\(away.text)")
        let port = try look(at: "odd", [], host: "far-port", pin: false)
        #expect(isSeen(port), "\(port.text)")
    }

    @Test func t21_tearDown() throws { try lab.tearDown() }
}
