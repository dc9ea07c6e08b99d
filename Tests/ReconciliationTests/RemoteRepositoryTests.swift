import Foundation
import Git
import HomelabTestSupport
import KubernetesModel
import Synchronization
import Testing
import YAML

@testable import Reconciliation

/// Following a repository elsewhere: the system's git behind a real sshd.
@Suite(.serialized) struct RemoteRepositorySSHTests {
    let host: GitHost
    let server: LoopbackServer

    init() throws {
        host = try GitHost()
        server = try LoopbackServer()
        try server.makeKey("agent", type: "ed25519", authorized: true)
    }

    private func transport(key: String = "agent", hostKey: String? = nil, port: Int? = nil, path: String? = nil) throws -> SSHGitTransport {
        let line = try hostKey ?? server.publicLine("host_ed25519")
        let port = port ?? server.port
        let knownHosts = host.folder + "/known_hosts"
        try "[127.0.0.1]:\(port) \(line)\n".write(toFile: knownHosts, atomically: true, encoding: .utf8)
        let remote = try #require(SSHRemote("ssh://\(NSUserName())@127.0.0.1:\(port)\(path ?? host.bare)"))
        return SSHGitTransport(
            remote, identityFile: server.directory.appendingPathComponent(key).path, knownHostsFile: knownHosts)
    }

    private func repository(_ transport: SSHGitTransport, limits: RemoteLimits = RemoteLimits()) -> RemoteRepository {
        RemoteRepository(transport: transport, following: .branch("main"), mirror: host.folder + "/mirror.git", limits: limits) { _ in }
    }

    private func problem(_ repository: RemoteRepository) async -> SourceProblem? {
        await #expect(throws: SourceProblem.self) { try await repository.head() }
    }

    @Test func `a push is fetched, over one connection for all polls`() async throws {
        let first = try host.push(["a.yaml": "a: 1\n"])
        let repository = repository(try transport())
        #expect(try await repository.mirrored() == nil)
        #expect(try await repository.head()?.hex == first)
        #expect(try await repository.fetch()?.id.hex == first)
        let second = try host.push(["b.yaml": "b: 2\n"])
        #expect(try await repository.head()?.hex == second)
        let commit = try #require(try await repository.fetch())
        #expect(commit.id.hex == second && commit.summary == "Change")
        #expect(try await repository.tree(of: commit.id, under: []).text("a.yaml") == "a: 1\n")
        let old = try #require(ObjectID(first))
        #expect(try await repository.isAncestor(old, of: commit.id))
        #expect(server.log.components(separatedBy: "Accepted publickey").count == 2, "\(server.log)")
        // After a restart, and with the host gone, the mirror still has it.
        let again = self.repository(try transport(port: try Loopback.freePort()))
        #expect(try await again.mirrored() == commit)
        #expect(await problem(again)?.kind == .unreachable)
        #expect(try await again.tree(of: commit.id, under: []).text("b.yaml") == "b: 2\n")
    }

    @Test func `a connection that was lost between two polls is made anew`() async throws {
        let first = try host.push(["a.yaml": "a: 1\n"])
        let relay = try Relay(to: server.port)
        defer { relay.stop() }
        let repository = repository(try transport(port: relay.port))
        #expect(try await repository.head()?.hex == first)
        relay.cut()
        #expect(try await repository.head()?.hex == first)
    }

    @Test func `a force-push is followed, and a branch that went away is told`() async throws {
        let first = try host.push(["a.yaml": "a: 1\n"])
        let repository = repository(try transport())
        #expect(try await repository.fetch()?.id.hex == first)
        let second = try host.push(["a.yaml": "a: 2\n"], rewriting: true)
        let commit = try #require(try await repository.fetch())
        #expect(commit.id.hex == second)
        #expect(try await repository.isAncestor(try #require(ObjectID(first)), of: commit.id) == false)
        try host.removeBranch()
        #expect(try await repository.head() == nil)
        #expect(try await repository.fetch() == nil)
        #expect(try await repository.mirrored() == commit)
    }

    @Test func `tags, versions, names and single commits are followed as a GitRepository says`() async throws {
        let first = try host.push(["a.yaml": "a: 1\n"])
        try host.tag("v1.0.0")
        let second = try host.push(["a.yaml": "a: 2\n"])
        try host.tag("v1.10.0", message: "Better")
        let third = try host.push(["a.yaml": "a: 3\n"])
        try host.tag("v2.0.0-rc.1", message: "Soon")

        func followed(_ name: String, _ change: (inout GitRepositorySpec.Reference) -> Void) async throws -> (String?, String?, String?) {
            var spec = GitRepositorySpec(namespace: "apps", name: name, url: "ssh://host/x")
            change(&spec.reference)
            let mirror = host.folder + "/\(name).git"
            let repository = RemoteRepository(transport: try transport(), following: try FollowedReference(spec), mirror: mirror) { _ in }
            let head = try await repository.head()
            let commit = try await repository.fetch()
            let text = if let commit { try await repository.tree(of: commit.id, under: []).text("a.yaml") } else { String?.none }
            #expect(commit?.id == head)
            #expect(try await repository.mirrored() == commit, "the mirror knows it without the host")
            return (head?.hex, commit?.id.hex, text)
        }
        #expect(try await followed("tag") { $0.tag = "v1.10.0" } == (second, second, "a: 2\n"))
        #expect(try await followed("light-tag") { $0.tag = "v1.0.0" } == (first, first, "a: 1\n"))
        #expect(try await followed("versions") { $0.semver = ">=1.0.0" } == (second, second, "a: 2\n"))
        #expect(try await followed("pre-release") { $0.semver = ">=2.0.0-0" } == (third, third, "a: 3\n"))
        #expect(try await followed("name") { $0.name = "refs/heads/main" } == (third, third, "a: 3\n"))
        #expect(
            try await followed("commit") {
                $0.branch = "main"
                $0.commit = first
            } == (first, first, "a: 1\n"))
        #expect(try await followed("commit-of-any") { $0.commit = first } == (first, first, "a: 1\n"))
        #expect(try await followed("no-version") { $0.semver = "9.x" } == (nil, nil, nil))
        let nowhere = String(repeating: "1", count: 40)
        let problem = await #expect(throws: SourceProblem.self) {
            try await followed("no-commit") {
                $0.branch = "main"
                $0.commit = nowhere
            }
        }
        #expect(problem == SourceProblem(.branchMissing, "the history of refs/heads/main has no commit \(nowhere)"))
        let lost = await #expect(throws: SourceProblem.self) { try await followed("lost") { $0.commit = nowhere } }
        #expect(lost == SourceProblem(.branchMissing, "no branch or tag leads to the commit \(nowhere)"))
        let wrong = await #expect(throws: SourceProblem.self) { try await followed("wrong") { $0.semver = "newest" } }
        #expect(wrong?.message.contains("spec.ref.semver newest is no range") == true)
    }

    @Test func `a commit that only a branch of its own or a tag leads to is found`() async throws {
        let first = try host.push(["a.yaml": "a: 1\n"])
        try GitHost.git("-C", host.work, "checkout", "--quiet", "-b", "side")
        try GitHost.git("-C", host.work, "commit", "--quiet", "--allow-empty", "--message", "Aside")
        let aside = try GitHost.git("-C", host.work, "rev-parse", "HEAD").trimmingCharacters(in: .whitespacesAndNewlines)
        try GitHost.git("-C", host.work, "commit", "--quiet", "--allow-empty", "--message", "Further")
        try GitHost.git("-C", host.work, "push", "--quiet", host.bare, "side")
        for commit in [aside, first] {
            var spec = GitRepositorySpec(namespace: "apps", name: "a", url: "ssh://host/x")
            spec.reference.commit = commit
            let repository = RemoteRepository(
                transport: try transport(), following: try FollowedReference(spec), mirror: host.folder + "/\(commit).git"
            ) { _ in }
            #expect(try await repository.head()?.hex == commit)
            #expect(try await repository.fetch()?.id.hex == commit)
            #expect(try await repository.chosenReference() == nil)
        }
    }

    @Test func `a version that is withdrawn is not enforced any more`() async throws {
        let first = try host.push(["a.yaml": "a: 1\n"])
        try host.tag("v1.0.0", message: "One")
        let second = try host.push(["a.yaml": "a: 2\n"])
        try host.tag("v1.1.0", message: "Better")
        try host.tag("20240131")
        try host.tag("v2")
        var spec = GitRepositorySpec(namespace: "apps", name: "a", url: "ssh://host/x")
        spec.reference.semver = ">=1.0.0"
        let followed = try FollowedReference(spec)
        let mirror = host.folder + "/versions.git"
        let repository = RemoteRepository(transport: try transport(), following: followed, mirror: mirror) { _ in }
        #expect(try await repository.head()?.hex == second)
        #expect(try await repository.fetch()?.id.hex == second)
        #expect(try await repository.chosenReference() == "refs/tags/v1.1.0")
        try GitHost.git("-C", host.bare, "update-ref", "-d", "refs/tags/v1.1.0")
        #expect(try await repository.head()?.hex == first)
        #expect(try await repository.fetch()?.id.hex == first)
        let again = RemoteRepository(transport: try transport(), following: followed, mirror: mirror) { _ in }
        #expect(try await again.mirrored()?.id.hex == first)
        #expect(try await again.chosenReference() == "refs/tags/v1.0.0")
        let tag = try GitHost.git("-C", host.bare, "rev-parse", "refs/tags/v1.0.0").trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(try await again.followedObject()?.hex == tag)
    }

    @Test func `who may not log in, and a host that shows another key, are told apart`() async throws {
        try host.push(["a.yaml": "a: 1\n"])
        try server.makeKey("stranger", type: "ed25519")
        let refused = await problem(repository(try transport(key: "stranger")))
        let key = try server.publicLine("stranger")
        #expect(refused?.kind == .keyRefused && refused?.message.contains(key) == true, "\(refused?.message ?? "")")
        try server.makeKey("other_host", type: "ed25519")
        let changed = await problem(repository(try transport(hostKey: try server.publicLine("other_host"))))
        #expect(changed?.kind == .untrusted && changed?.message.contains("host key changed") == true, "\(changed?.message ?? "")")
    }

    @Test func `a repository that is not there is told in the host's own words`() async throws {
        let missing = await problem(repository(try transport(path: "/nowhere/x.git")))
        #expect(missing?.kind == .repositoryMissing && missing?.message.contains("/nowhere/x.git") == true, "\(missing?.message ?? "")")
    }

    @Test func `a host that takes the connection and says nothing is a timeout`() async throws {
        let (socket, port) = try Loopback.listen()
        defer { close(socket) }
        var limits = RemoteLimits()
        limits.silence = .seconds(1)
        let start = ContinuousClock.now
        let silent = await problem(repository(try transport(port: port), limits: limits))
        #expect(silent?.kind == .timedOut, "\(silent?.message ?? "")")
        #expect(ContinuousClock.now - start < .seconds(60))
    }

    @Test func `a damaged mirror is made anew when it is read`() async throws {
        try host.push(["a.yaml": "a: 1\n"])
        let messages = Messages()
        // A process that starts on the damaged mirror has nothing of it cached: each repository here is the only one at its time.
        let following = {
            RemoteRepository(
                transport: try self.transport(), following: .branch("main"), mirror: self.host.folder + "/mirror.git",
                log: { messages.add($0) })
        }
        let commit = try #require(try await following().fetch())
        try Damage.packs(of: host.folder + "/mirror.git")
        #expect(try await following().fetch() == commit)
        #expect(try await following().tree(of: commit.id, under: []).text("a.yaml") == "a: 1\n")
        #expect(messages.all.count == 1 && messages.all.first?.contains("made anew") == true)
        #expect(try GitHost.git("-C", host.folder + "/mirror.git", "fsck", "--full").contains("error") == false)
        // A file that went missing is found by the one who reads it.
        try Damage.removeBlobs(of: host.folder + "/mirror.git", host.folder)
        #expect(try await following().tree(of: commit.id, under: []).text("a.yaml") == "a: 1\n")
        #expect(messages.all.count == 2)
    }

    @Test func `a damaged mirror with the host away is told, and stays`() async throws {
        try host.push(["a.yaml": "a: 1\n"])
        let commit = try #require(try await repository(try transport()).fetch())
        try Damage.packs(of: host.folder + "/mirror.git")
        let repository = repository(try transport(port: try Loopback.freePort()))
        let error = await #expect(throws: SourceProblem.self) { try await repository.tree(of: commit.id, under: []) }
        #expect(error?.kind == .corrupt && error?.message.contains("cannot be made anew now") == true, "\(error?.message ?? "")")
        #expect(FileManager.default.fileExists(atPath: host.folder + "/mirror.git/objects"))
    }
}

/// The same over http, where each round is a request.
@Suite(.serialized) struct RemoteRepositoryHTTPTests {
    let host: GitHost
    let root: String

    init() throws {
        host = try GitHost()
        root = try host.serve()
    }

    private func repository(
        _ area: String, username: String? = nil, token: String? = nil, path: String = "home.git", root: String? = nil,
        inUse: CommitsInUse? = nil, packLimit: Int = 50
    ) throws -> RemoteRepository {
        var file: String?
        if let token {
            file = host.folder + "/token"
            try (token + "\n").write(toFile: host.folder + "/token", atomically: true, encoding: .utf8)
        }
        let transport = HTTPGitTransport(
            url: "\(root ?? self.root)/\(area)/\(path)", username: username, tokenFile: file, transport: LoopbackHTTP())
        return RemoteRepository(
            transport: transport, following: .branch("main"), mirror: host.folder + "/mirror.git", inUse: inUse, packLimit: packLimit
        ) { _ in }
    }

    private func problem(_ repository: RemoteRepository) async -> SourceProblem? {
        await #expect(throws: SourceProblem.self) { try await repository.head() }
    }

    @Test func `a login in the URL counts where no other is given, and is never shown`() async throws {
        let commit = try host.push(["a.yaml": "a: 1\n"])
        let withLogin = root.replacing("http://", with: "http://ada:s3cret@")
        let repository = try repository("basic", root: withLogin)
        #expect(repository.url == "\(root)/basic/home.git")
        #expect(try await repository.head()?.hex == commit)
        let wrong = try self.repository("basic", root: root.replacing("http://", with: "http://ada:wr0ng@"))
        let refused = await problem(wrong)
        #expect(refused?.kind == .authentication && refused?.message.contains("wr0ng") == false, "\(String(describing: refused))")
        let other = try self.repository("basic", username: "ada", token: "s3cret", root: root.replacing("http://", with: "http://x:wr0ng@"))
        #expect(try await other.head()?.hex == commit)
    }

    @Test func `force-pushes leave behind only what units are at`() async throws {
        let api = FakeClusterAPI()
        let repository = try repository("open", inUse: CommitsInUse(api: api, unit: "home"), packLimit: 2)
        func pushed(_ number: Int) async throws -> ObjectID {
            try host.push(["a.yaml": "a: \(number)\n"], rewriting: number > 0)
            return try #require(try await repository.fetch()).id
        }
        func isThere(_ commit: ObjectID) async throws -> Bool { try await repository.isAncestor(commit, of: commit) }
        // With the cluster away nothing is dropped.
        await api.setReachable(false)
        var commits: [ObjectID] = []
        for number in 0..<4 { commits.append(try await pushed(number)) }
        for commit in commits { #expect(try await isThere(commit)) }
        await api.setReachable(true)
        await api.register(
            APIResource(kind: FluxKinds.kustomization, plural: "kustomizations", isNamespaced: true))
        await api.put(
            Manifest([
                "apiVersion": .string(FluxKinds.kustomization.apiVersion), "kind": "Kustomization",
                "metadata": ["namespace": "default", "name": "apps"],
                "status": ["lastAppliedRevision": .string("main@sha1:\(commits[1].hex)")],
            ]))
        for number in 4..<8 { commits.append(try await pushed(number)) }
        #expect(try await isThere(commits[1]))
        #expect(try await isThere(commits[7]))
        for index in [0, 2, 3] { #expect(try await isThere(commits[index]) == false, "\(index)") }
    }

    @Test func `a push is fetched, and a poll that finds nothing new is one request`() async throws {
        for number in 0..<30 { try host.push(["\(number).yaml": "n: \(number)\n"]) }
        let repository = try repository("open")
        let first = try #require(try await repository.fetch())
        let before = host.requests.count
        #expect(try await repository.head() == first.id)
        #expect(host.requests.count == before + 1 && host.requests.last?.hasPrefix("GET") == true)
        let second = try host.push(["new.yaml": "n: 1\n"])
        let commit = try #require(try await repository.fetch())
        #expect(commit.id.hex == second)
        #expect(try await repository.tree(of: commit.id, under: []).text("0.yaml") == "n: 0\n")
        let third = try host.push(["new.yaml": "n: 2\n"], rewriting: true)
        #expect(try await repository.fetch()?.id.hex == third)
    }

    @Test func `the token is used, by basic and by bearer, and after a redirect on the same host`() async throws {
        let commit = try host.push(["a.yaml": "a: 1\n"])
        #expect(try await repository("basic", username: "ada", token: "s3cret").fetch()?.id.hex == commit)
        #expect(try await repository("bearer", token: "s3cret").head()?.hex == commit)
        let named = root.replacingOccurrences(of: "://", with: "://ada@")
        #expect(try await repository("basic", token: "s3cret", root: named).head()?.hex == commit)
        #expect(try await repository("moved", username: "ada", token: "s3cret").head()?.hex == commit)
        let configuration = try String(contentsOfFile: host.folder + "/mirror.git/config", encoding: .utf8)
        #expect(!configuration.contains("s3cret") && !configuration.contains("localhost"))
    }

    @Test func `refusals name their cause and never the token`() async throws {
        try host.push(["a.yaml": "a: 1\n"])
        let wrong = await problem(try repository("basic", username: "ada", token: "wr0ng"))
        #expect(wrong?.kind == .authentication && wrong?.message.contains("refuses the token") == true)
        #expect(wrong?.message.contains("wr0ng") == false)
        let none = await problem(try repository("basic"))
        #expect(none?.kind == .authentication && none?.message.contains("repository.token") == true)
        let wrongBearer = await problem(try repository("bearer", token: "wr0ng"))
        #expect(wrongBearer?.kind == .authentication)
        let missing = await problem(try repository("open", path: "none.git"))
        #expect(missing?.kind == .repositoryMissing, "\(missing?.message ?? "")")
        let page = await problem(try repository("page"))
        #expect(page?.kind == .repositoryMissing && page?.message.contains("no git server") == true)
        let plain = await problem(try repository("plain"))
        #expect(plain?.kind == .untrusted && plain?.message.contains("another scheme") == true)
    }
}

@Suite struct SSHRemoteTests {
    @Test(arguments: [
        ("ssh://git@git.example/ada/home.git", "git git.example 22 git-upload-pack '/ada/home.git'"),
        ("ssh://git@git.example:2222/home.git", "git git.example 2222 git-upload-pack '/home.git'"),
        ("ssh://ada@[2001:db8::1]:22/~/home.git", "ada 2001:db8::1 22 git-upload-pack '~/home.git'"),
        ("ssh://git.example/it's.git", "root git.example 22 git-upload-pack '/it'\\''s.git'"),
        ("ssh://git.example", nil), ("ssh://git.example/", nil), ("https://git.example/x", nil),
    ]) func `a URL is read as git reads it`(url: String, expected: String?) {
        let remote = SSHRemote(url)
        #expect(remote.map { "\($0.user) \($0.host) \($0.port) \($0.command)" } == expected)
    }

    @Test func `the user is the Secret's, the URL's or the one that git hosts have`() {
        #expect(SSHRemote("ssh://git.example/home.git", fallback: "git")?.user == "git")
        #expect(SSHRemote("ssh://ada:pw@git.example/home.git", fallback: "git")?.user == "ada")
        #expect(SSHRemote("ssh://ada@git.example/home.git", login: "bob", fallback: "git")?.user == "bob")
    }
}

private final class Messages: Sendable {
    private let lines = Mutex<[String]>([])
    func add(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }
}

/// What a failing disk does to a repository.
private enum Damage {
    static func packs(of repository: String) throws {
        let folder = repository + "/objects/pack/"
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) where name.hasSuffix(".pack") {
            chmod(folder + name, 0o644)
            let file = try #require(FileHandle(forWritingAtPath: folder + name))
            try file.seek(toOffset: 16)
            try file.write(contentsOf: [UInt8](repeating: 0xff, count: 150))
            try file.close()
        }
    }

    /// Leaves commits and trees, loses the files.
    static func removeBlobs(of repository: String, _ folder: String) throws {
        let packs = repository + "/objects/pack/"
        for name in try FileManager.default.contentsOfDirectory(atPath: packs) where name.hasSuffix(".pack") {
            try FileManager.default.moveItem(atPath: packs + name, toPath: folder + "/lost.pack")
            let script = "git -C '\(repository)' unpack-objects -q < '\(folder)/lost.pack'"
            try Loopback.run("/bin/sh", ["-c", script])
        }
        try Loopback.run("/bin/sh", ["-c", "rm -f '\(packs)'*"])
        let blobs = try GitHost.git("-C", repository, "ls-tree", "-r", "--format=%(objectname)", "main").split(separator: "\n")
        for blob in blobs { try FileManager.default.removeItem(atPath: "\(repository)/objects/\(blob.prefix(2))/\(blob.dropFirst(2))") }
    }
}
