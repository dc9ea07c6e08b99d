import Git
import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

/// Commits that may not or cannot be used: what was applied stays enforced, and the status of each unit says why it is not ready.
extension UnitsTests {
    private static let files = [
        "clusters/home/a.yaml": unit("a", path: "a"), "clusters/home/b.yaml": unit("b", path: "b", more: "dependsOn: [{name: a}]"),
        "a/one.yaml": Files.config("one", name: "one", namespace: "default"),
        "b/two.yaml": Files.config("two", name: "two", namespace: "default"),
    ]
    private static let repository = ObjectKey(
        group: FluxKinds.gitRepository.group, kind: "GitRepository", namespace: "homelab-system", name: "home")
    private static let record = ObjectKey(group: "", kind: "ConfigMap", namespace: "homelab-system", name: "homelab-inventory-home")

    private func status(_ name: String) async -> KustomizationStatus? {
        await bench.api.object(Self.key(name)).map { KustomizationStatus(of: $0) }
    }

    private func title(_ name: String) async -> Value? { await bench.api.object(Self.config(name))?.value[path: "data", "title"] }

    private func revision(_ commit: CommitInfo) -> String { "main@sha1:\(commit.id.hex)" }

    private func accept(_ commit: CommitInfo, on key: ObjectKey) async {
        await bench.api.edit(key) {
            var annotations = $0[path: "metadata", "annotations"] ?? [:]
            annotations["homelab.dev/accept-history"] = .string(String(commit.id.hex.prefix(12)))
            $0["metadata"]?["annotations"] = annotations
        }
    }

    /// The unit is not ready because of a commit, and has another one applied.
    private func awaitHeld(_ name: String, _ commit: CommitInfo, since applied: CommitInfo) async throws {
        try await eventually("\(name) holds \(commit.id)", { await String(describing: status(name)) }) {
            let (found, words) = (await status(name), "commit \(commit.id.hex.prefix(12)) is held")
            return found?.conditions["Ready"]?.reason == "ArtifactFailed" && found?.conditions["Ready"]?.message.contains(words) == true
                && found?.lastAttemptedRevision == revision(commit)
        }
        #expect(await status(name)?.conditions["Ready"]?.status == "False")
        #expect(await status(name)?.lastAppliedRevision == revision(applied))
    }

    @Test(arguments: [repository, record])
    func `a rewritten history is in the status of each unit, and accepted once for all of them`(place: ObjectKey) async throws {
        let first = bench.repository.push(Self.files)
        try await bench.run { source in
            try await awaitReady("a", at: first)
            try await awaitReady("b", at: first)
            var files = Self.files
            files["clusters/home/a.yaml"] = Self.unit("a", path: "c")
            files["c/one.yaml"] = Files.config("rewritten", name: "one", namespace: "default")
            let other = bench.repository.push(files, onto: .some(nil))
            source.wake()
            for name in ["a", "b"] {
                try await awaitHeld(name, other, since: first)
                let message = await ready(name)?.message ?? ""
                let place = "gitrepository -n homelab-system home"
                let command = "kubectl annotate \(place) --overwrite homelab.dev/accept-history=\(other.id.hex.prefix(12)) "
                #expect(message.contains("does not contain the applied commit \(first.id.hex.prefix(12))"), "\(message)")
                #expect(message.contains(command), "\(message)")
                try await eventually("one Event") { await events(of: name, "HistoryRewritten").count == 1 }
            }
            await bench.api.remove(Self.config("one"))
            try await eventually("the old commit is enforced on") { await title("one") == "one" }
            await bench.api.edit(Self.key("a")) { $0["metadata"]?["annotations"]?["reconcile.fluxcd.io/requestedAt"] = "now" }
            try await eventually("the answer to a request") { await status("a")?.lastHandledReconcileAt == "now" }
            #expect(await ready("a")?.reason == "ArtifactFailed")
            // No unit builds what is accepted by a definition that its maker is about to change.
            bench.held.update { $0 = ["clusters/home"] }
            let builds = bench.built.value.count { $0 == "a" }
            await accept(other, on: place)
            try await Task.sleep(for: .milliseconds(500))
            bench.held.update { $0 = [] }
            try await awaitReady("a", at: other)
            try await awaitReady("b", at: other)
            try await bench.phase(.ready, at: other)
            #expect(await title("one") == "rewritten")
            #expect(bench.built.value.count { $0 == "a" } == builds)
        }
    }

    @Test func `what is accepted for one unit is held by the others, of which it waits for the revision only`() async throws {
        let first = bench.repository.push(Self.files)
        try await bench.run { source in
            try await awaitReady("b", at: first)
            var files = Self.files
            files["b/two.yaml"] = Files.config("rewritten", name: "two", namespace: "default")
            let other = bench.repository.push(files, onto: .some(nil))
            source.wake()
            try await awaitHeld("a", other, since: first)
            await accept(other, on: Self.key("b"))
            try await eventually("it waits", { await String(describing: ready("b")) }) {
                await ready("b")?.message == "dependency 'default/a' revision is not up to date"
            }
            await bench.api.remove(Self.config("two"))
            try await eventually("what it had is enforced on") { await title("two") == "two" }
            await accept(other, on: Self.key("a"))
            try await awaitReady("b", at: other)
            #expect(await title("two") == "rewritten")
            // Another commit takes the place of the one that is held.
            let third = bench.repository.push(Self.files, onto: .some(nil))
            source.wake()
            try await awaitHeld("a", third, since: other)
            let fourth = bench.repository.push(files, onto: other.id)
            source.wake()
            try await awaitReady("a", at: fourth)
        }
    }

    private var changedFiles: [String: String] {
        Self.files.merging(["a/one.yaml": Files.config("new", name: "one", namespace: "default")]) { $1 }
    }

    /// A commit that changes an object, and whose files cannot be read.
    private func pushUnreadable(_ kind: GitError.Kind, _ message: String) -> CommitInfo {
        let commit = bench.repository.push(changedFiles)
        bench.repository.fail(SourceProblem(GitError(kind, operation: "read the tree", message: message)), readingFilesOf: commit)
        return commit
    }

    @Test func `a commit whose files cannot be read is held, with a remedy, and tried again`() async throws {
        let clock = ForwardClock()
        var bench = bench
        bench.clock = clock
        let first = bench.repository.push(Self.files)
        try await bench.run { source in
            try await awaitReady("b", at: first)
            let second = pushUnreadable(.corrupt, "the object file is damaged")
            source.wake()
            for name in ["a", "b"] {
                try await awaitHeld(name, second, since: first)
                let message = await ready(name)?.message ?? ""
                for words in ["is damaged", "git fsck"] { #expect(message.contains(words), "\(message)") }
            }
            #expect(await title("one") == "one")
            bench.repository.fail(nil, readingFilesOf: second)
            clock.advance(by: .seconds(11))
            try await awaitReady("a", at: second)
            try await awaitReady("b", at: second)
            #expect(await title("one") == "new")
        }
    }

    @Test func `a commit that is too large is held, with a remedy, until there is another`() async throws {
        let clock = ForwardClock()
        var bench = bench
        bench.clock = clock
        let first = bench.repository.push(Self.files)
        try await bench.run { source in
            try await awaitReady("b", at: first)
            let second = pushUnreadable(.tooLarge, "its files are larger than 64 MiB together")
            source.wake()
            for name in ["a", "b"] {
                try await awaitHeld(name, second, since: first)
                let message = await ready(name)?.message ?? ""
                for words in ["larger than 64 MiB", ".sourceignore", "spec.ignore"] { #expect(message.contains(words), "\(message)") }
            }
            clock.advance(by: .seconds(60))
            try await Task.sleep(for: .milliseconds(300))
            #expect(bench.repository.reads.count { $0 == second.id } == 1, "reading it takes much, and ends as before")
            let third = bench.repository.push(changedFiles)
            source.wake()
            try await awaitReady("a", at: third)
            try await awaitReady("b", at: third)
            #expect(await title("one") == "new")
        }
    }

    @Test func `a commit without the directory of a unit gives it nothing to build, and what was applied stays`() async throws {
        bench.repository.push(Self.files)
        try await bench.run { source in
            try await awaitReady("a")
            var files = Self.files
            files["clusters/home/a.yaml"] = Self.unit("a", path: "nowhere")
            let second = bench.repository.push(files)
            source.wake()
            try await eventually("it is told", { await String(describing: ready("a")) }) { await ready("a")?.reason == "ArtifactFailed" }
            #expect(await ready("a")?.status == "False")
            #expect(await ready("a")?.message.contains("the commit has no directory nowhere") == true)
            #expect(await status("a")?.lastAttemptedRevision == revision(second))
            try await eventually("an Event") {
                await events(of: "a", "ArtifactFailed").contains { $0.contains("the commit has no directory nowhere") }
            }
            await bench.api.remove(Self.config("one"))
            try await eventually("the old commit is enforced on") { await title("one") == "one" }
            // A directory that is there and cannot be built is another matter.
            files["nowhere/broken.yaml"] = "kind: [\n"
            bench.repository.push(files)
            source.wake()
            try await eventually("the build fails") { await ready("a")?.reason == "BuildFailed" }
        }
    }
}
