import Foundation
import Testing

/// The way of a machine by git, seen from outside: enrolled, shown, written down; the agent upgraded, and only known people believed.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct MachineLive {
    static let lab = Lab.made("mc") { lab in
        try lab.lab("up", "2")
        try lab.preload("m1", "m2")
        try lab.writeInventory([try lab.node("m1", role: "server")])
        try lab.trustHosts(["m1", "m2"])
        let result = try lab.bootstrap()
        guard result.succeeded else { throw Shell.Failure(command: ["homelab", "bootstrap"], result: result) }
        try lab.addRemote()
        _ = try lab.push("One server")
    }

    let lab: Lab

    init() throws { lab = try Self.lab.get() }

    private func ask(_ arguments: String...) throws -> Shell.Result {
        try lab.run([Lab.binary] + arguments + ["--kubeconfig", lab.kubeconfig])
    }

    private func phase(_ machine: String) throws -> String {
        try lab.kubectl("get", "machine", machine, "-o", "jsonpath={.status.phase}").output
    }

    @Test func t01_anEnrolledMachineJoinsByAPush() throws {
        let address = try lab.lab("ip", "m2")
        // What a person wrote around the entries stays.
        let written = try String(contentsOfFile: lab.inventory, encoding: .utf8)
            .replacingOccurrences(of: "nodes:\n", with: "# top to bottom, as in the rack\nnodes:\n")
            .replacingOccurrences(of: "    role: server\n", with: "    # in the attic\n    role:   server   # the quiet one\n")
        try lab.write("# Ours.\n\n" + written + "  # room for more\n", to: "inventory/home.yaml")
        let before = try String(contentsOfFile: lab.inventory, encoding: .utf8)
        let files = try self.files("m2")
        let wrong = try ask("enroll", address, "--fingerprint", "SHA256:AAAA")
        #expect(wrong.status == 1 && wrong.errors.contains("it shows another host key than the given one"), "\(wrong.text)")
        #expect(try String(contentsOfFile: lab.inventory, encoding: .utf8) == before)
        let fingerprint = try Shell.must(
            ["sh", "-c", "printf '%s\n' '\(try lab.lab("hostkey", "m2"))' | ssh-keygen -lf - | cut -d ' ' -f 2"])
        let enrolled = try ask("enroll", address, "--fingerprint", fingerprint.trimmingCharacters(in: .newlines))
        #expect(enrolled.succeeded, "\(enrolled.text)")
        #expect(enrolled.output.contains("has the new agent m2, with its host key"), "\(enrolled.text)")
        let after = try String(contentsOfFile: lab.inventory, encoding: .utf8)
        #expect(enrolled.output.contains(fingerprint.trimmingCharacters(in: .newlines)), "the fingerprint is shown:\n\(enrolled.text)")
        let entry = after.components(separatedBy: "  - name: m2\n")
        #expect(entry.count == 2 && entry[1].hasPrefix("    role: agent\n    host: \(address)\n    hostKeys: [ssh-ed25519 "), "\(after)")
        let rest = entry[0] + entry[1].split(separator: "\n", omittingEmptySubsequences: false).dropFirst(3).joined(separator: "\n")
        #expect(rest == before, "comments and order are kept:\n\(after)")
        let changed = try Set(self.files("m2").symmetricDifference(files).map { $0.prefix { $0 != " " } })
        #expect(changed == ["/home/debian/.ssh/authorized_keys"])
        let keys = try lab.on("m2", "cat /home/debian/.ssh/authorized_keys").output
        #expect(keys.contains("restrict,from=\"\(try lab.lab("ip", "m1"))\" ssh-ed25519 ") && keys.contains(" homelab-agent@home/m1"))
        let pushed = try lab.push("A second machine")
        let ready = try lab.wait("two nodes", limit: 240, since: pushed) { try lab.readyNodes() == 2 }
        print("Ready \(ready) s after the push")
    }

    /// Every file of a machine with size and time, but those that the system itself keeps writing.
    private func files(_ machine: String) throws -> Set<String> {
        let busy = ["/var/log", "/var/cache", "/var/lib/systemd", "/var/lib/private", "/var/lib/apt", "/var/lib/dbus"]
        let prune = busy.map { "-path \($0)" }.joined(separator: " -o ")
        let text = try lab.on(machine, "find / /var/lib -xdev \\( \(prune) \\) -prune -o ! -type d -printf '%p %s %T@\\n'").output
        return Set(text.split(separator: "\n").map(String.init))
    }

    @Test func t02_theMachinesAreShownAndWhatWasDoneIsWrittenDown() throws {
        try lab.wait("both machines Ready", limit: 60) { try phase("m1") == "Ready" && phase("m2") == "Ready" }
        let table = try lab.kubectl("get", "mach").output
        let rows = table.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        #expect(rows.first == ["NAME", "ROLE", "VERSION", "ADDRESS", "PHASE", "REASON", "AGE"], "\(table)")
        let address = try lab.lab("ip", "m2")
        #expect(rows.contains { $0.prefix(5) == ["m2", "agent", Lab.k3sVersion, address, "Ready"] }, "\(table)")
        let fields =
            #"{.status.conditions[?(@.type=="Ready")].status} {.status.conditions[?(@.type=="AsInventory")].reason} "#
            + "{.status.revision} {.status.lastChange.result} {.status.lastChange.commit}"
        let head = try lab.git("rev-parse", "HEAD").trimmingCharacters(in: .newlines)
        #expect(try lab.kubectl("get", "machine", "m2", "-o", "jsonpath=\(fields)").output == "True NothingToDo \(head) done \(head)")
        let nodes = try ask("nodes")
        let second = nodes.output.split(separator: "\n").first { $0.hasPrefix("m2 ") }
        #expect(second?.contains(" agent ") == true && second?.contains(Lab.k3sVersion) == true, "\(nodes.text)")
        let live = try ask("plan", "--live")
        #expect(live.succeeded && live.output.contains("nothing to do"), "\(live.text)")
        try lab.wait("the journal in the cluster", limit: 20) {
            try ask("history", "--node", "m2").output.contains("start k3s-agent.service")
        }
        let commit = try lab.git("rev-parse", "HEAD").prefix(12)
        let history = try ask("history", "--commit", String(commit), "-n", "0")
        let join = history.output.split(separator: "\n").first { $0.contains("start k3s-agent.service") }
        #expect(join?.contains(" done ") == true, "\(history.text)")
        let whole = try ask("history", "--servers", "-n", "0")
        #expect(whole.output.contains("start k3s-agent.service"), "\(whole.text)")
        #expect(!whole.output.contains("K10"), "no token in it")
        let events = try lab.kubectl("get", "events", "--field-selector", "involvedObject.kind=Machine", "-A").output
        #expect(events.contains("Joining") && events.contains("Ready"), "\(events)")
    }

    // MARK: The agent itself

    /// Puts a version of the agent where the inventory says, pinned, and pushes it.
    private func name(_ version: String, _ file: String) throws -> (sha256: String, pushed: Date) {
        try lab.put(file, on: "m1", at: "/srv/homelab/\(version)/homelab-amd64")
        let sum = String(try Shell.must(["sha256sum", file]).prefix(64))
        var text = try String(contentsOfFile: lab.inventory, encoding: .utf8)
        if let old = text.range(of: "agent:\n  version: .*\n  source: /srv/homelab\n", options: .regularExpression) {
            text.removeSubrange(old)
        }
        text = text.replacingOccurrences(of: "nodes:\n", with: "agent:\n  version: \(version)\n  source: /srv/homelab\nnodes:\n")
        try lab.write(text, to: "inventory/home.yaml")
        try lab.write(
            "apiVersion: homelab.dev/v1alpha1\nkind: Lock\nk3s: {}\nhomelab:\n  \(version): {amd64: \(sum)}\n",
            to: "inventory/home.lock.yaml")
        return (sum, try lab.push("The agents in \(version)"))
    }

    private var runningAgent: String {
        get throws {
            String(
                try lab.on("m1", "sha256sum <$(readlink -f /proc/$(systemctl show -p MainPID --value homelab-agent)/exe)").output.prefix(64)
            )
        }
    }

    @Test func t03_aVersionOfTheAgentComesByGit() throws {
        let file = lab.folder + "/homelab-next"
        try Shell.must(["sh", "-c", "cp \"$0\" \"$1\" && printf next >>\"$1\"", Lab.binary, file])
        let (sum, pushed) = try name("0.1.1", file)
        let took = try lab.wait("the new agent", limit: 180, since: pushed) { try runningAgent == sum }
        print("the new agent runs \(took) s after the push")
        try lab.wait("the outcome", limit: 60) { try lab.on("m1", "cat /var/lib/homelab/agent-switch").output == "done \(sum)\n" }
        #expect(try lab.on("m1", "readlink /usr/local/bin/homelab").output == "/usr/local/lib/homelab/b\n")
        try lab.wait("the end in the journal", limit: 60) {
            try ask("history", "--node", "m1").output.split(separator: "\n").contains {
                $0.contains("switch to the new homelab agent") && $0.contains(" done ")
            }
        }
    }

    @Test func t04_anAgentThatDoesNotGetReadyMakesWayForTheOneBeforeAndSoItDoesWhenThePowerGoes() throws {
        let before = try runningAgent
        // Runs without being ready the first time, and ends at once from then on.
        let file = lab.folder + "/homelab-bad"
        try "#!/bin/sh\n[ \"$1\" = agent ] || exit 1\n[ -e /root/tried ] && exit 1\ntouch /root/tried; sync; exec sleep 600\n"
            .write(toFile: file, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file)
        let (sum, _) = try name("0.1.2", file)
        try lab.wait("the trial", limit: 120) { try lab.on("m1", "test -e /root/tried").succeeded }
        try lab.lab("off", "m1", "hard")
        try lab.lab("on", "m1")
        try lab.wait("an agent after the power cut", limit: 60) { try runningAgent == before }
        // It is tried again, and fails.
        try lab.wait("the way back", limit: 240) {
            try lab.on("m1", "cat /var/lib/homelab/agent-switch").output.hasPrefix("returned \(sum)")
        }
        #expect(try runningAgent == before)
        try lab.wait("what came of it", limit: 60) {
            try ask("status").output.contains("went back to its earlier homelab agent")
                && ask("history", "--node", "m1").output.contains("failed")
        }
    }

    // MARK: Whose word counts

    @Test func t05_onlyAKnownPersonChangesTheInventory() throws {
        try Shell.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", lab.folder + "/signer"])
        let key = try String(contentsOfFile: lab.folder + "/signer.pub", encoding: .utf8)
        try lab.write("ada@example.org \(key)", to: "inventory/signers")
        func edit(_ old: String, _ new: String) throws {
            let text = try String(contentsOfFile: lab.inventory, encoding: .utf8)
            try lab.write(text.replacingOccurrences(of: old, with: new), to: "inventory/home.yaml")
        }
        try edit("nodes:\n", "repository:\n  signers: signers\nnodes:\n")
        // Signed from the start: what is in force is what was pushed before.
        try lab.git("add", "--all")
        try lab.git("-c", "gpg.format=ssh", "-c", "user.signingkey=\(lab.folder)/signer", "commit", "--quiet", "-S", "-m", "Signers")
        try lab.git("push", "--quiet", "cluster", "main")
        let bootstrap = try lab.bootstrap()
        #expect(try lab.on("m1", "stat -c '%a %U' /etc/homelab/allowed_signers").output == "600 root\n", "\(bootstrap.text)")
        func label() throws -> String { try lab.kubectl("get", "node", "m2", "-o", "jsonpath={.metadata.labels.disk}").output }
        try edit("    role: agent\n", "    role: agent\n    labels: {disk: ssd}\n")
        // What runs on the cluster needs no signature.
        try lab.write(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: unsigned, namespace: default}\n", to: "clusters/home/unsigned.yaml")
        _ = try lab.push("Unsigned")
        try lab.wait("the refusal", limit: 60) { try ask("status").output.contains("is not taken: the commit is not signed") }
        try lab.wait("the refusal in the journal", limit: 60) { try ask("history").output.contains("refused") }
        try lab.wait("the object", limit: 30) { try lab.kubectl("get", "configmap", "unsigned").succeeded }
        #expect(try label() == "")
        try lab.git("-c", "gpg.format=ssh", "-c", "user.signingkey=\(lab.folder)/signer", "commit", "--quiet", "-S", "--amend", "--no-edit")
        try lab.git("push", "--quiet", "--force", "cluster", "main")
        try lab.wait("the label", limit: 120) { try label() == "ssd" }
        // An older commit is signed as well, and no way back.
        let now = try lab.git("rev-parse", "HEAD").trimmingCharacters(in: .newlines)
        try lab.git("reset", "--quiet", "--hard", "HEAD~1")
        try lab.git("push", "--quiet", "--force", "cluster", "main")
        try lab.wait("the second refusal", limit: 60) { try ask("status").output.contains("does not follow from \(now.prefix(12))") }
        #expect(try label() == "ssd")
        try lab.git("reset", "--quiet", "--hard", now)
        try lab.git("push", "--quiet", "--force", "cluster", "main")
        try lab.wait("peace", limit: 60) { try !ask("status").output.contains("does not follow from") }
        try lab.tearDown()
    }
}
