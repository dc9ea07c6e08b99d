import Foundation
import Testing

/// Another version of k3s on a cluster that is in use: what goes well, and what a node does whose new k3s does not come up.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct UpgradeLive {
    /// Three servers and two agents with an app that may lose one of its two pods at a time.
    static let lab = Lab.made("liveup") { lab in
        try lab.lab("up", "5", limit: 900)
        try write(lab, Lab.k3sVersion)
        try lab.trustHosts(["m1", "m2", "m3", "m4", "m5"])
        let result = try lab.bootstrap(limit: 900)
        guard result.succeeded else { throw Shell.Failure(command: ["homelab", "bootstrap"], result: result) }
        try Apps.guarded.write(toFile: lab.folder + "/app.yaml", atomically: true, encoding: .utf8)
        try lab.change("apply", "-f", lab.folder + "/app.yaml")
        try lab.wait("a running app", limit: 120) { try Apps.readyPods(lab) == 2 }
    }

    let lab: Lab

    init() throws { lab = try Self.lab.get() }

    private static func write(_ lab: Lab, _ version: String) throws {
        let servers = try ["m1", "m2", "m3"].map { try lab.node($0, role: "server") }
        let agents = try ["m4", "m5"].map { try lab.node($0, role: "agent") }
        try lab.writeInventory(servers + agents, version: version)
    }

    private func versions(through server: String = "m2") throws -> [String: String] {
        let query = #"k3s kubectl get nodes --no-headers -o custom-columns=N:.metadata.name,V:.status.nodeInfo.kubeletVersion"#
        let rows = try lab.on(server, query).output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        return Dictionary(uniqueKeysWithValues: rows.filter { $0.count == 2 }.map { ($0[0], $0[1]) })
    }

    private func cordoned() throws -> String {
        try lab.on("m2", "k3s kubectl get nodes --no-headers | grep SchedulingDisabled").output
    }

    @Test func t01_allNodesAreUpgradedWhileTheAppServesAndOneWhoseBinaryDoesNotStartGoesBack() throws {
        try refuse("v1.20.3+k3s1", on: "m4", unit: "k3s-agent")
        try Self.write(lab, "v1.20.3+k3s1")
        let plan = try lab.homelab("plan", "--kubeconfig", lab.kubeconfig)
        #expect(plan.status == 2, "\(plan.text)")
        for words in [
            "upgrade servers, one at a time", "upgrade agents", "save a snapshot of etcd", "drain m1, giving up after 600 s",
            "if it does not come up: goes back to v1.20.2+k3s1 by itself", "if it does not come up: the run stops and says how to go back",
        ] { #expect(plan.output.contains(words), "\(words) is not in\n\(plan.output)") }

        let watch = LowestValue { try? Apps.readyPods(lab) }
        let began = Date()
        let result = try lab.bootstrap(limit: 1500)
        #expect(result.status == 1, "\(result.text)")
        #expect(result.text.contains("the upgrade failed, and the node runs k3s v1.20.2+k3s1 again"), "\(result.text)")
        #expect(result.text.contains("k3s ended"), "the cause is told:\n\(result.text)")
        let versions = try versions()
        #expect(versions["m1"] == "v1.20.3+k3s1" && versions["m4"] == "v1.20.2+k3s1" && versions["m5"] == "v1.20.2+k3s1", "\(versions)")
        #expect(try cordoned() == "")
        try lab.wait("m4 Ready", limit: 60) { try lab.readyNodes() == 5 }
        try allow(on: "m4", unit: "k3s-agent")
        let rest = try lab.bootstrap(limit: 900)
        print("five nodes upgraded in \(Int(Date().timeIntervalSince(began))) s, one of them at the second try")
        #expect(rest.succeeded, "\(rest.text)")
        #expect(watch.stop() >= 1, "the app never had fewer pods than its budget allows")
        #expect(try Set(self.versions().values) == ["v1.20.3+k3s1"])
        #expect(try self.versions().count == 5)
        #expect(try cordoned() == "")
        #expect(try lab.on("m4", "/usr/local/bin/k3s.prev --version").output.contains("v1.20.2+k3s1"))
        let backups = try lab.run(["find", lab.folder + "/.local/state/homelab/backups", "-type", "f", "-printf", "%f %m\n"]).output
        #expect(backups.contains("token 600") && backups.contains("homelab-before-v1.20.3-k3s1-m1-"), "\(backups)")
        let again = try lab.bootstrap()
        #expect(again.output.contains("nothing to do"), "\(again.text)")
    }

    @Test func t02_aServerWhoseNewBinaryDoesNotStartStopsThePlan() throws {
        try refuse("v1.20.4+k3s1", on: "m1", unit: "k3s")
        try Self.write(lab, "v1.20.4+k3s1")
        let result = try lab.bootstrap(limit: 900)
        #expect(result.status == 1, "\(result.text)")
        for words in [
            "the upgrade of m1 failed, and the run stops here", "To go back to v1.20.3+k3s1", "--cluster-reset-restore-path=SNAPSHOT",
            "The copy from before is /var/lib/rancher/k3s/server/db/snapshots/homelab-before-v1.20.4-k3s1-",
        ] { #expect(result.text.contains(words), "\(words) is not in\n\(result.text)") }
        let versions = try versions()
        #expect(versions["m2"] == "v1.20.3+k3s1" && versions["m3"] == "v1.20.3+k3s1" && versions["m4"] == "v1.20.3+k3s1", "\(versions)")
        #expect(try (Apps.readyPods(lab) ?? 0) >= 1)
        try allow(on: "m1", unit: "k3s")
        let again = try lab.bootstrap(limit: 1500)
        #expect(again.succeeded, "\(again.text)")
        // Where the cluster knew m1 to be down, the others could not be spared, and the rest is a run of its own.
        let done = try Set(self.versions().values) == ["v1.20.4+k3s1"]
        #expect(again.text.contains("what waited for this run can be done now") != done, "\(again.text)")
        let rest = try lab.bootstrap(limit: 1500)
        #expect(rest.succeeded, "\(rest.text)")
        #expect(try Set(self.versions().values) == ["v1.20.4+k3s1"])
        #expect(try cordoned() == "")
    }

    @Test func t03_aSkippedMinorAndAWayBackAreRefused() throws {
        try Self.write(lab, "v1.22.1+k3s1")
        let skipped = try lab.homelab("plan", "--kubeconfig", lab.kubeconfig)
        #expect(skipped.output.contains("runs k3s v1.20.4+k3s1, and v1.22.1+k3s1 skips a minor version"), "\(skipped.output)")
        #expect(skipped.output.contains("set k3s.version to a release of v1.21 first"))
        #expect(skipped.output.contains("is not upgraded yet: the server m1 is still behind"))
        try Self.write(lab, "v1.20.2+k3s1")
        let back = try lab.homelab("plan", "--kubeconfig", lab.kubeconfig)
        #expect(back.output.contains("is not taken back to v1.20.2+k3s1: k3s does not go back"), "\(back.output)")
    }

    @Test func t04_tearDown() throws { try lab.tearDown() }

    /// Makes a node's k3s of one version fail at every start, as a broken binary would.
    private func refuse(_ version: String, on machine: String, unit: String) throws {
        let folder = "/etc/systemd/system/\(unit).service.d"
        let check = "[Service]\\nExecStartPre=/bin/sh -c \"! /usr/local/bin/k3s --version | grep -qF \(version)\"\\n"
        let result = try lab.on(machine, "mkdir -p \(folder) && printf '\(check)' >\(folder)/refuse.conf && systemctl daemon-reload")
        #expect(result.succeeded, "\(result.text)")
    }

    private func allow(on machine: String, unit: String) throws {
        try lab.on(machine, "rm -r /etc/systemd/system/\(unit).service.d && systemctl daemon-reload")
    }
}
