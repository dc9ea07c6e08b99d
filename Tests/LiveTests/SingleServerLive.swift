import Foundation
import Testing

/// The smallest cluster there is, on SQLite: another version of k3s, then etcd in SQLite's place. All of it over the narrowest way in: a password
/// for the login and for sudo, through a jump host, on another port, to a user whose shell is no POSIX shell.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct SingleServerLive {
    static let lab = Lab.made("livesql") { lab in
        try lab.lab("up", "m1:port=2222,sudo=pass,shell=/bin/tcsh", "way")
        try lab.on("m1", "rm /home/debian/.ssh/authorized_keys")
        try "homelab-debian\n".write(toFile: lab.folder + "/password", atomically: true, encoding: .utf8)
        try lab.writeInventory([try server(lab)])
        let result = try lab.bootstrap()
        guard result.succeeded else { throw Shell.Failure(command: ["homelab", "bootstrap"], result: result) }
        try result.text.write(toFile: lab.folder + "/made", atomically: true, encoding: .utf8)
        try lab.change("create", "configmap", "before", "-n", "default")
    }

    let lab: Lab

    init() throws { lab = try Self.lab.get() }

    private static func server(_ lab: Lab) throws -> String {
        let way = """
                port: 2222
                password: {file: \(lab.folder)/password}
                sudoPassword: {file: \(lab.folder)/password}
                jump:
                  - host: \(try lab.lab("ip", "way"))
                    user: debian
                    identityFile: \(lab.identity)
                    hostKeys: [\(try lab.lab("hostkey", "way"))]
            """
        return try lab.node("m1", role: "server", more: way)
    }

    private func plan() throws -> Shell.Result {
        try lab.homelab("plan", "--agent-binary", "amd64=" + Lab.binary, "--kubeconfig", lab.kubeconfig)
    }

    private func database() throws -> String { try lab.on("m1", "ls /var/lib/rancher/k3s/server/db").output }

    @Test func t00_whatIsSaidOfOneServer() throws {
        let said = try String(contentsOfFile: lab.folder + "/made", encoding: .utf8)
        for words in [
            "Looking at 1 machine(s) of inventory/home.yaml\n", "] first server: m1\n", "m1: wait for the k3s server: done in ",
            "m1: wait for node m1: done in ", "m1: wait for the homelab agent: done in ", "kubeconfig: \(lab.kubeconfig)\n",
            "The first server holds the repository. Push to it, and what is pushed runs:\n",
            "  git remote add cluster ssh://debian@\(try lab.lab("ip", "m1")):2222/var/lib/homelab/repository.git\n",
        ] { #expect(said.contains(words), "\(words) is not in\n\(said)") }
    }

    @Test func t01_anUpgradeCopiesTheDatabaseFirst() throws {
        #expect(try database().contains("state.db\n"))
        try lab.writeInventory([try Self.server(lab)], version: "v1.20.3+k3s1")
        let planned = try plan()
        #expect(planned.status == 2, "\(planned.text)")
        #expect(planned.output.contains("bring the copy here with the cluster's token"), "\(planned.text)")
        let (copies, backups) = ("/var/lib/rancher/k3s/server/homelab-copies", lab.folder + "/.local/state/homelab/backups")
        // There is no room for the copy: k3s is stopped for it, and must not stay so.
        try lab.on("m1", "mkdir -p \(copies) && mount -t tmpfs -o size=64k tmpfs \(copies)")
        let full = try lab.bootstrap()
        #expect(full.status == 1 && full.text.contains("cannot copy the database"), "\(full.text)")
        #expect(full.text.contains("m1: is left in use: start k3s.service"), "\(full.text)")
        #expect(try lab.on("m1", "umount \(copies)").succeeded)
        try expectInUse("v1.20.2+k3s1")
        try interruptTheCopy()
        try lab.on("m1", "rm \(copies)/*; cd \(copies) && for n in 1 2 3 4 5 6 7; do >sqlite-2026010${n}T000000Z.tar; done; >mine")
        for day in 1...7 {
            let folder = "\(backups)/home-2026-01-0\(day)T00-00-00Z"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try "".write(toFile: folder + "/sqlite-2026010\(day)T000000Z.tar", atomically: true, encoding: .utf8)
        }
        let result = try lab.bootstrap()
        #expect(result.succeeded, "\(result.text)")
        #expect(result.output.contains("m1: bring the copy of the database: done"), "\(result.text)")
        // The newest five of those that homelab made stay, there and here.
        let there = try lab.on("m1", "ls \(copies)").output.split(separator: "\n").map(String.init)
        let days = (4...7).map { "2026010\($0)" }
        #expect(there.count == 6 && there.contains("mine") && days.allSatisfy { there.contains("sqlite-\($0)T000000Z.tar") }, "\(there)")
        let here = try FileManager.default.contentsOfDirectory(atPath: backups).sorted()
        #expect(here.count == 5 && here.prefix(4) == (4...7).map { "home-2026-01-0\($0)T00-00-00Z" }[...], "\(here)")
        let version = try lab.kubectl("get", "node", "m1", "-o", "jsonpath={.status.nodeInfo.kubeletVersion}").output
        #expect(version == "v1.20.3+k3s1")
        #expect(try lab.kubectl("get", "configmap", "before", "-n", "default").succeeded)
        let kept = try lab.run(["find", lab.folder + "/.local/state/homelab/backups", "-type", "f", "-printf", "%f %m %s\n"]).output
        #expect(kept.contains("token 600 ") && kept.split(separator: "\n").count >= 2, "\(kept)")
    }

    private func expectInUse(_ version: String) throws {
        try lab.wait("the API is there as before", limit: 120) {
            try lab.kubectl("get", "node", "m1", "-o", "jsonpath={.status.nodeInfo.kubeletVersion}").output == version
        }
    }

    /// k3s is down while its database is copied: whatever becomes of the run, it must not stay so, nor start before the copy has ended.
    private func interruptTheCopy() throws {
        let slow = "/usr/local/sbin/tar"
        try lab.on("m1", #"printf '#!/bin/sh\n[ "$1" != -cf ] || sleep 25\nexec /bin/tar "$@"\n' >"# + "\(slow); chmod 755 \(slow)")
        let run = try lab.startBootstrap()
        try lab.wait(run, "m1: copy the database\n")
        try lab.wait("a copy under way", limit: 60) { try lab.on("m1", "pgrep -xf 'sleep 25'").succeeded }
        run.interrupt()
        let stopped = run.end(limit: 90)
        #expect(stopped.status == 130, "\(stopped.text)")
        for words in [
            "m1: copy the database: skipped: stopped", "m1: is left in use: start k3s.service\n",
            "m1: start k3s.service: waits for what was begun there before: process ", "m1: start k3s.service: done in ",
        ] { #expect(stopped.output.contains(words), "\(words) is not in\n\(stopped.text)") }
        try expectInUse("v1.20.2+k3s1")
        try lab.cutBootstrap("m1", in: "upgrade servers", at: "m1: copy the database")
        try lab.on("m1", "rm \(slow)")
    }

    @Test func t02_itsDataMoveToEtcd() throws {
        let text = try String(contentsOfFile: lab.inventory, encoding: .utf8)
        try lab.write(text.replacingOccurrences(of: "k3s:\n", with: "k3s:\n  datastore: etcd\n"), to: "inventory/home.yaml")
        let planned = try plan()
        #expect(planned.status == 2 && planned.output.contains("cluster-init"), "\(planned.text)")
        let moving = try lab.startBootstrap()
        try lab.wait(moving, "m1: wait for the k3s server\n")
        moving.interrupt()
        #expect(moving.end(limit: 60).status == 130)
        let result = try lab.bootstrap()
        #expect(result.succeeded, "\(result.text)")
        #expect(try database().contains("state.db.migrated"))
        #expect(try lab.kubectl("get", "configmap", "before", "-n", "default").succeeded)
        #expect(try lab.kubectl("get", "nodes", "-l", "node-role.kubernetes.io/etcd=true", "-o", "name").output == "node/m1\n")
        #expect(try plan().status == 0)
    }

    @Test func t03_ofItsOwnSnapshotsTheNewestFiveStay() throws {
        let folder = "/var/lib/rancher/k3s/server/db/snapshots"
        let old = "for n in 1 2 3 4 5 6 7; do >homelab-before-removal-m1-170000000$n; done; >nightly-m1-1700000000"
        try lab.on("m1", "mkdir -p \(folder) && cd \(folder) && \(old)")
        try lab.writeInventory([try Self.server(lab)], version: "v1.20.4+k3s1", k3s: "  datastore: etcd\n")
        // No upgrade begins without a way back.
        try lab.on("m1", "mount -t tmpfs -o size=64k tmpfs \(folder)")
        let full = try lab.bootstrap()
        #expect(full.status == 1 && full.text.contains(#"node "m1": cannot save a snapshot of etcd"#), "\(full.text)")
        #expect(full.text.contains("Free space on the node"), "\(full.text)")
        #expect(try lab.on("m1", "umount \(folder) && systemctl is-active k3s").output == "active\n")
        try expectInUse("v1.20.3+k3s1")
        let result = try lab.bootstrap()
        #expect(result.succeeded && result.output.contains("m1: save a snapshot of etcd: done"), "\(result.text)")
        let left = try lab.on("m1", "ls \(folder)").output.split(separator: "\n").map(String.init)
        let kept = (4...7).map { "homelab-before-removal-m1-170000000\($0)" }
        #expect(left.count == 6 && left.prefix(4) == kept[...] && left.last == "nightly-m1-1700000000", "\(left)")
        #expect(left[4].hasPrefix("homelab-before-v1.20.4-k3s1-m1-"), "\(left)")
        #expect(try lab.homelab("snapshot", "list").output.contains(left[4]))
    }

    @Test func t04_tearDown() throws { try lab.tearDown() }
}
