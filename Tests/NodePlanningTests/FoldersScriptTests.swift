import BootstrapAssets
import Foundation
import Testing

private let canMount = (try? run(["/usr/bin/unshare", "-m", "true"]).status) == 0

private let shells: [String] = ["/bin/dash", "/bin/bash --posix", "/bin/busybox sh"].filter {
    FileManager.default.isExecutableFile(atPath: String($0.prefix { $0 != " " }))
}

private func run(_ command: [String]) throws -> (status: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(filePath: command[0])
    process.arguments = Array(command.dropFirst())
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, text)
}

/// Folders that are taken away where disks are mounted in them and links lead elsewhere: the script's own functions, in a mount namespace.
@Suite(.enabled(if: canMount, "mounts take root, and a kernel that lets it")) struct FoldersScriptTests {
    /// Runs `prepare`, then with the script's functions `body`, in a tmpfs that nobody else sees, and prints what is left there.
    private func left(_ shell: String, prepare: String, _ body: String) throws -> String {
        let folder = NSTemporaryDirectory() + "homelab-folders-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let outer = """
            set -eu
            mount -t tmpfs none "$1"
            cd "$1"
            disk() { mkdir -p "$1"; mount -t tmpfs none "$1"; }
            file() { mkdir -p "${1%/*}"; echo "$1" >"$1"; }
            \(prepare)
            \(shell) -uc "$2" homelab "$PWD"
            echo --
            find . -mindepth 1 | LC_ALL=C sort
            """
        let inner = """
            \(BootstrapAssets.foldersScript)
            kubelet=$1/kubelet pods=$1/kubelet/pods
            \(body)
            left
            """
        let result = try run(["/usr/bin/unshare", "-m", "/bin/sh", "-c", outer, "sh", folder, inner])
        #expect(result.status == 0, "\(shell): \(result.output)")
        return result.output.replacingOccurrences(of: folder, with: "")
    }

    @Test(arguments: shells) func disksInAFolderLoseTheirContentAndStayMounted(_ shell: String) throws {
        let said = try left(
            shell,
            prepare: """
                disk k3s/agent; disk "k3s/storage 1"; disk "k3s/storage 1/deep"
                file k3s/server/tls/ca.key; file k3s/agent/a.crt; file k3s/agent/containerd/x/y; file "k3s/storage 1/deep/b c"
                """, "take_k3s $1/k3s")
        #expect(said == "--\n./k3s\n./k3s/agent\n./k3s/storage 1\n./k3s/storage 1/deep\n")
    }

    @Test(arguments: shells) func aLinkGoesAfterAllThatK3sPutWhereItLeads(_ shell: String) throws {
        let said = try left(
            shell,
            prepare: """
                disk ssd; file ssd/server/tls/ca.key; file ssd/photos/1; file ssd/data/current/k3s; ln -s "$PWD/ssd" k3s
                file far/x/1; mkdir ssd/agent; ln -s "$PWD/far" ssd/agent/containerd
                file volumes/pvc-1/1; file volumes/mine; ln -s ../volumes ssd/storage
                """, "take_k3s $1/k3s")
        #expect(said == "--\n./ssd\n./ssd/photos\n./ssd/photos/1\n./volumes\n./volumes/mine\n")
    }

    @Test(arguments: shells) func aVolumeOfAPodThatIsStillMountedIsNeverCleared(_ shell: String) throws {
        let prepare = """
            file host/precious; file kubelet/cpu_manager_state; mkdir -p kubelet/pods/u/volume
            mount --bind host kubelet/pods/u/volume; disk kubelet/plugins; file kubelet/plugins/x
            """
        let kept = try left(shell, prepare: prepare, "take_kubelet $1/kubelet")
        #expect(kept.hasPrefix("cannot unmount /kubelet/pods/u/volume\n/kubelet/") && kept.contains("./host/precious\n"), "\(kept)")
        let said = try left(shell, prepare: prepare, "unmount \"$kubelet/\" '*/*'; take_kubelet $1/kubelet")
        #expect(said == "--\n./host\n./host/precious\n./kubelet\n./kubelet/plugins\n")
    }

    @Test(arguments: shells) func whatCannotBeRemovedIsNamedAndALinkToItStays(_ shell: String) throws {
        let said = try left(
            shell,
            prepare: """
                file ssd/server/tls/ca.key; ln -s "$PWD/ssd" k3s; disk k3s/server/held; file ssd/server/held/x
                mount -o remount,ro ssd/server/held; ln -s nowhere gone
                """, "take_k3s $1/k3s; take $1/gone")
        #expect(
            said == """
                /gone leads to /nowhere, which is not there: what may be on it stays
                /ssd/server/held/x
                --
                ./k3s
                ./ssd
                ./ssd/server
                ./ssd/server/held
                ./ssd/server/held/x

                """)
    }

    /// The part of the script that waits, with a lock file of its own.
    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/flock"), "flock is not installed"), arguments: shells)
    func anUninstallationThatDoesNotEndIsNamed(_ shell: String) throws {
        let script = BootstrapAssets.uninstallScript
        let begin = try #require(script.range(of: "# One that was begun")), end = try #require(script.range(of: "# k3s brings iptables"))
        let lock = NSTemporaryDirectory() + "homelab-uninstall-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: lock) }
        let part = script[begin.lowerBound..<end.lowerBound].replacingOccurrences(of: "/run/homelab-uninstall.lock", with: lock)
        func waiting(_ patience: Int, holding seconds: Int) throws -> (status: Int32, output: String) {
            let text = part.replacingOccurrences(of: "patience=180", with: "patience=\(patience)")
            return try run([
                "/bin/sh", "-c",
                """
                flock \(lock) sleep \(seconds) &
                sleep 0.5
                \(shell) -uc "$1"; status=$?
                exit $status
                """, "sh", "has() { command -v \"$1\" >/dev/null; }\n\(text)\necho taken",
            ])
        }
        let ended = try waiting(60, holding: 3)
        #expect(ended.status == 0 && ended.output.hasSuffix("taken\n"), "\(ended)")
        #expect(ended.output.hasPrefix("waits for an uninstallation that was begun before: process "), "\(ended)")
        let refused = try waiting(1, holding: 6)
        #expect(refused.status == 1 && !refused.output.contains("taken"), "\(refused)")
        #expect(refused.output.contains("has not ended: process ") && refused.output.contains("sleep 6)"), "\(refused)")
    }
}
