import Foundation
import HomelabTestSupport
import KubernetesClient
import KubernetesModel
import Reconciliation
import Testing
import YAML

/// Whatever happens to a repository, the last good commit is enforced, and the GitRepository and its unit say what the matter is.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct SyncSourcesLive {
    let bed: SyncBed
    let host: GitHost
    let port: Int
    let url: String
    private static let name = "far-repository"

    init() throws {
        bed = try SyncBed.shared.get()
        host = try GitHost()
        port = try Loopback.freePort()
        url = try host.serve(port: port)
        try bed.startAgent()
    }

    /// A repository on the host, and a unit of it that has `title`; waits until it is Ready.
    private func begin(_ title: String, interval: String = "1s") async throws -> String {
        let commit = try host.push(["app/a.yaml": SyncFiles.config("from-afar", title)])
        try bed.push([
            "clusters/sync/r.yaml": """
            apiVersion: source.toolkit.fluxcd.io/v1
            kind: GitRepository
            metadata: {name: \(Self.name), namespace: default}
            spec: {url: "\(url)/open/home.git", interval: \(interval), ref: {branch: main}}

            """,
            "clusters/sync/u.yaml": SyncFiles.unit("afar", path: "app").replacing(
                "name: sync, namespace: homelab-system", with: "name: \(Self.name)"),
        ])
        try await bed.awaitUnit("afar", at: commit)
        return commit
    }

    /// The GitRepository is not Ready for a reason that has these words, and still what was good is enforced.
    private func awaitTrouble(_ words: String..., title: String) async throws {
        var found: FluxCondition?
        try await bed.eventually("the GitRepository says: \(words)") {
            found = try await bed.repository(Self.name)["Ready"]
            let text = "\(found?.reason ?? "") \(found?.message ?? "")"
            return found?.status == "False" && words.allSatisfy { text.contains($0) }
        }
        #expect(try bed.kubectl("delete", "configmap", "from-afar").succeeded)
        try await bed.eventually("what is gone comes back: \(found?.message ?? "")") { try await bed.title("from-afar") == title }
    }

    private func awaitCommit(_ commit: String, title: String) async throws {
        try await bed.awaitUnit("afar", at: commit)
        #expect(try await bed.title("from-afar") == title)
        try await bed.eventually("the GitRepository is Ready") { try await bed.repository(Self.name)["Ready"]?.status == "True" }
    }

    @Test func t01_anUnreachableHost() async throws {
        _ = try await begin("one")
        host.stopServing()
        try await awaitTrouble("GitOperationFailed", "refused", "the agent keeps trying", title: "one")
        // Not even a restart loses what was good.
        try await bed.stopAgent()
        #expect(try bed.kubectl("delete", "configmap", "from-afar").succeeded)
        try bed.startAgent()
        try await bed.eventually("the mirror's commit is enforced after a restart") { try await bed.title("from-afar") == "one" }
        let commit = try host.push(["app/a.yaml": SyncFiles.config("from-afar", "two")])
        _ = try host.serve(port: port)
        try await awaitCommit(commit, title: "two")
    }

    @Test func t02_aRewrittenHistory() async throws {
        _ = try await begin("one")
        let commit = try host.push(["app/a.yaml": SyncFiles.config("from-afar", "rewritten")], rewriting: true)
        var message = ""
        try await bed.eventually("the unit says so") {
            let events = try bed.kubectl(
                "get", "events", "--field-selector", "reason=HistoryRewritten", "-o", "jsonpath={.items[*].message}")
            message = events.output
            return message.contains("does not contain the applied commit")
        }
        #expect(try await bed.title("from-afar") == "one")
        #expect(try bed.kubectl("delete", "configmap", "from-afar").succeeded)
        try await bed.eventually("what is gone comes back") { try await bed.title("from-afar") == "one" }
        let command = try #require(message.range(of: "kubectl annotate").map { message[$0.lowerBound...] })
        #expect(try bed.kubectl(command.split(separator: " ").dropFirst().prefix(7).map(String.init)).succeeded, "\(command)")
        try await awaitCommit(commit, title: "rewritten")
    }

    @Test func t03_aDamagedMirror() async throws {
        _ = try await begin("one", interval: "1m")
        host.stopServing()
        try await bed.stopAgent()
        let mirrors = bed.folder + "/agent-0/state/sources/default"
        let mirror = try #require(try FileManager.default.contentsOfDirectory(atPath: mirrors).first { $0.hasPrefix(Self.name) })
        try Shell.must(["bash", "-c", "chmod -R u+w '\(mirrors)' && truncate --size=40 '\(mirrors)/\(mirror)'/objects/pack/*.pack"])
        try bed.startAgent()
        try await bed.eventually("it is told") {
            let condition = try await bed.repository(Self.name)["Ready"]
            let message = try await bed.unit("afar")?.ready?.message ?? ""
            return condition?.status == "False" || message.contains("made anew")
        }
        #expect(try await bed.title("from-afar") == "one", "nothing is pruned for that")
        let commit = try host.push(["app/a.yaml": SyncFiles.config("from-afar", "two")])
        _ = try host.serve(port: port)
        #expect(try bed.kubectl("annotate", "gitrepository", Self.name, "reconcile.fluxcd.io/requestedAt=now", "--overwrite").succeeded)
        try await awaitCommit(commit, title: "two")
    }

    @Test func t04_aFullDisk() async throws {
        _ = try await begin("one")
        let mirrors = bed.folder + "/agent-0/state/sources/default"
        // Those of the tests before are there, too.
        let newest = try Shell.must(["bash", "-c", "ls -td \(mirrors)/\(Self.name)* | head -n 1"])
        let mirror = newest.trimmingCharacters(in: .whitespacesAndNewlines)
        // A disk of its own for the mirror, with what it is now.
        let before = bed.folder + "/mirror-before"
        let disk = "mv '\(mirror)' \(before) && mkdir '\(mirror)' && mount -t tmpfs -o size=17m tmpfs '\(mirror)'"
        try Shell.must(["bash", "-c", "\(disk) && cp -a \(before)/. '\(mirror)'"])
        defer { _ = try? Shell.run(["umount", "--lazy", mirror]) }
        let noise = Data((0..<2_000_000).map { _ in UInt8.random(in: 0...255) }).base64EncodedString()
        let commit = try host.push(["app/a.yaml": SyncFiles.config("from-afar", "two"), "noise.txt": noise])
        try await awaitTrouble("ArchiveOperationFailed", "MiB are free for", "free some space on this server", title: "one")
        try Shell.must(["mount", "-o", "remount,size=64m", mirror])
        try await awaitCommit(commit, title: "two")
    }

    @Test func t05_aCorruptObjectStore() async throws {
        // Of the agent's own repository, which has no other copy: a commit whose files cannot be read.
        let good = try bed.push(["clusters/sync/a.yaml": SyncFiles.config("from-home", "one")])
        try await bed.awaitReady(at: good)
        let bare = bed.folder + "/home.git"
        let work = bed.folder + "/work"
        try SyncFiles.config("from-home", "two").write(toFile: work + "/clusters/sync/a.yaml", atomically: true, encoding: .utf8)
        let git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-C", work]
        try Shell.must(git + ["commit", "--quiet", "--all", "--message", "Change"])
        let commit = try Shell.must(git + ["rev-parse", "HEAD"]).trimmingCharacters(in: .whitespacesAndNewlines)
        let blob = try Shell.must(git + ["rev-parse", "HEAD:clusters/sync/a.yaml"]).trimmingCharacters(in: .whitespacesAndNewlines)
        let object = "/objects/\(blob.prefix(2))/\(blob.dropFirst(2))"
        // Everything but the blob, of which there are only a few bytes.
        try Shell.must([
            "bash", "-c",
            "cp -a --no-clobber '\(work)'/.git/objects/?? '\(bare)'/objects/ && chmod u+w '\(bare)\(object)' && truncate --size=8 '\(bare)\(object)'"
                + " && git -C '\(bare)' update-ref refs/heads/main \(commit)",
        ])
        try await bed.eventually("it is told") {
            let report = try await bed.report()
            return report?.source.problem == "RepositoryCorrupt" && report?.source.message.contains("git fsck") == true
        }
        #expect(try bed.kubectl("delete", "configmap", "from-home").succeeded)
        try await bed.eventually("what is gone comes back") { try await bed.title("from-home") == "one" }
        try Shell.must(["cp", "--force", work + "/.git" + object, bare + object])
        try await bed.awaitReady(at: commit, limit: 60)
        #expect(try await bed.title("from-home") == "two")
    }
}
