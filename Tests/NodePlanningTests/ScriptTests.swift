import Foundation
import NodeInventory
import Testing

@testable import NodePlanning

/// The shells that `sh` may be on a node, as far as this machine has them.
private let shells: [[String]] = [["/bin/dash"], ["/bin/bash", "--posix"], ["/bin/busybox", "sh"]].filter {
    FileManager.default.isExecutableFile(atPath: $0[0])
}

/// Runs the very scripts of the steps in a folder of their own.
@Suite struct ScriptTests {
    private struct Result { var status: Int32, output: String, errors: String }

    private func run(_ shell: [String], _ arguments: [String], input: String = "") throws -> Result {
        let process = Process()
        process.executableURL = URL(filePath: shell[0])
        process.arguments = Array(shell.dropFirst()) + arguments
        let (stdin, stdout, stderr) = (Pipe(), Pipe(), Pipe())
        process.standardInput = stdin
        process.standardOutput = stdout
        process.standardError = stderr
        try withAllSignals { try process.run() }
        try stdin.fileHandleForWriting.write(contentsOf: Data(input.utf8))
        try stdin.fileHandleForWriting.close()
        let output = String(decoding: stdout.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let errors = String(decoding: stderr.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return Result(status: process.terminationStatus, output: output, errors: errors)
    }

    /// A child inherits what the thread of a test holds back, and `timeout` needs its signal.
    private func withAllSignals(_ body: () throws -> Void) rethrows {
        var (none, before) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        try body()
    }

    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = NSTemporaryDirectory() + "homelab-scripts-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }

    private func contents(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    @Test(arguments: shells) func factsAreReadable(_ shell: [String]) throws {
        let result = try run(shell, ["-s"], input: FactsScript.text())
        #expect(result.errors == "")
        let facts = try NodeFacts.parse(result.output)
        #expect(!facts.system.machine.isEmpty)
        #expect(facts.clock.now > 1_600_000_000)
        #expect(facts.resources.memory > 0)
        #expect(facts.resources.free["/var/log"] ?? 0 > 0, "\(facts.resources)")
        #expect(facts.files.count == FactsScript.files.count)
    }

    /// What `ip` says of a machine with both families, or with one.
    @Test(arguments: shells) func routesOfBothFamiliesAreRead(_ shell: [String]) throws {
        let four = "default via 10.0.0.254 dev eth0 proto static\n10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1\n"
        let six = """
            ::1 dev lo proto kernel metric 256 pref medium
            unreachable fd99::/48 dev lo metric 1024
            fd42::/64 dev eth1 proto kernel metric 256 pref medium
            fe80::/64 dev eth1 proto kernel metric 256 pref medium
            default proto ra metric 1024 \\\tnexthop via fe80::1 dev eth1 weight 1 \\\tnexthop via fe80::2 dev eth2 weight 1

            """
        for (hasFour, hasSix) in [(true, true), (true, false), (false, true), (false, false)] {
            try withFolder { (folder: String) throws in
                try four.write(toFile: folder + "/four", atomically: true, encoding: .utf8)
                try six.write(toFile: folder + "/six", atomically: true, encoding: .utf8)
                let fake = """
                    #!/bin/sh
                    case "$*" in
                    "-4 -o route show") \(hasFour ? "cat \(folder)/four" : ":") ;;
                    "-6 -o route show") \(hasSix ? "cat \(folder)/six" : ":") ;;
                    esac
                    """
                try fake.write(toFile: folder + "/ip", atomically: true, encoding: .utf8)
                try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder + "/ip")
                let script = FactsScript.text().replacing("PATH=/usr/local/sbin:", with: "PATH=\(folder):/usr/local/sbin:")
                let result = try run(shell, ["-s"], input: script)
                #expect(result.errors == "")
                let network = try NodeFacts.parse(result.output).network
                #expect(network.defaultInterface4 == (hasFour ? "eth0" : nil) && network.defaultInterface6 == (hasSix ? "eth1" : nil))
                #expect(network.defaultInterface == (hasFour ? "eth0" : hasSix ? "eth1" : nil))
                #expect(network.routes.contains { $0.destination == CIDR("10.0.0.0/24") } == hasFour)
                #expect(network.routes.contains { $0.destination == CIDR("fd42::/64") && $0.interface == "eth1" } == hasSix)
            }
        }
    }

    /// The script with these programs, by name and lines, in front of the machine's own, and shorter patience.
    private func look(_ shell: [String], _ programs: [String: String], systemd: Bool = false, patience: Int = 1) throws -> Result {
        var result = Result(status: -1, output: "", errors: "")
        try withFolder { (folder: String) throws in
            for (name, lines) in programs {
                try "#!/bin/sh\n\(lines)\n".write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
                try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder + "/" + name)
            }
            #expect(FactsScript.text().contains("timeout 20 "))
            let script = FactsScript.text().replacing("PATH=/usr/local/sbin:", with: "PATH=\(folder):/usr/local/sbin:")
                .replacing("timeout 20", with: "timeout \(patience)")
                .replacing("/run/systemd/system", with: systemd ? folder : "/nowhere")
            result = try run(shell, ["-s"], input: script)
        }
        return result
    }

    @Test(arguments: shells) func aServiceThatHangsIsNotWaitedForLong(_ shell: [String]) throws {
        let hangs = "exec sleep 400"
        for programs in [["timedatectl": hangs, "firewall-cmd": hangs], ["firewall-cmd": "exit 252", "nft": hangs, "iptables": hangs]] {
            let start = ContinuousClock.now
            let result = try look(shell, programs)
            #expect(result.status == 0 && result.output.hasSuffix("end\n"), "\(result)")
            #expect(.now - start < .seconds(100), "\(programs)")
        }
    }

    /// A k3s that only seems absent would be installed anew.
    @Test(arguments: shells) func aSystemdThatDoesNotAnswerIsNoMachineWithoutUnits(_ shell: [String]) throws {
        for silence in ["exec sleep 40", "exit 1"] {
            let result = try look(shell, ["systemctl": silence], systemd: true)
            #expect(result.status != 0 && result.errors == "systemctl does not answer\n", "\(result)")
        }
        let answer = "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\nMainPID=0\n\nLoadState=not-found"
        let printing = "printf '\(answer.replacing("\n", with: "\\n"))\\n'"
        let result = try look(shell, ["systemctl": printing], systemd: true, patience: 60)
        let units = try NodeFacts.parse(result.output).units
        #expect(units[NodeRole.server.unit]?.active == "active" && units[NodeRole.server.unit]?.enabled == true, "\(result)")
        #expect(units[NodeRole.agent.unit]?.active == "absent" && units[NodeLayout.agentUnit]?.active == "absent", "\(result)")
    }

    @Test(arguments: shells) func whoKeepsTheClockIsAskedWhoeverItIs(_ shell: [String]) throws {
        let peers = "     remote           refid      st t when poll reach\n=====================\n"
        #expect(try synchronized(shell, ["timedatectl": "echo yes", "chronyc": "echo 'Leap status     : Not synchronised'"]) == "yes")
        #expect(try synchronized(shell, ["timedatectl": "exit 1", "chronyc": "echo 'Leap status     : Normal'"]) == "yes")
        #expect(try synchronized(shell, ["chronyc": "echo 'Leap status     : Not synchronised'"]) == "no")
        #expect(try synchronized(shell, ["ntpq": "cat <<END\n\(peers)*10.0.0.254  .GPS.  1 u  34  64  377\nEND"]) == "yes")
        #expect(try synchronized(shell, ["ntpq": "cat <<END\n\(peers) 10.0.0.254  .INIT. 16 u  -  64  0\nEND"]) == "no")
        let dead = ["chronyc": "echo '506 Cannot talk to daemon'; exit 1", "ntpq": "exit 1"]
        #expect(try synchronized(shell, dead.merging(["pidof": "exit 1"]) { $1 }) == "no")
        #expect(try synchronized(shell, ["pidof": "exit 1"]) == "no", "nothing keeps it")
        #expect(try synchronized(shell, ["pidof": "[ \"$1\" = ntpd ] && echo 7"]) == nil, "busybox' ntpd cannot be asked")
    }

    /// What is said of the clock where these programs are the only ones that know of it.
    private func synchronized(_ shell: [String], _ programs: [String: String]) throws -> String? {
        let key = "time.synchronized="
        var said: String?
        try withFolder { (folder: String) throws in
            for name in ["awk", "cat", "date", "df", "grep", "id", "ls", "sed", "stat", "timeout", "tr", "uname"] {
                let place = ["/usr/bin/", "/bin/"].first { FileManager.default.fileExists(atPath: $0 + name) }
                if let place { try FileManager.default.createSymbolicLink(atPath: folder + "/" + name, withDestinationPath: place + name) }
            }
            for (name, lines) in programs {
                try "#!/bin/sh\n\(lines)\n".write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
                try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder + "/" + name)
            }
            let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
            #expect(FactsScript.text().contains(path))
            let output = try run(shell, ["-s"], input: FactsScript.text().replacing(path, with: "PATH=\(folder)\n")).output
            said = output.split(separator: "\n").first { $0.hasPrefix(key) }.map { String($0.dropFirst(key.count)) }
        }
        return said
    }

    @Test(.enabled(if: getuid() == 0, "files are given to root"), arguments: shells) func filesAreWrittenWholeOrNotAtAll(_ shell: [String])
        throws
    {
        try withFolder { (folder: String) throws in
            let path = folder + "/etc/x/config.yaml"
            let script = ["-c", NodeScripts.writeFile, "homelab", path, "0600"]
            #expect(try run(shell, script + ["3"], input: "one").status == 0)
            #expect(try contents(path) == "one")
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            let cut = try run(shell, script + ["10"], input: "two")
            #expect(cut.status != 0)
            #expect(cut.errors.contains("3 of 10 bytes"))
            #expect(try contents(path) == "one")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/etc/x") == ["config.yaml"])
        }
    }

    @Test(.enabled(if: getuid() == 0, "files are given to root"), arguments: shells) func binariesAreChecked(_ shell: [String]) throws {
        try withFolder { (folder: String) throws in
            let (upload, target) = (folder + "/upload", folder + "/bin/k3s")
            let sha256 = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
            let script = ["-c", NodeScripts.installBinary, "homelab", upload, target]
            try "bar".write(toFile: upload, atomically: true, encoding: .utf8)
            #expect(try run(shell, script + [sha256]).status != 0)
            #expect(!FileManager.default.fileExists(atPath: target))
            try "old".write(toFile: target, atomically: true, encoding: .utf8)
            // Begun again after the connection broke at its very end: what is kept is still the one from before.
            for _ in 0..<2 {
                try "foo".write(toFile: upload, atomically: true, encoding: .utf8)
                #expect(try run(shell, script + [sha256]).status == 0)
                #expect(try contents(target) == "foo")
                #expect(!FileManager.default.fileExists(atPath: upload))
            }
            #expect(try contents(target + ".prev") == "old")
        }
    }

    @Test(.enabled(if: getuid() == 0, "files are given to a user"), arguments: shells) func foreignKeysStay(_ shell: [String]) throws {
        try withFolder { (folder: String) throws in
            let script = ["-c", NodeScripts.authorizeKeys, "homelab", "root", folder, "47"]
            #expect(try run(shell, script, input: "restrict ssh-ed25519 OLD homelab-agent@home/s1\n").status == 0)
            let path = folder + "/.ssh/authorized_keys"
            try (contents(path) + "ssh-ed25519 MINE me@laptop").write(toFile: path, atomically: true, encoding: .utf8)
            let new = "restrict ssh-ed25519 NEW homelab-agent@home/s1\n"
            for _ in 0..<2 { #expect(try run(shell, script, input: new).status == 0) }
            #expect(try contents(path) == "ssh-ed25519 MINE me@laptop\n" + new)
            // A connection that ends in the middle takes nobody's key.
            for part in ["", "restrict ssh-ed"] { #expect(try run(shell, script, input: part).status != 0) }
            #expect(try contents(path) == "ssh-ed25519 MINE me@laptop\n" + new)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/.ssh") == ["authorized_keys"])
        }
    }

    @Test(arguments: shells) func commandLineStaysOneLine(_ shell: [String]) throws {
        try withFolder { (folder: String) throws in
            let path = folder + "/cmdline.txt"
            try "console=tty1 cgroup_memory=1 rootwait\n".write(toFile: path, atomically: true, encoding: .utf8)
            let script = ["-c", NodeScripts.extendLine, "homelab", path] + HostPreparation.commandLineWords
            for _ in 0..<2 { #expect(try run(shell, script).status == 0) }
            #expect(try contents(path) == "console=tty1 cgroup_memory=1 rootwait cgroup_enable=memory\n")
        }
    }

    @Test(.enabled(if: getuid() == 0, "the repository is given to a user"), arguments: shells) func repositoryIsWhatGitMakes(
        _ shell: [String]
    ) throws {
        try withFolder { (folder: String) throws in
            let path = folder + "/r.git"
            let script = ["-c", NodeScripts.createRepository, "homelab", path, "root", "trunk"]
            for _ in 0..<2 { #expect(try run(shell, script).status == 0) }
            #expect(try contents(path + "/HEAD") == "ref: refs/heads/trunk\n")
            #expect(try contents(path + "/config") == "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n")
            #expect(FileManager.default.fileExists(atPath: path + "/refs/heads"))
            #expect(FileManager.default.fileExists(atPath: path + "/objects"))
        }
    }

    @Test(
        .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/ssh-keygen"), "ssh-keygen is not installed"), arguments: shells)
    func keysAreMadeOnce(_ shell: [String]) throws {
        try withFolder { (folder: String) throws in
            let path = folder + "/etc/id_ed25519"
            let script = ["-c", NodeScripts.generateKey, "homelab", path, "homelab-agent@home/s1"]
            #expect(try run(shell, script).status == 0)
            let key = try contents(path + ".pub")
            #expect(key.hasPrefix("ssh-ed25519 ") && key.hasSuffix(" homelab-agent@home/s1\n"))
            #expect(try run(shell, script).status == 0)
            #expect(try contents(path + ".pub") == key)
        }
    }

    @Test(arguments: shells) func linksReplaceNothing(_ shell: [String]) throws {
        try withFolder { (folder: String) throws in
            try "mine".write(toFile: folder + "/ctr", atomically: true, encoding: .utf8)
            let script = ["-c", NodeScripts.link, "homelab", "k3s", folder + "/kubectl", folder + "/ctr"]
            for _ in 0..<2 { #expect(try run(shell, script).status == 0) }
            #expect(try contents(folder + "/ctr") == "mine")
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder + "/kubectl") == "k3s")
        }
    }
}
