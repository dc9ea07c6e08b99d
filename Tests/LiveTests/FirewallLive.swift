import Foundation
import Testing

/// Machines whose firewalls let in nothing but SSH: firewalld on the server, ufw on one agent, rules written by hand for nftables on another.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct FirewallLive {
    static let lab = Lab.made("livefw") { lab in
        try lab.lab("up", "m1:firewall=firewalld", "m2:firewall=ufw", "m3:firewall=nftables", limit: 900)
        try write(lab)
        try lab.preload("m1", "m2", "m3")
    }

    let lab: Lab

    init() throws { lab = try Self.lab.get() }

    private static func write(_ lab: Lab, absent: String? = nil) throws {
        let roles = ["m1": "server", "m2": "agent", "m3": "agent"]
        try lab.writeInventory(
            roles.sorted { $0.key < $1.key }.map {
                try lab.node($0.key, role: $0.value, more: $0.key == absent ? "    state: absent" : "")
            })
    }

    @Test func t01_allOfThemAreToldAtOnceEachWithItsRemedy() throws {
        let result = try lab.run([Lab.binary, "preflight", "--agent-binary", "amd64=" + Lab.binary], limit: 120)
        #expect(result.status == 1, "\(result.text)")
        for words in [
            #"node "m1": firewalld is active and does not let in all of the cluster's own traffic"#,
            #"firewall-cmd --permanent --zone=trusted --add-source=$s"#, "firewall-cmd --permanent --add-port=6443/tcp",
            #"node "m2": ufw is active and does not let in all of the cluster's own traffic"#,
            "for s in 10.42.0.0/16 10.43.0.0/16 10.77.0.11 10.77.0.13; do ufw allow from $s; done",
            #"node "m3": the chain inet filter input of nftables drops what the other nodes and pods send to it"#,
            #"node "m3": the chain inet filter forward of nftables drops what pods send and get through it"#,
            #"node "m1": its firewall keeps m2, m3 out of TCP 10250 (the kubelet), TCP 6443 (the API), UDP 8472 (the pod network (vxlan))"#,
            #"node "m2": its firewall keeps m1, m3 out of TCP 10250 (the kubelet), UDP 8472 (the pod network (vxlan))"#,
            #"node "m3": its firewall keeps m1, m2 out of TCP 10250 (the kubelet), UDP 8472 (the pod network (vxlan))"#,
            "tried at 10.77.0.11, where firewalld is active", "`homelab bootstrap` tells ufw to let them in",
        ] { #expect(result.text.contains(words), "\(words) is not in\n\(result.text)") }
    }

    @Test func t02_handwrittenRulesAreTheirOwnersAndTheClusterFitsThroughAll() throws {
        let refused = try lab.bootstrap()
        #expect(refused.status == 1, "\(refused.text)")
        #expect(try lab.on("m1", "firewall-cmd --permanent --get-zones").output.contains("homelab") == false, "nothing was changed")
        // The owner does what he was told, word for word.
        let told = refused.text.split(separator: "`").map(String.init).filter { $0.hasPrefix("nft insert rule ") }
        #expect(told.count == 3, "\(refused.text)")
        for command in told {
            let done = try lab.on("m3", command)
            #expect(done.succeeded, "\(command): \(done.text)")
        }
        try lab.on("m3", "{ echo 'flush ruleset'; nft list ruleset; } >/root/rules && mv /root/rules /etc/nftables.conf")
        let result = try lab.bootstrap(limit: 600)
        #expect(result.succeeded, "\(result.text)")
        #expect(try lab.readyNodes() == 3)
        let again = try lab.bootstrap()
        #expect(again.output.contains("nothing to do"), "\(again.text)")
        // What is let in is let in after a boot, too.
        try lab.lab("reboot", "m2")
        let plain = try lab.run([Lab.binary, "preflight", "--agent-binary", "amd64=" + Lab.binary], limit: 120)
        #expect(!plain.text.contains("firewall"), "\(plain.text)")
    }

    @Test func t03_podsOfAllNodesReachEachOther() throws {
        let pods = ["m1", "m2", "m3"].map { node in
            """
            apiVersion: v1
            kind: Pod
            metadata: {name: web-\(node), namespace: default}
            spec:
              nodeName: \(node)
              terminationGracePeriodSeconds: 0
              containers: [{name: web, image: "homelab.local/hello:1", imagePullPolicy: IfNotPresent}]

            """
        }
        try pods.joined(separator: "---\n").write(toFile: lab.folder + "/pods.yaml", atomically: true, encoding: .utf8)
        try lab.change("apply", "-f", lab.folder + "/pods.yaml")
        var addresses: [String: String] = [:]
        for node in ["m1", "m2", "m3"] {
            try lab.wait("a pod on \(node)", limit: 120) {
                let address = try lab.kubectl(
                    "get", "pod", "web-\(node)", "-o", "jsonpath={.status.phase} {.status.podIP}"
                ).output
                guard address.hasPrefix("Running 10.42.") else { return false }
                addresses[node] = String(address.dropFirst("Running ".count))
                return true
            }
        }
        for from in ["m1", "m2", "m3"] {
            for (to, address) in addresses.sorted(by: { $0.key < $1.key }) {
                // From the pod itself: its network is one of the machine's that holds the pod's address.
                let ask = """
                    for n in /run/netns/* /var/run/netns/*; do
                    nsenter --net=$n ip -o addr 2>/dev/null | grep -qF ' \(addresses[from] ?? "")/' || continue
                    nsenter --net=$n curl -sS -m 5 http://\(address):8080/; exit
                    done; echo no network
                    """
                try lab.wait("an answer of the pod on \(to) to the one on \(from)", limit: 30) {
                    try lab.on(from, ask).output.contains("hello")
                }
            }
        }
    }

    @Test func t04_whatHasLeftIsLetInNoMoreAndAResetTakesOnlyWhatHomelabOpened() throws {
        try lab.change("delete", "-f", lab.folder + "/pods.yaml", "--wait=false")
        try lab.on("m2", "ufw allow from 192.0.2.7 comment mine; ufw allow 8080/tcp")
        try Self.write(lab, absent: "m3")
        let result = try lab.bootstrap(limit: 600)
        #expect(result.succeeded, "\(result.text)")
        #expect(result.output.contains("let 10.77.0.13 in no longer with ufw"), "\(result.text)")
        #expect(try lab.on("m1", "firewall-cmd --zone=homelab --list-sources").output == "10.42.0.0/16 10.43.0.0/16 10.77.0.12\n")
        let rules = "ufw allow 22/tcp comment 'SSH'\nufw allow from 192.0.2.7 comment 'mine'\nufw allow 8080/tcp\n"
        let added = try lab.on("m2", "ufw show added | grep ^ufw").output
        #expect(added.contains("ufw allow from 10.77.0.11 comment 'homelab'") && !added.contains("10.77.0.13"), "\(added)")
        #expect(try lab.on("m3", "nft list chain inet filter input").output.contains("10.77.0.12"), "the owner's rules stay")

        let reset = try lab.homelab("reset", "--confirm", "home")
        #expect(reset.succeeded, "\(reset.text)")
        #expect(try lab.on("m2", "ufw show added | grep ^ufw").output == rules)
        let zones = try lab.on("m1", "firewall-cmd --get-zones; firewall-cmd --get-policies; find /etc/firewalld -name 'homelab*'").output
        #expect(!zones.contains("homelab"), "\(zones)")
        #expect(try lab.on("m1", "firewall-cmd --state").output == "running\n")
        try lab.tearDown()
    }
}
