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

    @Test func t00_preparingTheMachine() throws {
        // Kernel settings take as long as this one wants them to.
        let slow = "/usr/local/sbin/sysctl"
        try lab.on("m2", "printf '#!/bin/sh\\nsleep 300\\n' >\(slow) && chmod 755 \(slow)")
        try lab.stopBootstrap(in: "prepare hosts", at: "m2: set sysctls")
        try lab.cutBootstrap("m2", in: "prepare hosts", at: "m2: set sysctls")
        try lab.on("m2", "rm \(slow); pkill -xf 'sleep 300'")
    }

    @Test func t01_stoppedInTheUploadItGoesOnFromThePart() throws {
        try lab.lab("cut", "m1", "slow", "80000")
        let run = try lab.startBootstrap()
        try lab.wait(run, "m1: install /usr/local/bin/k3s\n")
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
        try lab.cutBootstrap("m1", in: "k3s binary", at: "m1: install /usr/local/bin/k3s")
    }

    @Test func t03_theFirstServer() throws {
        try lab.stopBootstrap(in: "first server", at: "m1: wait for the k3s server")
        #expect(try lab.on("m1", "ls /tmp").output.contains("homelab-upload") == false, "what was brought is gone once it is in its place")
        try lab.cutBootstrap("m1", in: "first server", at: "m1: wait for the k3s server")
        // Further servers are planned once it is well.
        try lab.wait("the first server", limit: 240) { try lab.on("m1", "k3s kubectl get nodes --no-headers").output.contains(" Ready ") }
    }

    @Test func t04_aFurtherServer() throws {
        try lab.stopBootstrap(in: "further servers", at: "m2: wait for the k3s server")
        try lab.cutBootstrap("m2", in: "further servers", at: "m2: wait for the k3s server")
        try lab.stopBootstrap(in: "further servers", at: "m3: wait for the k3s server")
    }

    @Test func t05_anAgent() throws {
        try lab.stopBootstrap(in: "agents", at: "m4: wait for the k3s agent")
        try lab.cutBootstrap("m4", in: "agents", at: "m4: wait for the k3s agent")
    }

    @Test func t06_theHomelabAgent() throws {
        try lab.stopBootstrap(in: "homelab agent", at: "m1: wait for the homelab agent")
        // It may be ready by now: one that takes its time is waited for.
        let unit = "/etc/systemd/system/homelab-agent.service.d"
        try lab.on(
            "m1",
            """
            systemctl stop homelab-agent; mkdir -p \(unit) && printf '[Service]\\nExecStartPre=/bin/sleep 300\\n' >\(unit)/slow.conf
            systemctl daemon-reload
            """)
        try lab.cutBootstrap("m1", in: "homelab agent", at: "m1: wait for the homelab agent")
        try lab.on("m1", "rm -r \(unit); systemctl daemon-reload; systemctl stop homelab-agent")
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
        try lab.wait(run, "m4: wait for the k3s agent\n")
        try lab.lab("cut", "m4", "drop")
        try lab.wait(run, toNotice: "m4")
        try lab.lab("mend", "m4")
        let result = run.end()
        #expect(result.succeeded, "\(result.text)")
        #expect(try lab.kubectl("get", "node", "m4", "-o", "jsonpath={.metadata.labels.disk}").output == "nvme")
    }

    @Test func t09_ofTwoRunsAtOnceTheSecondSaysWhoIsAtWork() throws {
        try lab.on("m2", "echo 'debug: true' >>/etc/rancher/k3s/config.yaml")
        let first = try lab.startBootstrap()
        try lab.wait(first, "m2: wait for the k3s server\n")
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
