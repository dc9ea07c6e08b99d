import Git
import HomelabTestSupport
import KubernetesModel
import SyncPlanning
import Testing
import YAML

@testable import Reconciliation

/// Units made by another unit of the same repository, and commits that change what they are.
extension UnitsTests {
    private static let denied = ClusterError(.forbidden, subject: "Kustomization default/apps", message: "admission webhook denied it")

    private static func text(_ title: String, _ name: String) -> String { Files.config(title, name: name, namespace: "default") }

    private func title(_ name: String) async -> String? {
        await bench.api.object(Self.config(name))?.value[path: "data", "title"]?.string
    }

    private func owner(_ name: String) async -> String? {
        await bench.api.object(Self.config(name)).flatMap { Ownership(of: $0)?.name }
    }

    private func count(_ path: String) -> Int { bench.built.value.count { $0 == path } }

    /// The unit `apps` of the directory a, which the next commit gives to another.
    private func files() -> [String: String] {
        [
            "clusters/home/apps.yaml": Self.unit("apps", path: "a"), "a/one.yaml": Self.text("old", "one"),
            "b/two.yaml": Self.text("old", "two"),
        ]
    }

    @Test func `a unit with a new path builds nothing of the commit by its old one`() async throws {
        var files = files()
        bench.repository.push(files)
        try await bench.run { source in
            try await awaitReady("apps")
            files["clusters/home/apps.yaml"] = Self.unit("apps", path: "b")
            files["clusters/home/other.yaml"] = Self.unit("other", path: "a")
            files["a/new.yaml"] = Self.text("new", "new")
            bench.held.update { $0 = ["clusters/home"] }
            let built = count("a")
            let second = bench.repository.push(files)
            source.wake()
            try await Task.sleep(for: .milliseconds(1200))
            #expect(count("a") == built && bench.built.value.last != "b")
            #expect(await bench.api.object(Self.config("new")) == nil)
            // What was applied is kept meanwhile.
            await bench.api.edit(Self.config("one")) { $0["data"]?["title"] = "by hand" }
            try await eventually("it is set right") { await title("one") == "old" }
            bench.held.update { $0 = [] }
            try await awaitReady("apps", at: second)
            try await awaitReady("other", at: second)
            #expect(await owner("new") == "other")
            #expect(count("a") == built + 1)
            try await eventually("both have theirs") {
                let owners = [await owner("one"), await owner("two")]
                return owners == ["other", "apps"]
            }
        }
    }

    @Test func `a maker that does not come to look at a commit is waited for a short time only`() async throws {
        let clock = ForwardClock()
        var bench = bench
        bench.clock = clock
        var files = files()
        bench.repository.push(files)
        try await bench.run { source in
            try await awaitReady("apps")
            files["a/one.yaml"] = Self.text("new", "one")
            files["clusters/home/note.yaml"] = Self.text("1", "note")
            bench.held.update { $0 = ["clusters/home"] }
            bench.repository.push(files)
            source.wake()
            try await Task.sleep(for: .milliseconds(1000))
            #expect(await title("one") == "old")
            // Its time begins when it has seen the commit, which may still be to come.
            try await eventually("it is applied without the maker") {
                clock.advance(by: .seconds(16))
                return await title("one") == "new"
            }
            bench.held.update { $0 = [] }
        }
    }

    @Test func `a unit that begins before its maker waits until that one has begun too`() throws {
        let board = UnitBoard()
        let (maker, unit) = (Ownership(namespace: "default", name: "maker"), Ownership(namespace: "default", name: "apps"))
        let commit = try #require(ObjectID(String(repeating: "1", count: 40)))
        board.expect([maker, unit])
        let bell = Bell()
        board.register(unit, bell: bell, source: nil, cluster: nil, dependsOn: [], isIdle: false, parent: maker)
        #expect(board.parentWait(of: unit, at: commit)?.reason == "waits until default/maker has begun")
        board.register(maker, bell: Bell(), source: nil, cluster: nil, dependsOn: [], isIdle: false)
        #expect(board.parentWait(of: unit, at: commit)?.reason == "waits until default/maker has looked at 111111111111")
        board.passOver(maker, commit)
        #expect(board.parentWait(of: unit, at: commit) == nil, "one that holds the commit is not waited for")
        let wait = board.parentWait(of: unit, at: commit, isAccepted: true)
        #expect(wait?.isBounded == true, "one that is about to go on with it is, for a while")
        board.remove(maker)
        #expect(board.parentWait(of: unit, at: commit) == nil, "one that nobody expects is not waited for")
    }

    @Test func `a unit waits for a definition that the server refuses, says why, and a newer commit ends that`() async throws {
        var files = files()
        bench.repository.push(files)
        try await bench.run { source in
            try await awaitReady("apps")
            await bench.api.fail(.apply, name: "apps", with: Self.denied, times: 1000)
            files["clusters/home/apps.yaml"] = Self.unit("apps", path: "b")
            files["a/new.yaml"] = Self.text("new", "new")
            bench.repository.push(files)
            source.wake()
            try await awaitReady("apps", "False")
            try await eventually("the reason", { "\(String(describing: await ready("apps")))" }) {
                let message = await ready("apps")?.message ?? ""
                return message.contains("waits until homelab-system/home has applied what") && message.hasSuffix("webhook denied it")
            }
            #expect(await bench.api.object(Self.config("new")) == nil)
            files["clusters/home/apps.yaml"] = Self.unit("apps", path: "a")
            let third = bench.repository.push(files)
            source.wake()
            try await eventually("the new commit is applied") { await title("new") == "new" }
            try await awaitReady("apps", at: third)
        }
    }

    @Test func `a unit that a commit removes does not touch what the commit puts into its directory`() async throws {
        var files = files()
        files["clusters/home/fence.yaml"] = Self.unit("fence", path: "b")
        bench.repository.push(files)
        try await bench.run { source in
            try await awaitReady("apps")
            try await awaitReady("fence")
            files["clusters/home/apps.yaml"] = Self.unit("heir", path: "a")
            files["a/one.yaml"] = Self.text("new", "one")
            files["a/new.yaml"] = Self.text("new", "new")
            bench.held.update { $0 = ["clusters/home"] }
            let second = bench.repository.push(files)
            source.wake()
            try await Task.sleep(for: .milliseconds(800))
            #expect(await title("one") == "old")
            #expect(await bench.api.object(Self.config("new")) == nil)
            let uid = await bench.api.object(Self.config("one"))?.uid
            bench.held.update { $0 = [] }
            try await awaitReady("heir", at: second)
            try await eventually("the unit is gone") { await bench.api.object(Self.key("apps")) == nil }
            let (one, new, text) = (await owner("one"), await owner("new"), await title("one"))
            #expect(one == "heir" && new == "heir" && text == "new")
            #expect(await bench.api.object(Self.config("one"))?.uid == uid)
        }
    }

    @Test func `a unit that left and is not pruned goes on`() async throws {
        let parent = Self.unit("parent", path: "units").replacing("prune: true", with: "prune: false")
        var files = [
            "clusters/home/parent.yaml": parent, "units/apps.yaml": Self.unit("apps", path: "a"),
            "units/stays.yaml": Self.text("1", "stays"), "a/one.yaml": Self.text("old", "one"),
        ]
        bench.repository.push(files)
        try await bench.run { source in
            try await awaitReady("apps")
            files["units/apps.yaml"] = nil
            files["a/one.yaml"] = Self.text("new", "one")
            let second = bench.repository.push(files)
            source.wake()
            try await awaitReady("apps", at: second)
            #expect(await title("one") == "new")
        }
    }

    @Test func `a maker that cannot be built, or has trouble of its own, delays no unit`() async throws {
        var files = files()
        bench.repository.push(files)
        try await bench.run { source in
            try await awaitReady("apps")
            files["clusters/home/broken.yaml"] = "kind: [\n"
            files["a/one.yaml"] = Self.text("beside a broken tree", "one")
            let second = bench.repository.push(files)
            source.wake()
            try await awaitReady("apps", at: second)
            #expect(await title("one") == "beside a broken tree")
            // Another object is refused, and one never becomes healthy.
            files["clusters/home/broken.yaml"] = Self.text("1", "refused") + "---\n" + Files.namespace + "---\n" + Files.deployment()
            await bench.api.fail(.apply, name: "refused", with: Self.denied, times: 1000)
            files["a/one.yaml"] = Self.text("beside what is refused", "one")
            let third = bench.repository.push(files)
            source.wake()
            try await awaitReady("apps", at: third)
            #expect(await title("one") == "beside what is refused")
            try await bench.phase(.applyFailed)
        }
    }

    @Test func `the units of a suspended one go on, and those of one that is made by another wait for both`() async throws {
        var files = [
            "clusters/home/parent.yaml": Self.unit("parent", path: "units"), "units/apps.yaml": Self.unit("apps", path: "a"),
            "a/one.yaml": Self.text("old", "one"),
        ]
        bench.repository.push(files)
        try await bench.run { source in
            try await awaitReady("apps")
            try await awaitReady("parent")
            bench.held.update { $0 = ["clusters/home"] }
            files["clusters/home/more.yaml"] = Self.text("1", "more")
            files["a/one.yaml"] = Self.text("new", "one")
            let second = bench.repository.push(files)
            source.wake()
            try await Task.sleep(for: .milliseconds(800))
            #expect(await title("one") == "old")
            bench.held.update { $0 = [] }
            try await awaitReady("apps", at: second)
            #expect(await title("one") == "new")
            await bench.api.edit(Self.key("parent")) { $0["spec"]?["suspend"] = true }
            try await eventually("the agent has seen it") {
                bench.monitor.value.units[Ownership(namespace: "default", name: "parent")] == false
            }
            files["units/apps.yaml"] = Self.unit("apps", path: "b")
            files["a/one.yaml"] = Self.text("newest", "one")
            let third = bench.repository.push(files)
            source.wake()
            try await awaitReady("apps", at: third)
            #expect(await title("one") == "newest")
        }
    }

    @Test func `a unit's definition that moves to another maker is waited for there`() async throws {
        var files = [
            "clusters/home/p.yaml": Self.unit("p", path: "p"), "clusters/home/q.yaml": Self.unit("q", path: "q"),
            "p/apps.yaml": Self.unit("apps", path: "a"), "p/stays.yaml": Self.text("1", "in-p"), "q/stays.yaml": Self.text("1", "in-q"),
            "a/one.yaml": Self.text("old", "one"),
        ]
        bench.repository.push(files)
        try await bench.run { source in
            for unit in ["p", "q", "apps"] { try await awaitReady(unit) }
            let uid = await bench.api.object(Self.key("apps"))?.uid
            files["q/apps.yaml"] = files.removeValue(forKey: "p/apps.yaml")
            files["a/one.yaml"] = Self.text("new", "one")
            let second = bench.repository.push(files)
            source.wake()
            try await awaitReady("apps", at: second)
            let object = try #require(await bench.api.object(Self.key("apps")))
            #expect(await title("one") == "new")
            #expect(object.uid == uid && Ownership(of: object)?.name == "q")
        }
    }
}
