import Foundation
import Testing

/// One fresh bootstrap that is stopped and cut off in every phase: each further run goes on from there, and in the end all is as if
/// nothing had happened.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct InterruptionLive {
    static let lab: Result<Lab, any Error> = Result {
        let lab = try Lab("livecut")
        try lab.lab("up", "4")
        try write(lab)
        try lab.trustHosts(["m1", "m2", "m3", "m4"])
        return lab
    }

    let lab: Lab

    init() throws { lab = try Self.lab.get() }

    private static func write(_ lab: Lab, label: String = "ssd") throws {
        try lab.writeInventory([
            try lab.node("m1", role: "server"), try lab.node("m2", role: "server"), try lab.node("m3", role: "server"),
            try lab.node("m4", role: "agent", more: "    labels: {disk: \(label)}"),
        ])
    }

    /// Waits until a run has said something; one that ends before that has failed the test.
    private func wait(_ run: Shell.Running, _ words: String, limit: Double = 240) throws {
        try lab.wait("\"\(words)\"", limit: limit) { run.output.contains(words) || run.hasEnded }
        guard run.output.contains(words) else { throw Shell.Failure(command: ["homelab", "bootstrap"], result: run.end()) }
    }

    /// Waits until a run has told that a machine is cut off: it says nothing any more, or what was sent to it comes back.
    private func noticed(_ run: Shell.Running, _ machine: String) throws {
        try lab.wait("word of the cut", limit: 30) {
            run.output.split(separator: "\n").contains { $0.hasPrefix("\(machine): ") && $0.hasSuffix("; connecting again") }
        }
    }

    /// A run up to a step of a phase, and Ctrl-C there.
    private func stop(in phase: String, at step: String) throws {
        let run = try lab.startBootstrap()
        try wait(run, "] \(phase): ")
        try wait(run, step + "\n")
        run.interrupt()
        let started = Date()
        let result = run.end(limit: 60)
        print("\(phase): stopped after \(Date().timeIntervalSince(started)) s")
        #expect(result.status == 130, "\(phase):\n\(result.text)")
        #expect(result.text.contains("\(step): skipped: stopped"), "\(phase):\n\(result.text)")
        #expect(result.text.contains("Stopped. Running the same command again goes on from here."), "\(phase):\n\(result.text)")
        #expect(Date().timeIntervalSince(started) < 30)
    }

    /// A run up to a step of a phase; the node's network goes, the run notices, and is stopped while it tries to connect again.
    private func cut(_ machine: String, in phase: String, at step: String) throws {
        let run = try lab.startBootstrap()
        try wait(run, "] \(phase): ")
        try wait(run, step + "\n")
        try lab.lab("cut", machine, "drop")
        let started = Date()
        try noticed(run, machine)
        print("\(phase): the cut was noticed after \(Date().timeIntervalSince(started)) s")
        run.interrupt()
        let result = run.end(limit: 60)
        #expect(result.status == 130, "\(phase):\n\(result.text)")
        #expect(result.text.contains("Stopped. Running the same command again goes on from here."), "\(phase):\n\(result.text)")
        try lab.lab("mend", machine)
    }

    @Test func t01_stoppedInTheUploadItGoesOnFromThePart() throws {
        try lab.lab("cut", "m1", "slow", "80000")
        let run = try lab.startBootstrap()
        try wait(run, "m1: install /usr/local/bin/k3s\n")
        try lab.wait("a part of k3s", limit: 60) { try part() > 4_000_000 }
        run.interrupt()
        let result = run.end(limit: 60)
        #expect(result.status == 130 && result.text.contains("m1: install /usr/local/bin/k3s: skipped: stopped"), "\(result.text)")
        #expect(try part() > 4_000_000)
        try lab.lab("mend", "m1")
    }

    private func part() throws -> Int {
        let printed = try lab.on("m1", "cat /tmp/homelab-upload-k3s-*.homelab-upload 2>/dev/null | wc -c").output
        return Int(printed.trimmingCharacters(in: .newlines)) ?? 0
    }

    @Test func t02_cutOffInTheUpload() throws {
        try lab.lab("cut", "m1", "slow", "80000")
        try cut("m1", in: "k3s binary", at: "m1: install /usr/local/bin/k3s")
    }

    @Test func t03_theFirstServer() throws {
        try stop(in: "first server", at: "m1: wait for the k3s server")
        #expect(try lab.on("m1", "ls /tmp").output.contains("homelab-upload") == false, "what was brought is gone once it is in its place")
        try cut("m1", in: "first server", at: "m1: wait for the k3s server")
    }

    @Test func t04_aFurtherServer() throws {
        try stop(in: "further servers", at: "m2: wait for the k3s server")
        try cut("m2", in: "further servers", at: "m2: wait for the k3s server")
        try stop(in: "further servers", at: "m3: wait for the k3s server")
    }

    @Test func t05_anAgent() throws {
        try stop(in: "agents", at: "m4: wait for the k3s agent")
        try cut("m4", in: "agents", at: "m4: wait for the k3s agent")
    }

    @Test func t06_theHomelabAgent() throws {
        try stop(in: "homelab agent", at: "m1: wait for the homelab agent")
    }

    @Test func t07_aFurtherRunFinishesAndTheNextFindsNothingToDo() throws {
        let result = try lab.bootstrap()
        #expect(result.succeeded, "\(result.text)")
        #expect(try lab.readyNodes() == 4)
        #expect(try lab.kubectl("get", "node", "m4", "-o", "jsonpath={.metadata.labels.disk}").output == "ssd")
        let again = try lab.bootstrap()
        #expect(again.succeeded && again.output.contains("nothing to do"), "\(again.text)")
        #expect(try lab.kubectl("get", "secrets", "-n", "kube-system", "-o", "name").output.contains("bootstrap-token-") == false)
        for machine in ["m1", "m2", "m3", "m4"] {
            let temporary = "find /usr/local/bin /etc/rancher /etc/homelab -type f -name '*.??????'"
            #expect(
                try lab.on(machine, "ls -d /run/homelab.lock /tmp/*homelab* 2>/dev/null; \(temporary)").output == "", "left on \(machine)")
        }
    }

    @Test func t08_aCutThatIsMendedCostsNothing() throws {
        try Self.write(lab, label: "nvme")
        try lab.on("m4", "echo 'debug: true' >>/etc/rancher/k3s/config.yaml")
        let run = try lab.startBootstrap()
        try wait(run, "m4: wait for the k3s agent\n")
        try lab.lab("cut", "m4", "drop")
        try noticed(run, "m4")
        try lab.lab("mend", "m4")
        let result = run.end()
        #expect(result.succeeded, "\(result.text)")
        #expect(try lab.kubectl("get", "node", "m4", "-o", "jsonpath={.metadata.labels.disk}").output == "nvme")
    }

    @Test func t09_ofTwoRunsAtOnceTheSecondSaysWhoIsAtWork() throws {
        try lab.on("m2", "echo 'debug: true' >>/etc/rancher/k3s/config.yaml")
        let first = try lab.startBootstrap()
        try wait(first, "m2: wait for the k3s server\n")
        let second = try lab.bootstrap(limit: 60)
        #expect(second.status == 1, "\(second.text)")
        #expect(second.text.contains(#"node "m2": another run is working on this node"#), "\(second.text)")
        #expect(second.text.contains(", homelab bootstrap, since 20"), "it says who:\n\(second.text)")
        #expect(second.text.contains("Wait until it has ended."), "\(second.text)")
        let result = first.end()
        #expect(result.succeeded, "\(result.text)")
        #expect(try lab.bootstrap().output.contains("nothing to do"))
    }

    @Test func t10_tearDown() throws { try lab.tearDown() }
}
