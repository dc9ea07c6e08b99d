import Foundation
import KubernetesClient
import KubernetesModel
import Reconciliation
import Testing
import YAML

/// What must survive every fault: agents killed anywhere, a server that is away, busy or forgetful, and a lost lease.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct SyncFaultsLive {
    let bed: SyncBed

    init() throws {
        bed = try SyncBed.shared.get()
        try bed.startAgent()
    }

    /// Kills the agent before its first write and after its first, second, … while it goes from one tree to another, until a change needs
    /// no more writes than that: so it ends once between any two requests, with the second never sent and the answer to the first never
    /// read. After each the next agent must finish what was begun. Gives how many places there were.
    private func killEverywhere(
        _ what: String, from before: (Int) -> [String: String], to after: (Int) -> [String: String], units: [String] = [],
        check: (Int) async throws -> Void
    ) async throws -> Int {
        for place in 1...40 {
            try await settle(at: try bed.push(before(place)), units)
            let rule = place == 1 ? "at=1&when=before" : "at=\(place - 1)&when=after"
            _ = try bed.counts(0, "?kill=\(try bed.startAgent())&\(rule)")
            let commit = try bed.push(after(place))
            var isThrough = false
            try await bed.eventually("\(what): an end of round \(place)") {
                if bed.hasEnded() { return true }
                isThrough = try await isSettled(at: commit, units)
                return isThrough
            }
            if isThrough {
                // No rule may outlive its round. Where it was found through while the write that is deadly was still under way, there was one.
                if try bed.counts(0, "?kill=0&at=0&when=before").armed { return place - 1 }
                try await bed.eventually("the end of the agent that was killed") { bed.hasEnded() }
            }
            try await bed.freeLease()
            try bed.startAgent()
            try await settle(at: commit, units)
            try await check(place)
        }
        Issue.record("\(what): no end of writes")
        return 40
    }

    private func isSettled(at commit: String, _ units: [String]) async throws -> Bool {
        guard let report = try await bed.report(), report.phase == .ready, report.appliedRevision == commit else { return false }
        for name in units {
            guard let unit = try await bed.unit(name), unit.ready?.status == "True", unit.status.lastAppliedRevision.hasSuffix(commit)
            else {
                return false
            }
        }
        return true
    }

    private func settle(at commit: String, _ units: [String]) async throws {
        try await bed.eventually("all Ready at \(commit.prefix(8))") { try await isSettled(at: commit, units) }
    }

    /// The objects that the agent's own unit has recorded, of those that begin with a prefix.
    private func recorded(_ prefix: String) async throws -> [String] {
        let text = try await bed.configMap("homelab-inventory-sync", "homelab-system")?.value[path: "data", "objects"]?.string ?? ""
        return try #require(ResourceInventory(text: text)).keys.map(\.name).filter { $0.hasPrefix(prefix) }
    }

    @Test func t01_killedAnywhereInAnApply() async throws {
        func tree(_ title: String, _ names: [String]) -> [String: String] {
            Dictionary(uniqueKeysWithValues: names.map { ("clusters/sync/\($0).yaml", SyncFiles.config($0, title)) })
        }
        let places = try await killEverywhere(
            "apply", from: { tree("old \($0)", ["ka-1", "ka-2"]) }, to: { tree("new \($0)", ["ka-1", "ka-2", "ka-3"]) }
        ) { round in
            let titles = [try await bed.title("ka-1"), try await bed.title("ka-2"), try await bed.title("ka-3")]
            let names = try await recorded("ka-")
            #expect(titles == Array(repeating: "new \(round)", count: 3) && names == ["ka-1", "ka-2", "ka-3"], "\(titles) \(names)")
        }
        #expect(places >= 5, "none, record, three objects, status: \(places)")
    }

    @Test func t02_killedAnywhereInAPrune() async throws {
        func tree(_ names: [String]) -> [String: String] {
            Dictionary(uniqueKeysWithValues: names.map { ("clusters/sync/\($0).yaml", SyncFiles.config($0, "1")) })
        }
        let places = try await killEverywhere("prune", from: { _ in tree(["kp-1", "kp-2", "kp-3"]) }, to: { _ in tree(["kp-1"]) }) {
            round in
            try await bed.eventually("nothing is left of round \(round)") {
                let left = [try await bed.configMap("kp-2"), try await bed.configMap("kp-3")]
                let names = try await recorded("kp-")
                return left.allSatisfy { $0 == nil } && names == ["kp-1"]
            }
        }
        #expect(places >= 3, "none, two objects at least: \(places)")
    }

    @Test func t03_killedAnywhereInAMove() async throws {
        func tree(_ folder: String) -> [String: String] {
            [
                "clusters/sync/u.yaml": SyncFiles.unit("km-a", path: "a") + "---\n" + SyncFiles.unit("km-b", path: "b"),
                "a/stays.yaml": SyncFiles.config("km-stays-a", "1"), "b/stays.yaml": SyncFiles.config("km-stays-b", "1"),
                "\(folder)/moves.yaml": SyncFiles.config("km-moves", "1"),
            ]
        }
        var uid: String?
        let places = try await killEverywhere("move", from: { _ in tree("a") }, to: { _ in tree("b") }, units: ["km-a", "km-b"]) { _ in
            let moved = try #require(try await bed.configMap("km-moves"))
            #expect(uid == nil || moved.uid == uid, "it was deleted and made anew")
            uid = moved.uid
            #expect(moved.label(Ownership.nameLabel) == "km-b")
        }
        #expect(places >= 3, "none, the object and the record: \(places)")
    }

    @Test func t03b_killedAnywhereInAForcedReplacement() async throws {
        func tree(_ title: String) -> [String: String] {
            let annotations = "metadata: {annotations: {kustomize.toolkit.fluxcd.io/force: enabled}, "
            let fixed = SyncFiles.config("kf", title).split(separator: "metadata: {").joined(separator: Substring(annotations))
            return ["clusters/sync/f.yaml": fixed + "immutable: true\n", "clusters/sync/g.yaml": SyncFiles.config("kf-other", title)]
        }
        let places = try await killEverywhere("replacement", from: { tree("old \($0)") }, to: { tree("new \($0)") }) { round in
            let titles = [try await bed.title("kf"), try await bed.title("kf-other")]
            let names = try await recorded("kf")
            #expect(titles == ["new \(round)", "new \(round)"] && names == ["kf", "kf-other"], "\(titles) \(names)")
        }
        #expect(places >= 4, "none, the other object, the deletion and the new one: \(places)")
    }

    @Test func t03c_killedAnywhereWhereAUnitLeaves() async throws {
        func tree(_ units: [String]) -> [String: String] {
            var files = ["clusters/sync/u.yaml": units.map { SyncFiles.unit($0, path: $0) }.joined(separator: "---\n")]
            for unit in ["kl-stays", "kl-leaves"] {
                files["\(unit)/a.yaml"] = SyncFiles.config(unit + "-a", "1")
                files["\(unit)/b.yaml"] = SyncFiles.config(unit + "-b", "1")
            }
            return files
        }
        let places = try await killEverywhere(
            "unit's end", from: { _ in tree(["kl-stays", "kl-leaves"]) }, to: { _ in tree(["kl-stays"]) }, units: ["kl-stays"]
        ) { round in
            try await bed.eventually("nothing is left of round \(round)") {
                let left = [try await bed.configMap("kl-leaves-a"), try await bed.configMap("kl-leaves-b")]
                let unit = try await bed.unit("kl-leaves")
                return left.allSatisfy { $0 == nil } && unit == nil
            }
            let kept = [try await bed.title("kl-stays-a"), try await bed.title("kl-stays-b")]
            #expect(kept == ["1", "1"])
        }
        #expect(places >= 4, "none, two objects, the unit's deletion and its end: \(places)")
    }

    @Test func t04_aServerThatWasAwayAndHasForgottenThePast() async throws {
        var files = ["clusters/sync/a.yaml": SyncFiles.config("away", "1"), "clusters/sync/b.yaml": SyncFiles.config("away-b", "1")]
        try await bed.awaitReady(at: try bed.push(files))
        // The agent sees nothing of this, for a minute: what its watches resume from has expired when they can.
        _ = try bed.counts(0, "?off=60")
        #expect(try bed.kubectl("delete", "configmap", "away-b").succeeded)
        #expect(try bed.kubectl("patch", "configmap", "away", "--type=merge", "-p", #"{"data":{"title":"by hand"}}"#).succeeded)
        try bed.control("stop/apiserver")
        files["clusters/sync/c.yaml"] = SyncFiles.config("away-c", "1")
        let commit = try bed.push(files)
        try bed.control("start/apiserver")
        try bed.control("compact")
        #expect(try await bed.title("away") == "by hand", "nothing can have been done yet")
        // It leads no more, knows nobody who does, and says so.
        try await bed.eventually("word of it", limit: 30) { try bed.readiness().contains("the API server does not answer") }
        // The agent's longest wait is half a minute.
        try await bed.awaitReady(at: commit, limit: 150)
        #expect(try bed.readiness() == "ok\n")
        try await bed.eventually("all three as in git") {
            let titles = [try await bed.title("away"), try await bed.title("away-b"), try await bed.title("away-c")]
            return titles == ["1", "1", "1"]
        }
        // And the watches live: drift is repaired as before.
        #expect(try bed.kubectl("delete", "configmap", "away-b").succeeded)
        try await bed.eventually("a repair", limit: 5) { try await bed.title("away-b") == "1" }
    }

    @Test func t05_aBusyServerIsGivenTime() async throws {
        var files = ["clusters/sync/u.yaml": SyncFiles.unit("busy", path: "busy")]
        for index in 0..<30 { files["busy/\(index).yaml"] = SyncFiles.config("busy-\(index)", "1") }
        let before = try bed.counts(0, "?busy=6")
        try await bed.awaitUnit("busy", at: try bed.push(files), limit: 60)
        let after = try bed.counts()
        let refused = after.busy - before.busy
        #expect(refused > 0 && refused <= 80, "\(refused) refused writes in 6 s")
        #expect(after.writes - before.writes - refused <= 60, "30 objects, records and statuses: \(after.writes - before.writes - refused)")
    }

    @Test func t05b_aServerTooBusyToBeReadIsGivenTimeToo() async throws {
        var files = ["clusters/sync/u.yaml": SyncFiles.unit("crowd", path: "crowd"), "crowd/a.yaml": SyncFiles.config("crowd-a", "1")]
        try await bed.awaitUnit("crowd", at: try bed.push(files))
        let before = try bed.counts(0, "?busy=6&of=all")
        // Whatever was watched has to be listed and watched anew, which is refused.
        _ = try bed.counts(0, "?off=0.2")
        #expect(try bed.kubectl("patch", "configmap", "crowd-a", "--type=merge", "-p", #"{"data":{"title":"by hand"}}"#).succeeded)
        files["crowd/b.yaml"] = SyncFiles.config("crowd-b", "1")
        try await bed.awaitUnit("crowd", at: try bed.push(files), limit: 60)
        try await bed.eventually("the drift is repaired", limit: 30) { try await bed.title("crowd-a") == "1" }
        #expect(try await bed.title("crowd-b") == "1")
        let refused = try bed.counts().busy - before.busy
        #expect(refused > 0 && refused <= 200, "\(refused) refused requests in 6 s")
    }

    @Test func t06_aBrokenWatchLosesNothing() async throws {
        try await bed.awaitReady(at: try bed.push(["clusters/sync/w.yaml": SyncFiles.config("watched", "1")]))
        for round in 0..<3 {
            _ = try bed.counts(0, "?off=0.2")
            #expect(try bed.kubectl("patch", "configmap", "watched", "--type=merge", "-p", #"{"data":{"title":"\#(round)x"}}"#).succeeded)
            try await bed.eventually("a repair after the connections broke", limit: 10) { try await bed.title("watched") == "1" }
        }
    }

    @Test func t07_aLostLeaseHandsOverAndNobodyActsTwice() async throws {
        try await bed.awaitReady(at: try bed.push(["clusters/sync/l.yaml": SyncFiles.config("led", "1")]))
        try bed.startAgent(1)
        func holder() async throws -> String {
            let lease = try await bed.client.get(SyncBed.lease, namespace: "homelab-system", name: "homelab-agent")
            return lease?.value[path: "spec", "holderIdentity"]?.string ?? ""
        }
        #expect(try await holder().hasPrefix("agent-0_"))
        // It could write on: only what it asks of the Lease fails.
        _ = try bed.counts(0, "?lease=40")
        try await bed.eventually("the other agent leads", limit: 40) { try await holder().hasPrefix("agent-1_") }
        let applies = try bed.counts(0).applies
        try await bed.awaitReady(at: try bed.push(["clusters/sync/l.yaml": SyncFiles.config("led", "2")]))
        #expect(try await bed.title("led") == "2")
        #expect(try await holder().hasPrefix("agent-1_"))
        #expect(try bed.counts(0).applies == applies, "the agent without the lease has applied something")
        #expect(try bed.counts(1).applies > 0)
        // Given back in an orderly way, the lease passes at once.
        _ = try bed.counts(0, "?lease=0")
        try await bed.stopAgent(1)
        try await bed.eventually("the first agent leads again", limit: 20) { try await holder().hasPrefix("agent-0_") }
    }

    @Test func t08_atRestNothingIsAskedButTheLease() async throws {
        try await bed.awaitReady(at: try bed.push(["clusters/sync/r.yaml": SyncFiles.config("rest", "1")]))
        try await Task.sleep(for: .seconds(4))
        let before = try bed.counts()
        try await Task.sleep(for: .seconds(10))
        let after = try bed.counts()
        #expect(after.writes == before.writes)
        #expect(
            after.requests - before.requests <= 6, "\(after.requests - before.requests) requests in 10 s, of them two renewals of the lease"
        )
    }
}
