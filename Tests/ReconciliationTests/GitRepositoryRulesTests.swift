import Cryptography
import Foundation
import Git
import HomelabTestSupport
import KubernetesModel
import Kustomize
import Testing
import YAML

@testable import Reconciliation

/// What a GitRepository makes of its commits, with real commits of a real git, signed by ssh-keygen.
@Suite(.serialized) struct GitRepositoryRulesTests {
    let host: GitHost
    let root: String
    let api = FakeClusterAPI()

    init() throws {
        host = try GitHost()
        root = try host.serve()
    }

    private static func key(_ name: String) -> ObjectKey {
        ObjectKey(group: FluxKinds.gitRepository.group, kind: "GitRepository", namespace: "default", name: name)
    }

    private func object(_ name: String, _ spec: Value, requested: String = "") -> Manifest {
        var spec = spec
        spec["interval"] = "1h"
        if spec["url"] == nil { spec["url"] = .string(root + "/open/home.git") }
        if spec["ref"] == nil { spec["ref"] = ["branch": "main"] }
        var metadata: Value = ["name": .string(name), "namespace": "default"]
        if !requested.isEmpty { metadata["annotations"] = ["reconcile.fluxcd.io/requestedAt": .string(requested)] }
        return Manifest([
            "apiVersion": .string(FluxKinds.gitRepository.apiVersion), "kind": "GitRepository", "metadata": metadata, "spec": spec,
        ])
    }

    private func running(_ body: (SourceRegistry) async throws -> Void) async throws {
        await api.register(APIResource(kind: FluxKinds.gitRepository, plural: "gitrepositories", isNamespaced: true))
        let clock = SystemClock()
        let own = GitSource(repository: MemoryRepository(), clock: clock, pollInterval: .seconds(3600))
        let folder = host.folder
        let namespaces = NamespaceFollowers(api: api, clock: clock)
        let registry = SourceRegistry(own: own, urls: [], api: api, clock: clock, namespaces: namespaces) { spec, _ in
            let submodules = RemoteCommits(directory: folder + "/modules") { HTTPGitTransport(url: $0, transport: LoopbackHTTP()) { nil } }
            return RemoteRepository(
                transport: HTTPGitTransport(url: spec.url, transport: LoopbackHTTP()) { nil }, following: try FollowedReference(spec),
                mirror: "\(folder)/\(spec.name).git", submodules: spec.recursesSubmodules ? submodules : nil
            ) { _ in }
        }
        let task = Task { await registry.run() }
        defer { task.cancel() }
        try await body(registry)
    }

    private func put(_ manifest: Manifest, _ registry: SourceRegistry) async {
        await registry.take(await api.put(manifest))
    }

    private func condition(_ name: String, _ type: String) async -> FluxCondition? {
        FluxConditions(await api.object(Self.key(name))?.value[path: "status", "conditions"])[type]
    }

    private func revision(_ name: String) async -> String {
        await api.object(Self.key(name))?.value[path: "status", "artifact", "revision"]?.string ?? ""
    }

    private func status(_ name: String, _ field: String) async -> Value? { await api.object(Self.key(name))?.value[path: "status", field] }

    private func awaitReady(_ name: String, _ status: String, at commit: String) async throws {
        try await eventually("\(name) \(status)", { await String(describing: api.object(Self.key(name))?.value["status"]) }) {
            let isThere = await revision(name) == "main@sha1:\(commit)"
            return await condition(name, "Ready")?.status == status && isThere
        }
    }

    @Test func `only what a trusted person signed counts, and the last such commit stays`() async throws {
        for name in ["ann", "bob"] {
            try Loopback.run("/usr/bin/ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", "\(host.folder)/\(name)"])
        }
        func sign(_ name: String?) throws {
            try GitHost.git("-C", host.work, "config", "gpg.format", "ssh")
            try GitHost.git("-C", host.work, "config", "user.signingkey", "\(host.folder)/\(name ?? "ann")")
            try GitHost.git("-C", host.work, "config", "commit.gpgsign", name == nil ? "false" : "true")
        }
        let line = try String(contentsOfFile: host.folder + "/ann.pub", encoding: .utf8)
        let spec: Value = ["verify": ["mode": "HEAD", "secretRef": ["name": "signers"]]]
        try sign("ann")
        let first = try host.push(["a.yaml": "a: 1\n"])
        try await running { registry in
            await put(object("signed", spec), registry)
            try await eventually("the missing Secret is told") {
                await condition("signed", "Ready")?.message.contains("Secret/default/signers") == true
            }
            let unchecked = await condition("signed", "SourceVerified")
            #expect(unchecked?.status == "False" && unchecked?.reason == "VerificationError")
            let secret: Value = [
                "apiVersion": "v1", "kind": "Secret", "metadata": ["name": "signers", "namespace": "default"],
                "data": ["ann.sshpub": .string(Base64.encode(Array(line.utf8)))],
            ]
            await api.put(Manifest(secret))
            await put(object("signed", spec, requested: "1"), registry)
            try await awaitReady("signed", "True", at: first)
            #expect(await condition("signed", "SourceVerified")?.message.contains("verified signature of commit '\(first)'") == true)
            for signer in ["bob", nil] {
                try sign(signer)
                let refused = try host.push(["a.yaml": "a: \(signer ?? "nobody")\n"])
                await put(object("signed", spec, requested: refused), registry)
                try await awaitReady("signed", "False", at: first)
                let verified = await condition("signed", "SourceVerified")
                #expect(verified?.status == "False" && verified?.reason == "InvalidCommitSignature")
                try await eventually("it is about this commit") { await condition("signed", "Ready")?.message.contains(refused) == true }
            }
            try sign("ann")
            let last = try host.push(["a.yaml": "a: 3\n"])
            await put(object("signed", spec, requested: "4"), registry)
            try await awaitReady("signed", "True", at: last)
            #expect(await api.object(Self.key("signed"))?.value[path: "status", "sourceVerificationMode"]?.string == "HEAD")
        }
    }

    @Test func `a Secret that changes counts without anybody's asking, and what was good stays`() async throws {
        for name in ["ann", "bob"] {
            try Loopback.run("/usr/bin/ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", "\(host.folder)/\(name)"])
        }
        for (name, value) in [("gpg.format", "ssh"), ("user.signingkey", host.folder + "/ann"), ("commit.gpgsign", "true")] {
            try GitHost.git("-C", host.work, "config", name, value)
        }
        func putSigner(_ name: String) async throws {
            let line = try String(contentsOfFile: "\(host.folder)/\(name).pub", encoding: .utf8)
            await api.put(
                Manifest([
                    "apiVersion": "v1", "kind": "Secret", "metadata": ["name": "signers", "namespace": "default"],
                    "data": ["key.sshpub": .string(Base64.encode(Array(line.utf8)))],
                ]))
        }
        let commit = try host.push(["a.yaml": "a: 1\n"])
        try await running { registry in
            await put(object("signed", ["verify": ["mode": "HEAD", "secretRef": ["name": "signers"]]]), registry)
            try await eventually("the missing Secret is told") { await condition("signed", "Ready")?.status == "False" }
            try await putSigner("ann")
            try await awaitReady("signed", "True", at: commit)
            // Ann is not believed any more; what she signed while she was stays.
            try await putSigner("bob")
            try await awaitReady("signed", "False", at: commit)
            #expect(await condition("signed", "SourceVerified")?.reason == "InvalidCommitSignature")
            try await putSigner("ann")
            try await awaitReady("signed", "True", at: commit)
            await api.remove(ObjectKey(group: "", kind: "Secret", namespace: "default", name: "signers"))
            try await awaitReady("signed", "False", at: commit)
            #expect(await condition("signed", "Ready")?.message.contains("Secret/default/signers") == true)
        }
    }

    @Test func `other repositories are put into the tree, and a push to one of them counts`() async throws {
        let other = try GitHost()
        let otherRoot = try other.serve()
        let commit = try host.push(["apps/a.yaml": "a: 1\n", "shared/old.yaml": "old: 1\n"])
        try other.push(["base/one.yaml": "one: 1\n", "base/draft.yaml": "draft: 1\n", "aside.yaml": "aside: 1\n"])
        // What is put in is judged as what was there.
        let include: Value = [
            "include": [["repository": ["name": "base"], "fromPath": "./base", "toPath": "shared/"]], "ignore": "/shared/draft.yaml",
        ]
        try await running { registry in
            await put(object("home", include), registry)
            try await eventually("what is missing is told", { await String(describing: condition("home", "Ready")) }) {
                await condition("home", "IncludeUnavailable")?.message.contains("GitRepository base") == true
            }
            #expect(await condition("home", "Ready")?.reason == "NotFound")
            #expect(await condition("home", "FetchFailed") == nil)
            await put(object("base", ["url": .string(otherRoot + "/open/home.git")]), registry)
            try await awaitReady("home", "True", at: commit)
            let reference = KustomizationSpec.SourceReference(kind: "GitRepository", namespace: "default", name: "home")
            let source = try #require(await registry.source(for: reference))
            let id = try #require(ObjectID(commit))
            #expect(try await source.trees.files(of: id).tree.entries.keys.sorted() == ["apps/a.yaml", "shared/one.yaml"])
            let before = source.state.value.included
            let others = await api.object(Self.key("home"))?.value[path: "status", "includedArtifacts"]?.array ?? []
            #expect(others.compactMap { $0["revision"]?.string } == before.map { "main@sha1:\($0.id.hex)" } && before.count == 1)
            #expect(others.first?["path"]?.string?.hasPrefix("gitrepository/default/base/") == true)
            try other.push(["base/two.yaml": "two: 2\n"])
            await registry.source(for: .init(kind: "GitRepository", namespace: "default", name: "base"))?.wake()
            try await eventually("the push to the other counts") { source.state.value.included != before }
            #expect(try await source.trees.files(of: id).tree.text("shared/two.yaml") == "two: 2\n")
            // In a circle there is no end.
            await put(
                object("base", ["url": .string(otherRoot + "/open/home.git"), "include": [["repository": ["name": "home"]]]]), registry)
            try await eventually("the circle is told") { await condition("home", "IncludeUnavailable")?.status == "True" }
            #expect(await condition("home", "Ready")?.reason == "NoArtifact")
        }
    }

    @Test func `a request for a look is answered when the look is over, and once`() async throws {
        let first = try host.push(["a.yaml": "a: 1\n"])
        try await running { registry in
            await put(object("home", [:], requested: "1"), registry)
            try await awaitReady("home", "True", at: first)
            func handled() async -> String { await status("home", "lastHandledReconcileAt")?.string ?? "" }
            try await eventually("the first is answered") { await handled() == "1" }
            for mark in 2...6 {
                let commit = try host.push(["a.yaml": "a: \(mark)\n"])
                await put(object("home", [:], requested: "\(mark)"), registry)
                try await eventually("it is answered") { await handled() == "\(mark)" }
                #expect(await revision("home") == "main@sha1:\(commit)", "answered with the commit that was there when it was asked")
            }
            // What cannot be looked at is answered with the reason.
            await put(object("home", ["url": .string(root + "/open/none.git")], requested: "7"), registry)
            try await eventually("the failure is an answer") { await handled() == "7" }
            #expect(await condition("home", "Ready")?.status == "False")
        }
    }

    @Test func `a revision names the tag that a range of versions stands for`() async throws {
        let commit = try host.push(["a.yaml": "a: 1\n"])
        try host.tag("v1.4.1")
        try await running { registry in
            await put(object("home", ["ref": ["semver": ">=1.0.0"]]), registry)
            try await eventually("the first") { await revision("home") == "v1.4.1@sha1:\(commit)" }
            // Another tag of the same commit is another revision.
            try host.tag("v1.4.2")
            let source = try #require(await registry.source(for: .init(kind: "GitRepository", namespace: "default", name: "home")))
            source.wake()
            try await eventually("the next", { await revision("home") }) { await revision("home") == "v1.4.2@sha1:\(commit)" }
            let next = try host.push(["a.yaml": "a: 2\n"])
            try host.tag("v1.5.0", message: "Next")
            source.wake()
            try await eventually("the one after", { await revision("home") }) { await revision("home") == "v1.5.0@sha1:\(next)" }
            #expect(source.revision(of: commit) == "v1.4.2@sha1:\(commit)", "what is still applied is called as it was")
            await put(object("pinned", ["ref": ["commit": .string(commit)]]), registry)
            try await eventually("a commit alone", { await revision("pinned") }) { await revision("pinned") == "sha1:\(commit)" }
        }
    }

    @Test func `files that are no source are not read, and do not count`() async throws {
        let large = String(repeating: "x", count: 1 << 20)
        var files = ["apps/a.yaml": "a: 1\n", ".sourceignore": "/*\n!/apps\n"]
        for number in 0..<65 { files["data/\(number)"] = "\(number)" + large }
        let commit = try host.push(files)
        try await running { registry in
            await put(object("home", [:]), registry)
            try await awaitReady("home", "True", at: commit)
            let source = try #require(await registry.source(for: .init(kind: "GitRepository", namespace: "default", name: "home")))
            let tree = try await source.trees.files(of: try #require(ObjectID(commit))).tree
            #expect(tree.entries.keys.sorted() == ["apps/a.yaml"])
        }
    }

    @Test func `a suspended repository gives what it had, and looks again when it is resumed`() async throws {
        let first = try host.push(["a.yaml": "a: 1\n"])
        let reference = KustomizationSpec.SourceReference(kind: "GitRepository", namespace: "default", name: "app")
        func commit(_ registry: SourceRegistry) async -> String? { await registry.source(for: reference)?.state.value.commit?.id.hex }
        try await running { registry in
            await put(object("app", [:]), registry)
            try await awaitReady("app", "True", at: first)
            await put(object("app", ["suspend": true]), registry)
            #expect(await commit(registry) == first)
        }
        let second = try host.push(["a.yaml": "a: 2\n"])
        // The agent after that one.
        try await running { registry in
            await put(object("app", ["suspend": true], requested: "1"), registry)
            try await eventually("what the mirror has", { await String(describing: registry.source(for: reference)?.state.value) }) {
                await commit(registry) == first
            }
            await put(object("app", [:], requested: "1"), registry)
            try await awaitReady("app", "True", at: second)
            try await eventually("what was asked meanwhile is answered") { await status("app", "lastHandledReconcileAt")?.string == "1" }
        }
    }

    @Test func `submodules are filled, and only the directories asked for are read`() async throws {
        let library = try GitHost()
        let pinned = try library.push(["lib.yaml": "lib: 1\n", "deep/more.yaml": "more: 1\n"])
        try library.push(["lib.yaml": "lib: 2\n"])
        try GitHost.git("clone", "--quiet", "--bare", library.bare, host.folder + "/library.git")
        let modules = "[submodule \"library\"]\n\tpath = apps/library\n\turl = ../library.git\n"
        try FileManager.default.createDirectory(atPath: host.work + "/apps/library", withIntermediateDirectories: true)
        try GitHost.git("-C", host.work, "update-index", "--add", "--cacheinfo", "160000,\(pinned),apps/library")
        // One that nobody added as git does is an empty directory.
        try FileManager.default.createDirectory(atPath: host.work + "/apps/stray", withIntermediateDirectories: true)
        try GitHost.git("-C", host.work, "update-index", "--add", "--cacheinfo", "160000,\(pinned),apps/stray")
        let commit = try host.push([".gitmodules": modules, "apps/a.yaml": "a: 1\n", "other/b.yaml": "b: 1\n"])
        try await running { registry in
            await put(object("home", ["recurseSubmodules": true, "sparseCheckout": ["./apps"]]), registry)
            try await awaitReady("home", "True", at: commit)
            let source = try #require(await registry.source(for: .init(kind: "GitRepository", namespace: "default", name: "home")))
            let files = try await source.trees.files(of: try #require(ObjectID(commit))).tree
            let fetched = files.entries.filter { $0.value.kind != .submodule }
            #expect(fetched.keys.sorted() == ["apps/a.yaml", "apps/library/deep/more.yaml", "apps/library/lib.yaml"])
            #expect(try GitFileTree(files).entries("apps").sorted() == ["a.yaml", "library"])
            #expect(files.text("apps/library/lib.yaml") == "lib: 1\n", "the commit that the tree names, not the newest")
            await put(object("part", ["recurseSubmodules": true, "ignore": "/other\n/apps/library\n!/apps/library/deep\n"]), registry)
            try await awaitReady("part", "True", at: commit)
            let part = try #require(await registry.source(for: .init(kind: "GitRepository", namespace: "default", name: "part")))
            let kept = try await part.trees.files(of: try #require(ObjectID(commit))).tree.entries.filter { $0.value.kind != .submodule }
            #expect(kept.keys.sorted() == ["apps/a.yaml", "apps/library/deep/more.yaml"])
            await put(object("plain", [:]), registry)
            try await awaitReady("plain", "True", at: commit)
            let plain = try #require(await registry.source(for: .init(kind: "GitRepository", namespace: "default", name: "plain")))
            let bare = try await plain.trees.files(of: try #require(ObjectID(commit)))
            #expect(try bare.entries("apps") == ["a.yaml"], "what is not fetched is not listed")
            #expect(throws: FileTreeError("it is a submodule, whose files are not fetched")) { try bare.resolve("apps/library") }
        }
    }

    @Test func `submodule URLs are read as git reads them`() {
        let file =
            "[submodule \"x\"]\n path = a/b\n url = \"https://h/x\"\n[other]\n path = c\n[submodule \"y\"]\n\turl=../y\n\tpath=y\n"
        #expect(Submodules.urls(in: file)["y"] == "../y")
        #expect(Submodules.urls(in: file).count == 2)
        #expect(Submodules.absolute("../../tools/y.git", from: "https://h/me/home.git") == "https://h/tools/y.git")
        #expect(Submodules.absolute("./y.git", from: "ssh://git@h/home.git/") == "ssh://git@h/home.git/y.git")
        #expect(Submodules.absolute("git@h:me/y.git", from: "https://h/home.git") == "git@h:me/y.git")
    }
}
