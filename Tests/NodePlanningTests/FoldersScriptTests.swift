import BootstrapAssets
import Foundation
import NodePlanning
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

    /// With a lock file of its own: the real one is this machine's.
    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/flock"), "flock is not installed"), arguments: shells)
    func whatWasBegunBeforeIsWaitedForAndNamed(_ shell: String) throws {
        let lock = NSTemporaryDirectory() + "homelab-work-" + UUID().uuidString
        defer { for file in [lock, lock + ".begun"] { try? FileManager.default.removeItem(atPath: file) } }
        let begun = #"until [ "$(cat /proc/$!/comm)" = sleep ]; do sleep 0.05; done"#
        let script = BootstrapAssets.aloneScript.replacingOccurrences(of: "/run/homelab-work.lock", with: lock)
        func during(_ seconds: Int, _ command: String) throws -> (status: Int32, output: String) {
            try run([
                "/bin/sh", "-c",
                """
                (exec 9>\(lock); flock 9; exec sleep \(seconds)) &
                \(begun)
                \(shell) -uc "$1"; status=$?
                kill $! 2>/dev/null
                exit $status
                """, "sh", "\(script)\n\(command)",
            ])
        }
        // Longer than a busy machine takes to see who is at work.
        let ended = try during(10, "alone 60 || exit; echo taken")
        #expect(ended.status == 0 && ended.output.hasSuffix("taken\n"), "\(ended)")
        #expect(ended.output.hasPrefix("waits for what was begun here before: process "), "\(ended)")
        let refused = try during(60, "alone 1 || exit; echo taken")
        #expect(refused.status == 1 && !refused.output.contains("taken"), "\(refused)")
        #expect(refused.output.contains("has not ended: process ") && refused.output.contains("sleep 60)"), "\(refused)")
        let asked = try during(60, "idle")
        #expect(asked.status == NodeWork.busyStatus && asked.output.contains(" (sleep 60)"), "\(asked)")
        let idle = try run(["/bin/sh", "-c", "\(shell) -uc \"$1\"", "sh", script + "idle"])
        #expect(idle.status == 0 && idle.output == "", "\(idle)")
        // Its children hold the lock on when it is killed itself, and it is free when they have ended.
        let killed = try run([
            "/bin/sh", "-c",
            "\(shell) -uc \"$1\" & until [ -e \(lock).begun ]; do sleep 0.05; done; kill -9 $!; \(shell) -uc \"$2\"", "sh",
            "\(script)\nalone 1; sleep 10 & \(begun); : >\(lock).begun; wait",
            script + "idle || { alone 60; echo free; }",
        ])
        #expect(killed.output.contains(" (sleep 10)") && killed.output.hasSuffix("free\n"), "\(killed)")
    }
}
