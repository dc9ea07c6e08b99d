import Foundation
import Testing

/// One cluster, made once and then used by the tests in order, as a person would over a week.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct ClusterLive {
    /// Three fresh machines and what `homelab bootstrap` made of them.
    static let lab = Lab.made("live") { lab in
        try lab.lab("up", "3")
        try lab.preload("m1", "m2", "m3")
        try write(lab)
        try lab.trustHosts(["m1", "m2", "m3"])
        let result = try lab.bootstrap()
        guard result.succeeded else { throw Shell.Failure(command: ["homelab", "bootstrap"], result: result) }
        try lab.addRemote()
    }

    let lab: Lab

    init() throws { lab = try Self.lab.get() }

    private static func write(_ lab: Lab, disk: String = "ssd", labelsOfM3: String = "") throws {
        try lab.writeInventory([
            try lab.node("m1", role: "server"), try lab.node("m2", role: "agent", more: "    labels: {disk: \(disk)}"),
            try lab.node("m3", role: "agent", more: labelsOfM3),
        ])
    }

    @Test func t01_allNodesAreReadyAndLabelled() throws {
        #expect(try lab.readyNodes() == 3)
        let disk = try lab.kubectl("get", "node", "m2", "-o", "jsonpath={.metadata.labels.disk}")
        #expect(disk.output == "ssd")
        #expect(try lab.on("m1", "systemctl is-active homelab-agent").output.contains("active"))
        #expect(try lab.on("m1", "stat -c %a /etc/rancher/k3s/config.yaml /etc/homelab/id_ed25519").output == "600\n600\n")
    }

    @Test func t02_aSecondBootstrapChangesNothing() throws {
        let before = try lab.on(
            "m1",
            "systemctl show k3s homelab-agent -p ActiveEnterTimestampMonotonic; find /etc/rancher /etc/homelab /etc/systemd/system -newermt @$(date +%s) -type f"
        ).output
        try lab.on("m1", "systemctl stop systemd-timedated")
        let again = try lab.bootstrap()
        #expect(again.succeeded, "\(again.text)")
        #expect(again.output.contains("nothing to do"), "\(again.output)")
        for node in ["m1", "m2", "m3"] {
            #expect(again.output.split(separator: "\n").filter { $0.hasPrefix("  \(node)  ") }.count == 1, "one line for \(node)")
        }
        let after = try lab.on(
            "m1",
            "systemctl show k3s homelab-agent -p ActiveEnterTimestampMonotonic; find /etc/rancher /etc/homelab /etc/systemd/system -newermt @$(date +%s) -type f"
        ).output
        #expect(before == after)
        #expect(try lab.on("m1", "systemctl is-active systemd-timedated").output == "inactive\n", "a look starts nothing on a node")
        #expect(try lab.homelab("plan", "--kubeconfig", lab.kubeconfig).status == 0)
    }

    private func plan(_ more: String...) throws -> (status: Int32, hash: String, changes: Bool) {
        let result = try lab.run([Lab.binary, "plan", "--kubeconfig", lab.kubeconfig, "-o", "json"] + more)
        let json = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
        return (result.status, json?["hash"] as? String ?? "", json?["changes"] as? Bool ?? false)
    }

    @Test func t02b_onlyThePlanThatWasLookedAtIsCarriedOut() throws {
        func disk() throws -> String { try lab.kubectl("get", "node", "m2", "-o", "jsonpath={.metadata.labels.disk}").output }
        #expect(try plan() == (0, plan().hash, false))
        try Self.write(lab, disk: "nvme", labelsOfM3: "    labels: {room: attic}")
        let seen = try plan()
        #expect(seen.status == 2 && seen.changes && seen.hash.count == 64)
        #expect(try plan() == seen, "a plan of the same machines has the same hash")
        let text = try lab.homelab("plan", "--kubeconfig", lab.kubeconfig)
        #expect(text.status == 2 && text.output.contains(", plan \(seen.hash.prefix(12))\n"), "\(text.text)")
        let unasked = try lab.homelab("bootstrap", "--kubeconfig", lab.kubeconfig)
        #expect(unasked.status == 1 && unasked.errors.contains("nobody can be asked whether to carry this out"), "\(unasked.text)")
        #expect(unasked.errors.contains("with --plan \(seen.hash.prefix(12)), or with --yes"), "\(unasked.text)")

        // Something changes between the look and the run.
        try Self.write(lab, disk: "sata", labelsOfM3: "    labels: {room: attic}")
        let now = try plan()
        #expect(now.hash != seen.hash)
        let refused = try lab.bootstrap("--plan", String(seen.hash.prefix(12)))
        #expect(refused.status == 1 && refused.output.contains("label disk=sata"), "the plan of now is shown:\n\(refused.text)")
        #expect(refused.errors.contains("the plan is now \(now.hash.prefix(12)), not \(seen.hash.prefix(12))"), "\(refused.text)")
        #expect(refused.errors.contains("look at the plan above, then give its hash"), "\(refused.text)")
        #expect(refused.errors.contains("Nothing was changed."), "\(refused.text)")
        let events = try lab.bootstrap("--plan", seen.hash, "-o", "json")
        #expect(events.status == 1 && events.output.contains(#""declined":true"#), "\(events.text)")
        #expect(events.output.contains("the plan is now \(now.hash.prefix(12)), not"), "\(events.text)")
        let short = try lab.bootstrap("--plan", "abc")
        #expect(short.status == 1 && short.errors.contains("--plan takes at least 8 digits of a plan's hash"), "\(short.text)")
        #expect(try disk() == "ssd")

        // One node's part has a hash of its own, and the other node stays as it is.
        let unknown = try lab.bootstrap("--only", "m2", "m9")
        #expect(unknown.status == 1 && unknown.errors.contains("the inventory has no node m9"), "\(unknown.text)")
        let part = try plan("--only", "m2")
        #expect(part.status == 2 && part.hash != now.hash)
        let whole = try lab.bootstrap("--plan", now.hash, "--only", "m2")
        #expect(whole.status == 1 && whole.errors.contains("the plan is now \(part.hash.prefix(12)), not"), "\(whole.text)")
        let carriedOut = try lab.bootstrap("--plan", part.hash, "--only", "m2")
        #expect(carriedOut.succeeded && !carriedOut.output.contains("room=attic"), "\(carriedOut.text)")
        #expect(try disk() == "sata")
        #expect(try lab.kubectl("get", "node", "m3", "-o", "jsonpath={.metadata.labels.room}").output == "")
        #expect(try plan("--only", "m2").status == 0)
        #expect(try plan().status == 2)

        // An error is no change.
        let inventory = try String(contentsOfFile: lab.inventory, encoding: .utf8)
        try lab.write(inventory.replacingOccurrences(of: "ssh-ed25519 AAAA", with: "ssh-ed25519 BBBB"), to: "inventory/home.yaml")
        #expect(try lab.homelab("plan", "--kubeconfig", lab.kubeconfig).status == 1)
        try Self.write(lab)
        let back = try lab.bootstrap()
        #expect(back.succeeded, "\(back.text)")
        #expect(try disk() == "ssd")
        #expect(try plan().status == 0)
    }

    /// A person reads the plan for a while, and a machine changes meanwhile.
    @Test func t02c_aPlanThatBecameAnotherIsAskedAboutAgain() throws {
        let question = "Carry this out? [y/N]"
        try Self.write(lab, disk: "nvme")
        let (stopped, keys) = try lab.startOnTerminal("bootstrap")
        try lab.wait(stopped, question)
        try keys.write(contentsOf: Data([3]))
        let left = stopped.end(limit: 20)
        #expect(left.status == 130 && left.output.contains("Stopped."), "Ctrl-C is an answer:\n\(left.text)")

        let (run, answers) = try lab.startOnTerminal("bootstrap")
        try lab.wait(run, question)
        let file = "/etc/sysctl.d/90-homelab-k3s.conf"
        try lab.on("m1", "rm \(file)")
        try answers.write(contentsOf: Data("y\n".utf8))
        try lab.wait(run, "this is the plan now")
        try lab.wait("the second question", limit: 20) { run.output.components(separatedBy: question).count == 3 }
        #expect(run.output.contains("write \(file)"), "\(run.output)")
        #expect(try lab.kubectl("get", "node", "m2", "-o", "jsonpath={.metadata.labels.disk}").output == "ssd", "nothing is done yet")
        try answers.write(contentsOf: Data("y\n".utf8))
        let result = run.end(limit: 120)
        #expect(result.succeeded, "\(result.text)")

        // A machine that the first plan did not touch: nothing is locked there yet, and everything begins anew.
        try Self.write(lab, disk: "sata")
        let (further, more) = try lab.startOnTerminal("bootstrap")
        try lab.wait(further, question)
        try lab.on("m3", "rm \(file)")
        try more.write(contentsOf: Data("y\n".utf8))
        try lab.wait("the second question", limit: 60) { further.output.components(separatedBy: question).count == 3 }
        try more.write(contentsOf: Data("y\n".utf8))
        let anew = further.end(limit: 120)
        #expect(anew.succeeded && anew.output.contains("this is the plan now"), "\(anew.text)")
        #expect(try lab.on("m3", "ls \(file)").succeeded)
        #expect(try lab.kubectl("get", "node", "m2", "-o", "jsonpath={.metadata.labels.disk}").output == "sata")
        #expect(try lab.on("m1", "ls \(file)").succeeded)
        try Self.write(lab)
        #expect(try lab.bootstrap().succeeded)
    }

    @Test func t03_aPushIsAppliedAndHealthy() throws {
        try lab.write(Apps.hello(page: "one"), to: "clusters/home/hello/hello.yaml")
        try lab.write(Apps.kustomization, to: "clusters/home/hello/kustomization.yaml")
        let pushed = try lab.push("An app")
        let applied = try lab.wait("Deployment hello", since: pushed) {
            try lab.kubectl("-n", "hello", "get", "deployment", "hello").succeeded
        }
        print("applied \(applied) s after the push")
        let healthy = try lab.wait("healthy app", limit: 120) {
            try lab.homelab("status", "--kubeconfig", lab.kubeconfig, "--healthy").succeeded
        }
        print("healthy \(healthy) s later")
        let pods = try lab.kubectl("-n", "hello", "get", "pods", "-o", "jsonpath={.items[*].status.phase}")
        #expect(pods.output == "Running")
    }

    @Test func t04_whatAHandChangesIsRepaired() throws {
        try lab.change("-n", "hello", "delete", "service", "hello")
        let back = try lab.wait("Service hello", limit: 20) { try lab.kubectl("-n", "hello", "get", "service", "hello").succeeded }
        try lab.change("-n", "hello", "patch", "deployment", "hello", "--type", "merge", "-p", #"{"spec":{"replicas":3}}"#)
        let undone = try lab.wait("one replica", limit: 20) {
            try lab.kubectl("-n", "hello", "get", "deployment", "hello", "-o", "jsonpath={.spec.replicas}").output == "1"
        }
        print("deleted Service back after \(back) s, edit undone after \(undone) s")
    }

    @Test func t04b_aKustomizationIsAUnitOfItsOwn() throws {
        let unit = """
            apiVersion: kustomize.toolkit.fluxcd.io/v1
            kind: Kustomization
            metadata: {name: one, namespace: default}
            spec:
              interval: 10m
              path: ./units/one
              prune: true
              wait: true
              postBuild: {substitute: {who: unit}}
              sourceRef: {kind: GitRepository, name: home, namespace: homelab-system}

            """
        try lab.write(unit, to: "clusters/home/one.yaml")
        try lab.write(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: of-a-unit, namespace: default}\ndata: {who: '${who}'}\n",
            to: "units/one/one.yaml")
        let pushed = try lab.push("A unit")
        let ready = try lab.wait("a Ready unit", limit: 30, since: pushed) {
            try lab.kubectl("get", "kustomization", "one", "-o", #"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#).output
                == "True"
        }
        print("unit Ready \(ready) s after the push")
        #expect(try lab.kubectl("get", "configmap", "of-a-unit", "-o", "jsonpath={.data.who}").output == "unit")
        let trace = try lab.homelab("trace", "configmap/default/of-a-unit", "--kubeconfig", lab.kubeconfig)
        #expect(trace.output.contains("default/one") && trace.output.contains("units/one/one.yaml:1"), "\(trace.text)")
        try lab.git("rm", "--quiet", "-r", "clusters/home/one.yaml", "units")
        _ = try lab.push("No unit")
        try lab.wait("the pruned unit and its object", limit: 30) {
            try !lab.kubectl("get", "kustomization", "one").succeeded && !lab.kubectl("get", "configmap", "of-a-unit").succeeded
        }
    }

    @Test func t05_aBrokenCommitLeavesTheLastGoodOneEnforced() throws {
        try lab.write("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: broken\n data: {a: b}\n", to: "clusters/home/broken.yaml")
        _ = try lab.push("A broken commit")
        try lab.wait("the error in homelab status", limit: 30) {
            try lab.homelab("status", "--kubeconfig", lab.kubeconfig).text.contains("clusters/home/broken.yaml:5")
        }
        try lab.change("-n", "hello", "delete", "service", "hello")
        try lab.wait("Service hello", limit: 20) { try lab.kubectl("-n", "hello", "get", "service", "hello").succeeded }
        try lab.git("rm", "--quiet", "clusters/home/broken.yaml")
        _ = try lab.push("Repaired")
        try lab.wait("health", limit: 60) { try lab.homelab("status", "--kubeconfig", lab.kubeconfig, "--healthy").succeeded }
    }

    @Test func t06_killingTheAgentInMidApplyForgetsNothing() throws {
        for number in 1...150 {
            try lab.write(
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: many-\(number)\n  namespace: default\ndata: {number: \"\(number)\"}\n",
                to: "clusters/home/many/\(number).yaml")
        }
        _ = try lab.push("Many objects")
        try lab.wait("the first of them", limit: 30) { try count() > 0 }
        try lab.on("m1", "systemctl kill --signal KILL homelab-agent")
        try lab.wait("all 150", limit: 60) { try count() == 150 }
        // A part goes, not all at once: dropping most of what runs is taken for an accident and prunes nothing.
        for number in 1...60 { try lab.git("rm", "--quiet", "clusters/home/many/\(number).yaml") }
        _ = try lab.push("Fewer of them")
        try lab.wait("90 of them", limit: 60) { try count() == 90 }
    }

    private func count() throws -> Int {
        try lab.kubectl("-n", "default", "get", "configmaps", "--no-headers").output.split(separator: "\n").filter { $0.hasPrefix("many-") }
            .count
    }

    @Test func t07_aMachineAddedByGitJoins() throws {
        try lab.lab("add", "m4")
        try lab.preload("m4")
        try lab.letAgentsIn("m4")
        let inventory = try String(contentsOfFile: lab.inventory, encoding: .utf8)
        try lab.write(inventory + (try lab.node("m4", role: "agent")), to: "inventory/home.yaml")
        let pushed = try lab.push("m4 joins")
        let ready = try lab.wait("m4 Ready", limit: 180, since: pushed) {
            try lab.kubectl("get", "node", "m4", "--no-headers").output.contains(" Ready")
        }
        print("m4 Ready \(ready) s after the push")
    }

    @Test func t08_anAppThatLeavesGitIsPruned() throws {
        try lab.git("rm", "--quiet", "-r", "clusters/home/hello")
        _ = try lab.push("No app")
        try lab.wait("pruned Deployment", limit: 60) {
            let result = try lab.kubectl("-n", "hello", "get", "deployment,service,configmap", "-o", "name")
            return result.succeeded && !result.output.contains("deployment") && !result.output.contains("service")
        }
    }

    @Test func t09_theServerIsRebooted() throws {
        try lab.lab("reboot", "m1", limit: 300)
        try lab.wait("four Ready nodes", limit: 240) { try lab.readyNodes() == 4 }
        try lab.wait("a healthy agent", limit: 60) { try lab.homelab("status", "--kubeconfig", lab.kubeconfig, "--healthy").succeeded }
    }

    /// The operator lost the inventory: the one that is written from the machines wants nothing changed.
    @Test func t09b_anInventoryThatWasLostIsWrittenAnew() throws {
        // What is in a file on the machine, and what only homelab's own record on the Node tells.
        let more = "    labels: {rack: \"1\", node-role.kubernetes.io/edge: main}\n    taints: [slow=yes:PreferNoSchedule]"
        try Self.write(lab, disk: "nvme", labelsOfM3: more)
        let inventory = try String(contentsOfFile: lab.inventory, encoding: .utf8)
        try lab.write(inventory + (try lab.node("m4", role: "agent")), to: "inventory/home.yaml")
        let pushed = try lab.push("Labels and a taint")
        try lab.wait("the labels", limit: 120, since: pushed) {
            try lab.kubectl("get", "node", "m3", "-o", "jsonpath={.metadata.labels.rack}").output == "1"
        }
        try lab.wait("nothing left to do", limit: 120) { try plan().status == 0 }
        let before = try writtenFiles()

        try FileManager.default.moveItem(atPath: lab.inventory, toPath: lab.folder + "/home.yaml")
        let machines = ["m1", "m2", "m3", "m4"]
        try lab.trustHosts(machines)
        try FileManager.default.createDirectory(atPath: lab.folder + "/.ssh", withIntermediateDirectories: true)
        let trusted = try String(contentsOfFile: lab.folder + "/known_hosts", encoding: .utf8)
        try trusted.write(toFile: lab.folder + "/.ssh/known_hosts", atomically: true, encoding: .utf8)
        let rest = try ["--user", "debian", "--identity-file", lab.identity] + machines.map { try lab.lab("ip", $0) }
        let other = try lab.run([Lab.binary, "adopt", "--name", "other"] + rest)
        #expect(other.status == 1 && other.errors.contains("the cluster is called home, not other"), "\(other.text)")
        let adopted = try lab.run([Lab.binary, "adopt"] + rest)
        #expect(adopted.succeeded && adopted.text.contains("note: no machine knows policy"), "\(adopted.text)")
        let text = try String(contentsOfFile: lab.inventory, encoding: .utf8)
        for words in ["name: m1", "disk: nvme", "rack: \"1\"", "node-role.kubernetes.io/edge: main", "slow=yes:PreferNoSchedule"] {
            #expect(text.contains(words), "\(words) is not in\n\(text)")
        }
        // Where k3s came from is on no machine.
        try lab.write(text.replacingOccurrences(of: "k3s:\n", with: "k3s:\n  source: \(Lab.k3s)\n"), to: "inventory/home.yaml")
        let found = try lab.homelab("plan", "--agent-binary", "amd64=" + Lab.binary, "--kubeconfig", lab.kubeconfig)
        #expect(found.status == 0 && found.output.contains("nothing to do"), "\(found.text)\n\(text)")
        let again = try lab.bootstrap()
        #expect(again.succeeded && again.output.contains("nothing to do"), "\(again.text)")
        #expect(try writtenFiles() == before)
    }

    /// The sums of what homelab wrote on the machines.
    private func writtenFiles() throws -> [String] {
        try ["m1", "m2", "m3", "m4"].map {
            try lab.on($0, "find /etc/rancher /etc/homelab -type f 2>/dev/null | sort | xargs sha256sum").output
        }
    }

    @Test func t10_tearDown() throws { try lab.tearDown() }
}
