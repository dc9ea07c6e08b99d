import Cryptography
import Diagnostics
import Git
import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

/// What keeps a GitRepository from being Ready has the conditions and reasons that source-controller gives it, in a status which the
/// definition of the kind lets through.
@Suite struct GitRepositoryReasonsTests {
    let api = FakeClusterAPI()
    let repository = MemoryRepository()

    private static func key(_ name: String) -> ObjectKey {
        ObjectKey(group: FluxKinds.gitRepository.group, kind: "GitRepository", namespace: "default", name: name)
    }

    private func running(_ body: (SourceRegistry) async throws -> Void) async throws {
        for definition in try FluxKinds.definitions { await api.put(definition) }
        let clock = SystemClock()
        let own = GitSource(repository: MemoryRepository(), clock: clock, pollInterval: .seconds(3600))
        let events = EventRecorder(api: api, clock: clock, node: "m1")
        let registry = SourceRegistry(
            own: own, urls: [], api: api, clock: clock, namespaces: NamespaceFollowers(api: api, clock: clock),
            factory: { [repository] spec, secrets in
                guard spec.url != "ssh://" else { return nil }
                _ = try FollowedReference(spec)
                if let field = secrets.login.keys.first(where: { $0 != "username" }) {
                    throw Diagnostic(.error, "\(field) is nothing that it takes", remedy: "correct it")
                }
                return repository
            }, events: events, made: Shared([Self.key("home")]))
        let tasks = [Task { await registry.run() }, Task { await events.run() }]
        defer { for task in tasks { task.cancel() } }
        try await body(registry)
    }

    private func put(_ name: String, _ more: Value, _ registry: SourceRegistry, annotations: Value = [:]) async {
        var spec: Value = ["interval": "1h", "url": "https://example.org/home.git", "ref": ["branch": "main"]]
        for member in more.object ?? Object() { spec[member.key] = member.value }
        let metadata: Value = ["name": .string(name), "namespace": "default", "annotations": annotations]
        let object = Manifest([
            "apiVersion": .string(FluxKinds.gitRepository.apiVersion), "kind": "GitRepository", "metadata": metadata, "spec": spec,
        ])
        await registry.take(await api.put(object))
    }

    private func conditions(_ name: String = "home") async -> FluxConditions {
        FluxConditions(await api.object(Self.key(name))?.value[path: "status", "conditions"])
    }

    private func awaitReason(_ reason: String, of name: String = "home") async throws {
        try await eventually("\(name): \(reason)", { await String(describing: api.object(Self.key(name))?.value["status"]) }) {
            await conditions(name)["Ready"]?.reason == reason
        }
    }

    @Test func `a request that comes while the status of another repository is written is answered, too`() async throws {
        for definition in try FluxKinds.definitions { await api.put(definition) }
        let clock = SystemClock()
        let own = GitSource(repository: repository, clock: clock, pollInterval: .seconds(3600))
        let registry = SourceRegistry(
            own: own, urls: ["https://example.org/home.git"], api: api, clock: clock,
            namespaces: NamespaceFollowers(api: api, clock: clock), factory: nil, root: Ownership(namespace: "default", name: "home"))
        @Sendable func ask(_ name: String, _ mark: String) async {
            await put(name, [:], registry, annotations: [FluxKinds.requestedAt: .string(mark)])
        }
        func both(_ isSo: (Manifest) -> Bool) async -> Bool {
            var found: [Manifest?] = []
            for name in ["one", "two"] { found.append(await api.object(Self.key(name))) }
            return found.allSatisfy { $0.map(isSo) ?? false }
        }
        await ask("one", "first")
        await ask("two", "first")
        // The source is looked at by nobody: it answers when the test says so.
        own.answered.update { $0 = 2 }
        // Whichever comes first, the other one's turn is still to come.
        await api.during(.patch, name: "one") { _ in await ask("two", "second") }
        await api.during(.patch, name: "two") { _ in await ask("one", "second") }
        let task = Task { await registry.run() }
        defer { task.cancel() }
        try await eventually("both are asked for again") { await both { $0.annotation(FluxKinds.requestedAt) == "second" } }
        own.answered.update { $0 = 4 }
        try await eventually("both are answered") {
            await both { $0.value[path: "status", "lastHandledReconcileAt"]?.string == "second" }
        }
    }

    /// The types of the events with a reason.
    private func events(_ reason: String) async -> [String] {
        var found: [String] = []
        for key in await api.keys where key.kind == "Event" {
            guard let event = await api.object(key), event.value["reason"]?.string == reason else { continue }
            found.append(event.value["type"]?.string ?? "")
        }
        return found
    }

    @Test(arguments: [
        (SourceProblem.Kind.unreachable, "FetchFailed", "GitOperationFailed"), (.timedOut, "FetchFailed", "GitOperationFailed"),
        (.untrusted, "FetchFailed", "GitOperationFailed"), (.tooLarge, "FetchFailed", "GitOperationFailed"),
        (.repositoryMissing, "FetchFailed", "GitOperationFailed"), (.branchMissing, "FetchFailed", "GitOperationFailed"),
        (.other, "FetchFailed", "GitOperationFailed"), (.authentication, "FetchFailed", "AuthenticationFailed"),
        (.keyRefused, "FetchFailed", "AuthenticationFailed"), (.diskFull, "StorageOperationFailed", "ArchiveOperationFailed"),
        (.corrupt, "StorageOperationFailed", "ReadOperationFailed"), (.unverified, "SourceVerified", "InvalidCommitSignature"),
        (.unverifiedTag, "SourceVerified", "InvalidTagSignature"), (.unsignedTag, "SourceVerified", "InvalidGitObject"),
        (.includeMissing, "IncludeUnavailable", "NotFound"), (.includeEmpty, "IncludeUnavailable", "NoArtifact"),
    ]) func `what fetching meets has its condition, and is tried again`(kind: SourceProblem.Kind, type: String, reason: String) {
        let problem = SourceProblem(kind, "in the host's words")
        let found = RepositoryTrouble(problem, isOwn: false).conditions(generation: 3)
        #expect(found.map(\.type) == ["Ready", "Reconciling", type])
        #expect(found.map(\.status) == ["False", "True", type == "SourceVerified" ? "False" : "True"])
        #expect(found.map(\.reason) == [reason, "ProgressingWithRetry", reason])
        #expect(found.allSatisfy { $0.message == "in the host's words; \(problem.remedyOfObject)" && $0.generation == 3 })
    }

    @Test(
        arguments: [
            (["secretRef": ["name": "none"]], "FetchFailed", "AuthenticationFailed"),
            (["secretRef": ["name": "odd"]], "FetchFailed", "AuthenticationFailed"),
            (["proxySecretRef": ["name": "none"]], "FetchFailed", "AuthenticationFailed"),
            (["secretRef": ["name": "app"]], "FetchFailed", "InvalidProviderConfiguration"),
            (["secretRef": ["name": "odd"], "provider": "github"], "FetchFailed", "InvalidProviderConfiguration"),
            (["ref": ["semver": "one"]], "FetchFailed", "GitOperationFailed"),
            (["verify": ["mode": "HEAD", "secretRef": ["name": "none"]]], "SourceVerified", "VerificationError"),
            (["verify": ["mode": "HEAD", "secretRef": ["name": "odd"]]], "SourceVerified", "VerificationError"),
        ] as [(Value, String, String)]) func `what a Secret has to make good is tried again`(spec: Value, type: String, reason: String)
        async throws
    {
        try await running { registry in
            for (name, field) in [("odd", "identity"), ("app", "githubAppID")] {
                await api.put(
                    Manifest([
                        "apiVersion": "v1", "kind": "Secret", "metadata": ["name": .string(name), "namespace": "default"],
                        "data": [field: .string(Base64.encode(Array("7".utf8)))],
                    ]))
            }
            await put("home", spec, registry)
            try await awaitReason(reason)
            let found = await conditions()
            #expect(found["Ready"]?.status == "False" && found["Stalled"] == nil)
            #expect(found["Reconciling"]?.reason == "ProgressingWithRetry")
            #expect(found[type]?.reason == reason && found[type]?.status == (type == "SourceVerified" ? "False" : "True"))
            #expect((type == "FetchFailed") == (found["FetchFailed"] != nil))
            try await eventually("a warning") { await events(reason) == ["Warning"] }
        }
    }

    @Test(
        arguments: [
            (["url": "ssh://"], "FetchFailed", "URLInvalid"), (["provider": "azure"], "FetchFailed", "InvalidProviderConfiguration"),
            (["provider": "github"], "FetchFailed", "InvalidProviderConfiguration"),
            (["url": "ssh://git@example.org/home.git", "proxySecretRef": ["name": "a"]], "FetchFailed", "InvalidSpec"),
            (["verify": ["mode": "Tag", "secretRef": ["name": "keys"]]], "SourceVerified", "InvalidVerificationMode"),
        ] as [(Value, String, String)]) func `what its author has to change is stalled, and what was stored stays`(
            spec: Value, type: String, reason: String
        ) async throws
    {
        let commit = repository.push(["a.yaml": "a: 1\n"])
        try await running { registry in
            await put("home", [:], registry)
            try await awaitReason("Succeeded")
            await api.edit(Self.key("home")) { for member in spec.object ?? Object() { $0["spec"]?[member.key] = member.value } }
            await registry.take(try #require(await api.object(Self.key("home"))))
            try await awaitReason(reason)
            let found = await conditions()
            #expect(found["Ready"]?.status == "False" && found["Reconciling"] == nil)
            #expect(found["Stalled"]?.status == "True" && found["Stalled"]?.reason == reason)
            #expect(found[type]?.reason == reason && found[type]?.status == (type == "SourceVerified" ? "False" : "True"))
            #expect(found["ArtifactInStorage"]?.message == "stored artifact for revision 'main@sha1:\(commit.id.hex)'")
            try await eventually("a warning") { await events(reason) == ["Warning"] }
        }
    }

    @Test func `what the agent's own repository asks for in vain stalls it alone: it is followed`() async throws {
        try await running { registry in
            await put("home", ["recurseSubmodules": true], registry, annotations: [FluxComponents.agentSource: "agent"])
            try await awaitReason("InvalidSpec")
            let types = await conditions().all.map(\.type)
            #expect(types == ["Ready", "Stalled"])
        }
    }

    @Test func `a newer commit that there is no room for makes what is stored outdated`() async throws {
        let first = repository.push(["a.yaml": "a: 1\n"])
        try await running { registry in
            await put("home", [:], registry)
            try await awaitReason("Succeeded")
            // It is ready with what the mirror has: the first look at the host may come as late as this.
            repository.failFetching(SourceProblem(.diskFull, "no space left on device"))
            let second = repository.push(["a.yaml": "a: 2\n"])
            let source = try #require(await registry.source(for: .init(kind: "GitRepository", namespace: "default", name: "home")))
            source.wake()
            try await awaitReason("ArchiveOperationFailed")
            let found = await conditions()
            #expect(found["StorageOperationFailed"]?.status == "True" && found["FetchFailed"] == nil)
            #expect(found["ArtifactOutdated"]?.status == "True" && found["ArtifactOutdated"]?.reason == "NewRevision")
            #expect(found["ArtifactOutdated"]?.message == "new upstream revision 'main@sha1:\(second.id.hex)'")
            #expect(found["ArtifactInStorage"]?.message.contains(first.id.hex) == true)
            // A host that cannot be reached is another matter: nobody knows what it has.
            repository.fail(SourceProblem(.unreachable, "no route to host"))
            source.wake()
            try await awaitReason("GitOperationFailed")
            let away = await conditions()
            #expect(away["FetchFailed"]?.status == "True" && away["ArtifactOutdated"] == nil && away["StorageOperationFailed"] == nil)
            repository.fail(nil)
            repository.failFetching(nil)
            source.wake()
            try await awaitReason("Succeeded")
            let types = await conditions().all.map(\.type)
            #expect(types == ["Ready", "ArtifactInStorage"])
            #expect(await conditions()["ArtifactInStorage"]?.message.contains(second.id.hex) == true)
        }
    }

    @Test func `a repository that is included and is not there is waited for, without a warning`() async throws {
        repository.push(["a.yaml": "a: 1\n"])
        try await running { registry in
            await put("home", ["include": [["repository": ["name": "base"]]]], registry)
            try await awaitReason("NotFound")
            try await eventually("an event") { await events("NotFound") == ["Normal"] }
            // One that is there and gives nothing.
            await put("base", ["url": "ssh://"], registry)
            try await awaitReason("NoArtifact")
            await put("base", [:], registry)
            try await awaitReason("Succeeded")
            #expect(await conditions()["IncludeUnavailable"] == nil)
        }
    }
}
