import BootstrapAssets
import Cryptography
import Foundation
import NodeInventory
import Testing

@testable import NodePlanning

private let shells: [[String]] = [["/bin/dash"], ["/bin/bash", "--posix"], ["/bin/busybox", "sh"]].filter {
    FileManager.default.isExecutableFile(atPath: $0[0])
}

/// The scripts of upgrades and removals, with files in a folder of their own and a `k3s` that writes down what it is asked.
@Suite(.enabled(if: getuid() == 0, "files are given to root")) struct ChangeScriptTests {
    private func run(_ shell: [String], _ script: String, _ arguments: [String]) throws -> (status: Int32, output: String, errors: String) {
        let process = Process()
        process.executableURL = URL(filePath: shell[0])
        process.arguments = Array(shell.dropFirst()) + ["-c", script, "homelab"] + arguments
        let (stdout, stderr) = (Pipe(), Pipe())
        process.standardOutput = stdout
        process.standardError = stderr
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let output = String(decoding: stdout.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let errors = String(decoding: stderr.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, output, errors)
    }

    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = NSTemporaryDirectory() + "homelab-scripts-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }

    private func write(_ text: String, _ path: String) throws { try text.write(toFile: path, atomically: true, encoding: .utf8) }
    private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }
    private func list(_ path: String) throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }

    /// A `k3s` whose `kubectl get` prints `state`, and which writes down everything else.
    private func kubectl(_ folder: String, _ state: String) throws -> String {
        try write(
            "#!/bin/sh\ncase \"$*\" in *' get '*) printf '%s' '\(state)' ;; *) echo \"$*\" >>\(folder)/asked ;; esac\n", folder + "/k3s")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder + "/k3s")
        return folder + "/k3s"
    }

    @Test(arguments: shells) func aForeignCordonStays(_ shell: [String]) throws {
        try withFolder { (folder: String) throws in
            #expect(try run(shell, NodeScripts.cordon, [kubectl(folder, "true/"), "m2", "upgrade"]).status == 0)
            #expect(!FileManager.default.fileExists(atPath: folder + "/asked"))
            #expect(try run(shell, NodeScripts.uncordon, [kubectl(folder, ""), "m2"]).status == 0)
            #expect(!FileManager.default.fileExists(atPath: folder + "/asked"))
            for state in ["/", "true/upgrade"] {
                #expect(try run(shell, NodeScripts.cordon, [kubectl(folder, state), "m2", "upgrade"]).status == 0)
                let asked = try text(folder + "/asked")
                #expect(asked == "kubectl annotate node m2 --overwrite homelab.dev/cordoned=upgrade\nkubectl cordon m2\n")
                try FileManager.default.removeItem(atPath: folder + "/asked")
            }
            #expect(try run(shell, NodeScripts.uncordon, [kubectl(folder, "upgrade"), "m2"]).status == 0)
            let back = "kubectl uncordon m2\nkubectl annotate node m2 homelab.dev/cordoned-\n"
            #expect(try text(folder + "/asked") == back)
            try FileManager.default.removeItem(atPath: folder + "/asked")
            #expect(try run(shell, NodeScripts.uncordon, [kubectl(folder, "removal"), "m2"]).status == 0)
            let order = "kubectl annotate node m2 etcd.k3s.cattle.io/remove-\n"
            #expect(try text(folder + "/asked") == order + back, "k3s' order to take the member out goes with a removal that is taken back")
        }
    }

    @Test(arguments: shells) func aNodeThatDoesNotGoIsToldByItsFinalizers(_ shell: [String]) throws {
        try withFolder { (folder: String) throws in
            func deletion(fails: Bool, _ held: String) throws -> (status: Int32, errors: String) {
                try write(
                    "#!/bin/sh\ncase \"$*\" in *'delete node'*) \(fails ? "echo timed out >&2; exit 1" : ":") ;; *' get '*) \(held) ;; esac\n",
                    folder + "/k3s")
                try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder + "/k3s")
                let result = try run(shell, NodeScripts.deleteNode, [folder + "/k3s", "m2"])
                return (result.status, result.errors)
            }
            #expect(try deletion(fails: false, "exit 1") == (0, ""))
            #expect(try deletion(fails: true, "echo '[\"x.org/y\"]'") == (1, "timed out\n\(Step.heldByFinalizers) [\"x.org/y\"]\n"))
            #expect(try deletion(fails: true, ":") == (1, "timed out\n"))
            #expect(try deletion(fails: true, "echo refused >&2; exit 1") == (1, "timed out\n"), "the API is away")
        }
    }

    /// A `k3s etcd-snapshot save` that writes these bytes (as printf has them).
    private func saver(_ folder: String, _ content: String) throws -> String {
        try write("#!/bin/sh\n\(content) >\(folder)/s/name-m1-1\n", folder + "/k3s")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder + "/k3s")
        return folder + "/k3s"
    }

    @Test(arguments: shells) func aSnapshotIsCheckedToItsEnd(_ shell: [String]) throws {
        try withFolder { (folder: String) throws in
            let data = "dd if=/dev/zero bs=512 count=4 2>/dev/null"
            let whole = "{ \(data); /usr/bin/printf \"$(\(data) | sha256sum | cut -c 1-64 | sed 's/../\\\\x&/g')\"; }"
            let good = try run(shell, NodeScripts.saveSnapshot, [saver(folder, whole), "name", folder + "/s"])
            #expect(good.status == 0, "\(good.errors)")
            let words = good.output.split(separator: " ").map(String.init)
            #expect(words.first == folder + "/s/name-m1-1" && words.dropFirst().first == "2080")
            usleep(20_000)
            let cut = try run(shell, NodeScripts.saveSnapshot, [saver(folder, data), "name", folder + "/s"])
            #expect(cut.status != 0 && cut.errors.contains("was not written to its end"), "\(cut.errors)")
            let bad = "{ \(data); dd if=/dev/zero bs=32 count=1 2>/dev/null; }"
            let damaged = try run(shell, NodeScripts.saveSnapshot, [saver(folder, bad), "name", folder + "/s"])
            #expect(damaged.status != 0 && damaged.errors.contains("is damaged"), "\(damaged.errors)")
            try FileManager.default.removeItem(atPath: folder + "/s/name-m1-1")
            try write("#!/bin/sh\nexit 0\n", folder + "/none")
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder + "/none")
            let none = try run(shell, NodeScripts.saveSnapshot, [folder + "/none", "name", folder + "/s"])
            #expect(none.status != 0 && none.errors.contains("saved no snapshot"), "\(none.errors)")
        }
    }

    /// A `k3s` that saves `homelab-before-…` of m1 at a time and writes down what it is to delete.
    private func keeper(_ folder: String, _ name: String, _ made: Int) throws -> String {
        let data = "dd if=/dev/zero bs=512 count=4 2>/dev/null"
        let whole = "{ \(data); /usr/bin/printf \"$(\(data) | sha256sum | cut -c 1-64 | sed 's/../\\\\x&/g')\"; }"
        try write(
            "#!/bin/sh\nif [ \"$2\" = save ]; then \(whole) >\(folder)/s/\(name)-m1-\(made); else shift 4; echo \"$*\" >>\(folder)/deleted; exit 1; fi\n",
            folder + "/k3s")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder + "/k3s")
        return folder + "/k3s"
    }

    @Test(arguments: shells) func ofItsOwnSnapshotsTheNewestFiveAreKept(_ shell: [String]) throws {
        try withFolder { (folder: String) throws in
            try FileManager.default.createDirectory(atPath: folder + "/s", withIntermediateDirectories: true)
            // Of the operator, of k3s, of another node in a shared folder, and names that only look alike.
            let others = [
                "homelab-m1-1700000001", "homelab-before-holidays-m1-1700000001", "etcd-snapshot-m1-1700000001",
                "homelab-before-removal-m2-1700000001",
                "homelab-before-removal-x-m1-1700000001", "homelab-before-removal-m1-1700000001.part", "homelab-before-removal-m1-17",
                "homelab-before-v1.2-k3s1-m1-1700000001", "my homelab-before-removal-m1-1700000001",
            ]
            let first = "homelab-before-v1.34.1-k3s1-m1-1700000100"
            let old = ["homelab-before-removal-m1-1700000002", "homelab-before-v1.33.4-rc1-k3s1-m1-1700000003.zip"]
            let kept = [
                "homelab-before-removal-m1-1700000201", "homelab-before-v1.33.4-k3s12-m1-1700000202",
                "homelab-before-v1.34.1-k3s1-m1-1700000203",
                "homelab-before-removal-m1-1700000204",
            ]
            for name in others + old + kept + [first] { try write("", "\(folder)/s/\(name)") }
            let k3s = try keeper(folder, "homelab-before-v1.34.1-k3s1", 1_700_000_300)
            let result = try run(shell, NodeScripts.saveSnapshot, [k3s, "homelab-before-v1.34.1-k3s1", folder + "/s"])
            #expect(
                result.status == 0 && result.output.hasPrefix("\(folder)/s/homelab-before-v1.34.1-k3s1-m1-1700000300 2080 "), "\(result)")
            #expect(result.output.split(separator: "\n").count == 1)
            let new = "homelab-before-v1.34.1-k3s1-m1-1700000300"
            #expect(try list(folder + "/s") == (others + kept + [first, new]).sorted())
            #expect(try text(folder + "/deleted") == old.reversed().joined(separator: " ") + "\n", "k3s is told, for its own records")
            // The first of another upgrade is of no use any more.
            let removal = try run(
                shell, NodeScripts.saveSnapshot,
                [keeper(folder, "homelab-before-removal", 1_700_000_301), "homelab-before-removal", folder + "/s"])
            #expect(removal.status == 0, "\(removal.errors)")
            #expect(
                try list(folder + "/s") == (others + kept.dropFirst() + [new, "homelab-before-removal-m1-1700000301"]).sorted())
        }
    }

    @Test(arguments: shells) func ofTheDatabasesCopiesTheNewestFiveAreKept(_ shell: [String]) throws {
        try withFolder { (folder: String) throws in
            for path in ["/db", "/copies"] {
                try FileManager.default.createDirectory(atPath: folder + path, withIntermediateDirectories: true)
            }
            let copies = (1...7).map { "sqlite-2026010\($0)T000000Z.tar" }
            for name in copies + ["new.a1B2c3", "sqlite-mine.tar", "sqlite-20260101T000000Z.tar.gz"] {
                try write("", "\(folder)/copies/\(name)")
            }
            let result = try run(shell, NodeScripts.copyDatabase, [folder + "/db", folder + "/copies"])
            #expect(result.status == 0 && result.output.split(separator: "\n").count == 1, "\(result)")
            let new = try #require(result.output.split(separator: " ").first?.split(separator: "/").last.map(String.init))
            #expect(
                try list(folder + "/copies") == (copies.suffix(4) + [new, "sqlite-mine.tar", "sqlite-20260101T000000Z.tar.gz"]).sorted())
        }
    }

    @Test(arguments: shells) func theDatabaseIsCopiedWhole(_ shell: [String]) throws {
        try withFolder { (folder: String) throws in
            try FileManager.default.createDirectory(atPath: folder + "/db/snapshots", withIntermediateDirectories: true)
            try write("rows", folder + "/db/state.db")
            try write("large", folder + "/db/snapshots/old")
            let result = try run(shell, NodeScripts.copyDatabase, [folder + "/db", folder + "/copies"])
            #expect(result.status == 0, "\(result.errors)")
            let path = result.output.split(separator: " ").map(String.init)[0]
            #expect(try list(folder + "/copies") == [(path as NSString).lastPathComponent])
            try FileManager.default.createDirectory(atPath: folder + "/back", withIntermediateDirectories: true)
            #expect(try run(shell, "tar -xf \"$1\" -C \"$2\"", [path, folder + "/back"]).status == 0)
            #expect(try text(folder + "/back/state.db") == "rows")
            #expect(!FileManager.default.fileExists(atPath: folder + "/back/snapshots/old"))
        }
    }

    @Test(arguments: shells) func theEarlierBinaryComesBack(_ shell: [String]) throws {
        try withFolder { (folder: String) throws in
            let path = folder + "/k3s"
            try write("new", path)
            #expect(try run(shell, NodeScripts.restoreBinary, [path]).errors.contains("there is no"))
            try write("old", path + ".prev")
            for _ in 0..<2 {
                #expect(try run(shell, NodeScripts.restoreBinary, [path]).status == 0)
                #expect(try text(path) == "old")
            }
        }
    }

    /// What k3s' installer and homelab leave beside a unit and the binaries goes with them, and nothing of the operator's.
    @Test(arguments: shells) func whatIsBesideUnitsAndBinariesGoesWithThem(_ shell: [String]) throws {
        try withFolder { (folder: String) throws in
            let (units, binaries) = (folder + "/system", folder + "/bin")
            for path in [units + "/k3s.service.d", binaries] {
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            }
            for name in ["k3s.service", "k3s.service.env", "k3s-agent.service.env", "mine.service.env"] {
                try write("K3S_TOKEN=hunter2", "\(units)/\(name)")
            }
            let mine = ["k3s.backup", "k3s.old", "kubectl", "mine"]
            let ours = [
                "k3s-agent-uninstall.sh", "k3s-killall.sh", "k3s-uninstall.sh", "k3s.homelab-aB3x9Z", "k3s.homelab-back", "k3s.prev",
                "homelab.homelab-aB3x9Z", "homelab.new", "homelab.prev",
            ]
            for name in ["homelab", "k3s"] + mine + ours { try write("", "\(binaries)/\(name)") }
            for (name, target) in [("crictl", "k3s"), ("git-upload-pack", "homelab"), ("ctr", "/usr/bin/ctr")] {
                try FileManager.default.createSymbolicLink(atPath: "\(binaries)/\(name)", withDestinationPath: target)
            }
            let script =
                BootstrapAssets.programsScript
                + "set -u; take_unit $1 k3s.service; take_unit $1 k3s-agent.service; take_beside_binaries $2"
            for _ in 0..<2 {
                let result = try run(shell, script, [units, binaries])
                #expect(result.status == 0 && result.errors == "", "\(result)")
                #expect(result.output == "leaves \(units)/k3s.service.d, which homelab did not write\n")
                #expect(try list(units) == ["k3s.service.d", "mine.service.env"])
                #expect(try list(binaries) == (["ctr", "homelab", "k3s"] + mine).sorted())
            }
        }
    }

    /// Killed while the binary is copied, an installation leaves the part that it has.
    @Test(arguments: shells) func whatAnInterruptedInstallationBeganGoes(_ shell: [String]) throws {
        try withFolder { (folder: String) throws in
            let script = """
                cd "$1"
                mkfifo upload
                \(shell.joined(separator: " ")) -c "$2" homelab upload "$1/bin/k3s" none 2>/dev/null &
                until ls bin 2>/dev/null | grep -q .; do sleep 0.05; done
                sleep 0.2
                kill -9 $!
                : <>upload
                """
            #expect(try run(["/bin/sh"], script, [folder, NodeScripts.installBinary]).status == 0)
            #expect(try list(folder + "/bin").count == 1)
            #expect(try run(shell, BootstrapAssets.programsScript + "take_beside_binaries $1", [folder + "/bin"]).status == 0)
            #expect(try list(folder + "/bin") == [])
        }
    }

    @Test(arguments: shells) func imagesOfOtherVersionsGoAndForeignOnesStay(_ shell: [String]) throws {
        try withFolder { (folder: String) throws in
            let images = folder + "/images"
            try FileManager.default.createDirectory(atPath: images, withIntermediateDirectories: true)
            try write("old", images + "/homelab-0000000000000000.tar")
            try write("mine", images + "/airgap.tar")
            let target = images + "/homelab-2c26b46b68ffc68f.tar.zst"
            try write("bar", folder + "/upload")
            let sum = SHA256.hex(of: "foo")
            #expect(try run(shell, NodeScripts.installImages, [folder + "/upload", target, sum]).status != 0)
            #expect(try list(images) == ["airgap.tar", "homelab-0000000000000000.tar"])
            try write("foo", folder + "/upload")
            #expect(try run(shell, NodeScripts.installImages, [folder + "/upload", target, sum]).status == 0)
            #expect(try list(images) == ["airgap.tar", "homelab-2c26b46b68ffc68f.tar.zst"])
            #expect(!FileManager.default.fileExists(atPath: folder + "/upload"))
        }
    }

    @Test(arguments: shells) func onlyTheNamedKeysAreRevoked(_ shell: [String]) throws {
        try withFolder { (folder: String) throws in
            try FileManager.default.createDirectory(atPath: folder + "/.ssh", withIntermediateDirectories: true)
            let keys = folder + "/.ssh/authorized_keys"
            let kept = "ssh-ed25519 MINE me@laptop\nrestrict ssh-ed25519 A homelab-agent@home/s1\n"
            try write(kept + "restrict ssh-ed25519 B homelab-agent@home/s3\nrestrict ssh-ed25519 C homelab-fetch@home/s3\n", keys)
            let arguments = ["root", folder, "homelab-agent@home/s3", "homelab-fetch@home/s3"]
            for _ in 0..<2 {
                let result = try run(shell, NodeScripts.revokeKeys, arguments)
                #expect(result.status == 0, "\(result.errors)")
                #expect(try text(keys) == kept)
            }
        }
    }
}

/// OpenRC's services, with commands in a folder that write down what they are asked.
@Suite struct OpenRCTests {
    @Test func servicesOfOpenRC() throws {
        let commands = { (step: Step) throws in try step.commands(inputs: StepInputs()).map { Array($0.argv.suffix(2)) } }
        #expect(try commands(.enableUnit("k3s-agent")) == [["enable", "k3s-agent"]])
        #expect(try commands(.stopUnit("k3s-agent")) == [["stop", "k3s-agent"]])
        #expect(try commands(.stopUnit("k3s.service")) == [["homelab", "k3s.service"]])
    }

    /// What an uninstallation has taken away meanwhile counts as stopped; what does not stop is a failure.
    @Test(arguments: shells) func aUnitThatIsNotThereIsStopped(_ shell: [String]) throws {
        let folder = NSTemporaryDirectory() + "homelab-systemctl-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for (stop, cat, status) in [(0, 0, 0), (5, 1, 0), (1, 0, 1)] as [(Int, Int, Int32)] {
            try "#!/bin/sh\ncase $1 in stop) exit \(stop) ;; cat) exit \(cat) ;; esac\n"
                .write(toFile: folder + "/systemctl", atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder + "/systemctl")
            let process = Process()
            process.executableURL = URL(filePath: shell[0])
            process.arguments = Array(shell.dropFirst()) + ["-c", NodeScripts.stopUnit, "homelab", "k3s.service"]
            process.environment = ["PATH": folder + ":/usr/bin:/bin"]
            try process.run()
            process.waitUntilExit()
            #expect(process.terminationStatus == status, "stop \(stop), cat \(cat)")
        }
    }

    @Test(arguments: shells) func theScriptAsksForWhatTheStepSays(_ shell: [String]) throws {
        let folder = NSTemporaryDirectory() + "homelab-openrc-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for name in ["rc-service", "rc-update"] {
            try "#!/bin/sh\necho \"${0##*/} $*\" >>\(folder)/asked\n".write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder + "/" + name)
        }
        for verb in ["enable", "start", "restart", "stop"] {
            let process = Process()
            process.executableURL = URL(filePath: shell[0])
            process.arguments = Array(shell.dropFirst()) + ["-c", NodeScripts.openRC, "homelab", verb, "k3s-agent"]
            process.environment = ["PATH": folder + ":/usr/bin:/bin"]
            try process.run()
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
        }
        let asked = try String(contentsOfFile: folder + "/asked", encoding: .utf8)
        #expect(
            asked == """
                rc-update add k3s-agent default
                rc-service --ifstopped k3s-agent start
                rc-service k3s-agent restart
                rc-service --ifexists --ifstarted k3s-agent stop

                """)
    }
}
