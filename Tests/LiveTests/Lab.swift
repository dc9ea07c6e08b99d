import Foundation
import Testing

/// Machines of the test bed (Tests/TestBed/machines/lab) under a prefix of their own, and a repository and kubeconfig to work with.
final class Lab: Sendable {
    let prefix: String
    let folder: String
    var repository: String { folder + "/repository" }
    var kubeconfig: String { folder + "/kubeconfig" }
    var inventory: String { repository + "/inventory/home.yaml" }

    /// Says why the live tests are skipped where they are.
    static var isAvailable: Bool { ProcessInfo.processInfo.environment["HOMELAB_LIVE"] == "1" }
    static let reason: Comment = "live tests need root and the test bed: bootstrap/test runs them (HOMELAB_LIVE=1)"

    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .path
    /// The static homelab binary that the machines get.
    static var binary: String { ProcessInfo.processInfo.environment["HOMELAB_TEST_BINARY"] ?? "" }
    /// The folder that holds k3s, in the shape of its release page.
    static var k3s: String { ProcessInfo.processInfo.environment["HOMELAB_TEST_K3S"] ?? "" }
    static let k3sVersion = "v1.20.2+k3s1"

    /// - Parameter prefix: begins with `live`, in whose place HOMELAB_LAB_PREFIX comes: for test runs side by side.
    init(_ prefix: String) throws {
        let own = ProcessInfo.processInfo.environment["HOMELAB_LAB_PREFIX"]
        let prefix = own.map { $0 + prefix.dropFirst("live".count) } ?? prefix
        self.prefix = prefix
        folder = NSTemporaryDirectory() + "homelab-live-" + prefix
        try lab("down")
        try? FileManager.default.removeItem(atPath: folder)
        try FileManager.default.createDirectory(atPath: repository, withIntermediateDirectories: true)
    }

    /// Machines made ready for a suite. Where that fails they are removed, as nobody else would: suites after it need the room.
    static func made(_ prefix: String, ready: (Lab) throws -> Void) -> Result<Lab, any Error> {
        Result {
            let lab = try Lab(prefix)
            do { try ready(lab) } catch {
                // What is told is why it failed, whatever becomes of this.
                _ = try? lab.lab("down")
                throw error
            }
            return lab
        }
    }

    /// Removes the machines; the folder stays when something went wrong, for a look.
    func tearDown() throws {
        try lab("down")
        try FileManager.default.removeItem(atPath: folder)
    }

    private var environment: [String: String] {
        [
            "HOMELAB_LAB_PREFIX": prefix, "HOMELAB_LAB": folder + "/lab",
            "GIT_SSH_COMMAND": "ssh -o KexAlgorithms=curve25519-sha256 -i \(identity) -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes "
                + "-o UserKnownHostsFile=\(folder)/known_hosts -o LogLevel=ERROR -o ConnectTimeout=10",
            "GIT_AUTHOR_NAME": "test", "GIT_AUTHOR_EMAIL": "test@example.org", "GIT_COMMITTER_NAME": "test",
            "GIT_COMMITTER_EMAIL": "test@example.org", "HOME": folder,
            // The machines' image is made once, not for every suite.
            "XDG_CACHE_HOME": ProcessInfo.processInfo.environment["XDG_CACHE_HOME"] ?? NSHomeDirectory() + "/.cache",
        ]
    }

    var identity: String { folder + "/lab/keys/id_ed25519" }

    @discardableResult
    func lab(_ arguments: String..., limit: Double = 120) throws -> String {
        try Shell.must([Self.root + "/Tests/TestBed/machines/lab"] + arguments, environment: environment, limit: limit)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Runs a command where the operator sits: in the machines' network, in the repository's folder.
    func run(_ command: [String], environment more: [String: String] = [:], limit: Double = 600) throws -> Shell.Result {
        try Shell.run(
            [Self.root + "/Tests/TestBed/machines/lab", "exec"] + command, in: repository,
            environment: environment.merging(more) { $1 }, limit: limit)
    }

    func homelab(_ arguments: String..., environment: [String: String] = [:], limit: Double = 600) throws -> Shell.Result {
        try run([Self.binary] + arguments, environment: environment, limit: limit)
    }

    /// `homelab bootstrap` without questions.
    func bootstrap(_ more: String..., limit: Double = 600) throws -> Shell.Result {
        try run(
            [Self.binary, "bootstrap", "--yes", "--agent-binary", "amd64=" + Self.binary, "--kubeconfig", kubeconfig] + more, limit: limit)
    }

    /// A command of homelab's, to be watched and stopped.
    func start(_ arguments: String...) throws -> Shell.Running { try start(arguments) }

    /// `homelab bootstrap` without questions, to be watched and stopped.
    func startBootstrap(_ more: String...) throws -> Shell.Running {
        try start(["bootstrap", "--yes", "--kubeconfig", kubeconfig, "--agent-binary", "amd64=" + Self.binary] + more)
    }

    /// A command of homelab's on a terminal, and the keyboard.
    func startOnTerminal(_ arguments: String...) throws -> (run: Shell.Running, keys: FileHandle) {
        let keyboard = folder + "/keyboard"
        unlink(keyboard)
        guard mkfifo(keyboard, 0o600) == 0, let keys = FileHandle(forUpdatingAtPath: keyboard) else {
            throw Timeout(what: keyboard, seconds: 0)
        }
        let command = ([Self.binary] + arguments + ["--kubeconfig", kubeconfig, "--agent-binary", "amd64=" + Self.binary])
            .map { "'\($0)'" }.joined(separator: " ")
        let run = try Shell.start(
            [
                Self.root + "/Tests/TestBed/machines/lab", "exec", "sh", "-c", #"exec script -qefc "$1" /dev/null <"$0""#, keyboard,
                command,
            ], in: repository, environment: environment)
        return (run, keys)
    }

    private func start(_ arguments: [String]) throws -> Shell.Running {
        try Shell.start(
            [Self.root + "/Tests/TestBed/machines/lab", "exec", Self.binary] + arguments, in: repository, environment: environment)
    }

    /// A command on a machine, as root, past SSH.
    @discardableResult
    func on(_ machine: String, _ command: String, limit: Double = 120) throws -> Shell.Result {
        try Shell.run([Self.root + "/Tests/TestBed/machines/lab", "run", machine, command], environment: environment, limit: limit)
    }

    func kubectl(_ arguments: String..., limit: Double = 60) throws -> Shell.Result {
        try run(kubectl(arguments), limit: limit)
    }

    /// A change made with kubectl.
    func change(_ arguments: String...) throws { try succeed(kubectl(arguments)) }

    /// Lets the cluster's agents log in to these machines, as an OS image with their keys would.
    func letAgentsIn(_ machines: String...) throws {
        let keys = try succeed([Self.binary, "key", "--kubeconfig", kubeconfig])
        try keys.output.write(toFile: folder + "/agents.pub", atomically: true, encoding: .utf8)
        for machine in machines { try lab("authorize", machine, folder + "/agents.pub") }
    }

    /// Runs a command until it succeeds: a server that has just been cut off may be without a leader, and one under load slow to answer.
    @discardableResult
    private func succeed(_ command: [String]) throws -> Shell.Result {
        let started = Date()
        var result = try run(command, limit: 30)
        while !result.succeeded, Date().timeIntervalSince(started) < 60 {
            sleep(1)
            result = try run(command, limit: 30)
        }
        guard result.succeeded else { throw Shell.Failure(command: command, result: result) }
        return result
    }

    private func kubectl(_ arguments: [String]) -> [String] { [Self.k3s + "/k3s", "kubectl", "--kubeconfig", kubeconfig] + arguments }

    @discardableResult
    func git(_ arguments: String...) throws -> String {
        let result = try run(["git"] + arguments, limit: 60)
        guard result.succeeded else { throw Shell.Failure(command: ["git"] + arguments, result: result) }
        return result.output
    }

    func write(_ text: String, to path: String) throws {
        let file = repository + "/" + path
        try FileManager.default.createDirectory(
            atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try text.write(toFile: file, atomically: true, encoding: .utf8)
    }

    /// Commits everything and pushes it; the time it returns is when the push was done.
    func push(_ message: String, force: Bool = false) throws -> Date {
        try git("add", "--all")
        try git("commit", "--quiet", "--allow-empty", "--message", message)
        try git(force ? "push" : "push", "--quiet", force ? "--force" : "--no-force", "cluster", "main")
        return Date()
    }

    /// Puts the app's images where k3s finds them: the machines have no way to a registry.
    func preload(_ machines: String...) throws {
        for machine in machines {
            try put(Self.k3s + "/k3s-airgap-images-amd64.tar", on: machine, at: "/var/lib/rancher/k3s/agent/images/airgap.tar")
        }
    }

    /// Copies a file to a machine, as root and with its mode.
    func put(_ file: String, on machine: String, at path: String) throws {
        try Shell.must(
            [
                "sh", "-c",
                "\"$0\" run \"$1\" \"mkdir -p $(dirname \"$3\") && cat >$3 && chmod $(stat -c %a \"$2\") $3\" <\"$2\"",
                Self.root + "/Tests/TestBed/machines/lab", machine, file, path,
            ], environment: environment)
    }

    /// How many times as long as on an idle host is waited: no test fails because the suites beside it keep the processors busy.
    static let patience = 4.0

    /// Looks again and again until the condition holds; the seconds it took since `start`. A look that costs much (a kubectl) is repeated
    /// less often, for the machines share the processors with it. `limit` is in seconds of an idle host.
    @discardableResult
    func wait(_ what: String, limit: Double = 60, since start: Date = Date(), until condition: () throws -> Bool) throws -> Double {
        let deadline = Date().addingTimeInterval(limit * Self.patience)
        while Date() < deadline {
            let look = Date()
            if (try? condition()) == true { return Date().timeIntervalSince(start) }
            usleep(UInt32(1_000_000 * min(1, max(0.05, 3 * Date().timeIntervalSince(look)))))
        }
        throw Timeout(what: what, seconds: limit * Self.patience)
    }

    struct Timeout: Error, CustomStringConvertible {
        let what: String
        let seconds: Double
        var description: String { "still no \(what) after \(Int(seconds)) s" }
    }
}
