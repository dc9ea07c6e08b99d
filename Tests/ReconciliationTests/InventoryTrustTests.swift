import Diagnostics
import Foundation
import Git
import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

/// Which commits' inventory is taken, with a repository and signatures of the real git.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/git"), "needs git"))
struct InventoryTrustTests {
    private let scene: Scene
    private let api = FakeClusterAPI()

    init() throws { scene = try Scene() }

    private func trust() -> InventoryTrust {
        InventoryTrust(
            repository: LocalRepository(path: scene.folder + "/work/.git", branch: "main"), api: api, inventory: "inventory/home.yaml",
            signersFile: scene.folder + "/allowed_signers")
    }

    /// What is chosen of the branch as it is now: the commit, and why the newest is not.
    private func chosen() async throws -> (commit: String?, refusal: String?) {
        let trust = trust()
        let head = try #require(await trust.repository.mirrored())
        let choice = try await trust.choose(head)
        return (choice.commit?.id.hex, choice.refusal?.description)
    }

    @Test func `a signed inventory is taken, with unsigned commits to the apps on top of it`() async throws {
        let first = try scene.commit("inventory/home.yaml", "one", signed: "alice")
        #expect(try await chosen().commit == first)
        let app = try scene.commit("clusters/home/app.yaml", "app")
        let choice = try await chosen()
        #expect(choice.commit == app && choice.refusal == nil)
        #expect(try await AppliedInventory(in: api).commit?.hex == app)
        try scene.commit("inventory/home/nodes/a1.yaml", "a1", signed: "alice")
        let above = try scene.commit("clusters/home/app.yaml", "app two")
        #expect(try await chosen().commit == above, "the signed change lies below the newest commit")
    }

    @Test func `an unsigned change stops at the inventory before it`() async throws {
        let first = try scene.commit("inventory/home.yaml", "one", signed: "alice")
        _ = try await chosen()
        try scene.commit("inventory/home.lock.yaml", "sums")
        let choice = try await chosen()
        #expect(choice.commit == first)
        #expect(choice.refusal?.contains("is not signed") == true && choice.refusal?.contains("stays in force") == true)
        try scene.commit("inventory/home.lock.yaml", "sums of a stranger", signed: "mallory")
        #expect(try await chosen().refusal?.contains("none of the allowed signers'") == true)
        let good = try scene.commit("inventory/home.lock.yaml", "good sums", signed: "alice")
        let now = try await chosen()
        #expect(now.commit == good && now.refusal == nil)
    }

    @Test func `an old commit is not taken again, and an unsigned way back neither`() async throws {
        let first = try scene.commit("inventory/home.yaml", "one", signed: "alice")
        let second = try scene.commit("inventory/home.yaml", "two", signed: "alice")
        _ = try await chosen()
        try scene.commit("inventory/home.yaml", "one")
        #expect(try await chosen().commit == second, "the same content as a signed commit before is not that commit")
        try scene.git("reset", "--quiet", "--hard", first)
        let rewound = try await chosen()
        #expect(rewound.commit == second)
        #expect(rewound.refusal?.contains("does not follow from \(second.prefix(12))") == true)
        try await accept(first)
        #expect(try await chosen().commit == first)
    }

    private func accept(_ commit: String) async throws {
        _ = try await api.mergePatch(
            GroupVersionKind(group: "", version: "v1", kind: "ConfigMap"), namespace: "homelab-system", name: AppliedInventory.name,
            patch: ["metadata": ["annotations": ["homelab.dev/accept-history": .string(commit)]]], subresource: nil)
    }

    @Test func `without anybody to trust nothing is taken`() async throws {
        try scene.commit("inventory/home.yaml", "one", signed: "alice")
        try FileManager.default.removeItem(atPath: scene.folder + "/allowed_signers")
        let choice = try await chosen()
        #expect(choice.commit == nil)
        #expect(choice.refusal?.contains("the allowed signers cannot be read") == true)
        #expect(try await AppliedInventory(in: api).commit == nil)
    }
}

/// A repository in which alice may sign and mallory may not.
private final class Scene {
    let folder = NSTemporaryDirectory() + "homelab-trust-" + UUID().uuidString

    init() throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try run("/usr/bin/git", "init", "--quiet", "--initial-branch", "main", folder + "/work")
        for name in ["alice", "mallory"] {
            try run("/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", "\(folder)/\(name)")
        }
        let key = try String(contentsOfFile: folder + "/alice.pub", encoding: .utf8)
        try "alice@example.org \(key)".write(toFile: folder + "/allowed_signers", atomically: true, encoding: .utf8)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    @discardableResult
    func commit(_ path: String, _ text: String, signed key: String? = nil) throws -> String {
        let file = "\(folder)/work/\(path)"
        try FileManager.default.createDirectory(atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        try git("add", ".")
        let signing = key.map { ["-c", "gpg.format=ssh", "-c", "user.signingkey=\(folder)/\($0)"] } ?? []
        try git(signing + ["commit", "--quiet", "--message", text] + (key == nil ? [] : ["--gpg-sign"]))
        return try git("rev-parse", "HEAD").trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @discardableResult
    func git(_ arguments: String...) throws -> String { try git(arguments) }

    @discardableResult
    func git(_ arguments: [String]) throws -> String {
        try run(["/usr/bin/git", "-C", folder + "/work", "-c", "user.name=Ada", "-c", "user.email=ada@example.org"] + arguments)
    }

    @discardableResult
    func run(_ words: String...) throws -> String { try run(words) }

    @discardableResult
    func run(_ words: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: words[0])
        process.arguments = Array(words.dropFirst())
        process.environment = ["PATH": "/usr/bin:/bin", "HOME": folder, "GIT_CONFIG_NOSYSTEM": "1"]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "\(words)")
        return text
    }
}
