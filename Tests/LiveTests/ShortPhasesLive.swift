import Foundation
import Testing

/// The phases of a run that take moments, held up: each is stopped and cut off, and a further run goes on from there.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct ShortPhasesLive {
    static let lab = Lab.made("livemom") { lab in
        try lab.lab("up", "m1:firewall=ufw", "m2", "m3", limit: 900)
        try write(lab)
        try lab.preload("m1", "m2", "m3")
    }

    let lab: Lab

    init() throws { lab = try Self.lab.get() }

    private static func write(_ lab: Lab, label: String? = nil, absent: String? = nil, agent: String = "") throws {
        let more = ["m2": label.map { "    labels: {disk: \($0)}" }, "m3": absent.map { _ in "    state: absent" }]
        try lab.writeInventory(
            try ["m1", "m2", "m3"].map { try lab.node($0, role: $0 == "m1" ? "server" : "agent", more: more[$0].flatMap(\.self) ?? "") },
            k3s: Lab.quickLoss, more: agent)
    }

    private func stopAndCut(in phase: String, at step: String, once isUnderWay: () throws -> Bool = { true }) throws {
        try lab.stopBootstrap(in: phase, at: step)
        try lab.cutBootstrap("m1", in: phase, at: step, once: isUnderWay)
    }

    private func expectTheRestIsDone() throws {
        let result = try lab.bootstrap()
        #expect(result.succeeded, "\(result.text)")
        let plan = try lab.homelab("plan", "--kubeconfig", lab.kubeconfig, "--agent-binary", "amd64=" + Lab.binary)
        #expect(plan.status == 0 && plan.output.contains("nothing to do"), "\(plan.text)")
    }

    @Test func t01_theKubeconfig() throws {
        let letGo = try lab.hold("cat", "/etc/rancher/k3s/k3s.yaml", on: "m1")
        try stopAndCut(in: "kubeconfig", at: "m1: fetch the kubeconfig")
        #expect(!FileManager.default.fileExists(atPath: lab.kubeconfig))
        try letGo()
    }

    @Test func t02_theRepository() throws {
        let letGo = try lab.hold("chown", "-R debian:debian /var/lib/homelab/repository.git", on: "m1")
        try stopAndCut(in: "git repository", at: "m1: make the repository /var/lib/homelab/repository.git")
        #expect(try !lab.on("m1", "test -e /var/lib/homelab/repository.git/HEAD").succeeded, "one that is root's would stay so")
        try letGo()
        try expectTheRestIsDone()
        #expect(try lab.on("m1", "cd /var/lib/homelab/repository.git && stat -c %U . HEAD").output == "debian\ndebian\n")
        #expect(try lab.readyNodes() == 3)
    }

    @Test func t03_labels() throws {
        try Self.write(lab, label: "ssd")
        let letGo = try holdNodes()
        // What the API server has not been asked by then it would do once nobody is asked before.
        try stopAndCut(in: "labels and taints", at: "m1: label node m2", once: isNodeHeld)
        try letGo()
        #expect(try lab.kubectl("get", "node", "m2", "-o", "jsonpath={.metadata.labels.disk}").output == "")
        try expectTheRestIsDone()
        #expect(try lab.kubectl("get", "node", "m2", "-o", "jsonpath={.metadata.labels.disk}").output == "ssd")
    }

    @Test func t04_aMachineThatWasSetUpAnew() throws {
        let before = try lab.kubectl("get", "node", "m2", "-o", "jsonpath={.metadata.uid}").output
        try lab.lab("reinstall", "m2")
        try lab.preload("m2")
        try Self.write(lab, label: "ssd")
        try lab.wait("m2 not Ready", limit: 120) { try lab.readyNodes() == 2 }
        let letGo = try holdNodes()
        try stopAndCut(in: "machines set up anew", at: "m1: delete node m2", once: isNodeHeld)
        try letGo()
        try expectTheRestIsDone()
        #expect(try lab.readyNodes() == 3)
        let node = try lab.kubectl("get", "node", "m2", "-o", "jsonpath={.metadata.uid} {.metadata.labels.disk}").output
        #expect(!before.isEmpty && !node.hasPrefix(before) && node.hasSuffix(" ssd"), "\(node)")
    }

    @Test func t05_aFirewallThatLetsInNoLongerWhatHasLeft() throws {
        try Self.write(lab, label: "ssd", absent: "m3")
        let letGo = try lab.hold("ufw", "delete allow", on: "m1")
        try stopAndCut(in: "firewalls", at: "m1: close ufw to what has left")
        #expect(try lab.on("m1", "ufw status").output.contains("10.77.0.13"))
        try letGo()
        try expectTheRestIsDone()
        #expect(try lab.on("m1", "ufw status").output.contains("10.77.0.13") == false)
    }

    @Test func t06_anotherVersionOfTheAgent() throws {
        let agents = lab.folder + "/agents"
        let file = agents + "/0.1.1/homelab-amd64"
        try Shell.must(["sh", "-c", "mkdir -p \"${1%/*}\" && cp \"$0\" \"$1\" && printf next >>\"$1\"", Lab.binary, file])
        let sum = try Shell.must(["sha256sum", file]).prefix(64)
        try lab.write(
            "apiVersion: homelab.dev/v1alpha1\nkind: Lock\nk3s: {}\nhomelab:\n  0.1.1: {amd64: \(sum)}\n", to: "inventory/home.lock.yaml")
        try Self.write(lab, label: "ssd", absent: "m3", agent: "agent:\n  version: 0.1.1\n  source: \(agents)\n")
        let letGo = try lab.hold("mkdir", "-p /usr/local/lib/homelab", on: "m1")
        try stopAndCut(in: "upgrade homelab agents", at: "m1: switch to the new homelab agent")
        #expect(try !lab.on("m1", "test -e /var/lib/homelab/agent-switch").succeeded)
        try letGo()
        try expectTheRestIsDone()
        #expect(try lab.on("m1", "cat /var/lib/homelab/agent-switch").output == "done \(sum)\n")
        let running = "sha256sum <$(readlink -f /proc/$(systemctl show -p MainPID --value homelab-agent)/exe)"
        #expect(try lab.on("m1", running).output.hasPrefix(sum))
    }

    /// The run's own look at what it made meets a k3s that has just ended itself, as it does when etcd is slow for too long.
    @Test func t07_aK3sThatBeginsAnewByItselfIsWaitedFor() throws {
        let wrapper = "/usr/local/sbin/mv"
        let script = """
            #!/bin/sh
            PATH=/usr/bin:/usr/sbin mv "$@" || exit
            case "$*" in *90-homelab-k3s.conf*) systemctl restart --no-block k3s-agent ;; esac
            """
        try lab.on("m2", "rm /etc/sysctl.d/90-homelab-k3s.conf; cat >\(wrapper) <<'END'\n\(script)\nEND\nchmod 755 \(wrapper)")
        let result = try lab.bootstrap()
        #expect(result.succeeded && result.text.contains("m2: its k3s began anew by itself; waits for it"), "\(result.text)")
        try lab.on("m2", "rm \(wrapper)")
        try expectTheRestIsDone()
    }

    @Test func t08_tearDown() throws { try lab.tearDown() }

    /// Whether the API server is asking.
    private func isNodeHeld() throws -> Bool { try !lab.on("m1", "ss -Htn state syn-sent dport = :9").output.isEmpty }

    /// The API server asks somebody who never answers before a Node is changed or deleted; the kubelets' reports are not Nodes to it.
    /// - Returns: what lets it go on.
    private func holdNodes() throws -> () throws -> Void {
        let file = lab.folder + "/webhook.yaml"
        try """
        apiVersion: admissionregistration.k8s.io/v1
        kind: ValidatingWebhookConfiguration
        metadata: {name: hold}
        webhooks:
          - name: hold.example.org
            clientConfig: {url: "https://10.77.0.11:9/"}
            rules: [{apiGroups: [""], apiVersions: [v1], resources: [nodes], operations: [UPDATE, DELETE]}]
            admissionReviewVersions: [v1]
            sideEffects: None
            timeoutSeconds: 30
            failurePolicy: Fail

        """.write(toFile: file, atomically: true, encoding: .utf8)
        try lab.on("m1", "iptables -I INPUT -p tcp --dport 9 -j DROP")
        try lab.change("apply", "-f", file)
        return { [lab] in
            try lab.change("delete", "--ignore-not-found", "-f", file)
            try lab.on("m1", "iptables -D INPUT -p tcp --dport 9 -j DROP")
        }
    }
}
