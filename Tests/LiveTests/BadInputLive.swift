import Foundation
import Testing

/// What can be wrong with machines, keys and networks: one clear message each, and a re-run that finishes the work.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct BadInputLive {
    static let lab = Lab.made("livebad") { lab in
        try lab.lab("up", "m1", "m2", "m3:sudo=pass", "m4")
    }

    let lab: Lab

    init() throws { lab = try Self.lab.get() }

    @Test func t01_everyProblemOfEveryHostAtOnce() throws {
        try lab.lab("clock", "m2", "600")
        try lab.lab("off", "m4")
        try lab.writeInventory([
            try lab.node("m1", role: "server"), try lab.node("m2", role: "agent"), try lab.node("m3", role: "agent"),
            try lab.node("m4", role: "agent"),
        ])
        let result = try lab.bootstrap()
        #expect(result.status == 1)
        let text = result.text
        #expect(text.contains("m2") && text.contains("clock"), "\(text)")
        // Of two clocks nobody can say which is wrong.
        #expect(
            text.contains(
                /error: node "m[12]": its clock is (599|600|601) s (behind|ahead of) the other nodes'\n    set it and keep it in time/),
            "\(text)")
        #expect(text.contains("m3") && text.contains("sudo"), "\(text)")
        #expect(
            text.contains(
                "error: node \"m3\": sudo asks debian for a password\n    Name the password's source in the inventory under this node"),
            "\(text)")
        #expect(text.contains("m4") && (text.contains("10.77.0") || text.contains("reach")), "\(text)")
        #expect(
            text.contains(
                "error: node \"m4\": cannot be reached: debian@\(try lab.lab("ip", "m4")): no route to it\n"
                    + "    check that the machine is on and connected, and that no firewall is in between"), "\(text)")
        #expect(try lab.on("m1", "ls /usr/local/bin/k3s").status != 0, "nothing is changed before the checks pass")
        try lab.lab("clock", "m2", "0")
    }

    @Test func t02_aWrongKeyIsExplained() throws {
        try lab.writeInventory([try lab.node("m1", role: "server")])
        let text = try String(contentsOfFile: lab.inventory, encoding: .utf8)
            .replacingOccurrences(of: lab.identity, with: lab.folder + "/stranger")
        try Shell.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", lab.folder + "/stranger"])
        try lab.write(text, to: "inventory/home.yaml")
        let result = try lab.bootstrap()
        #expect(result.status == 1)
        #expect(result.text.contains("m1") && result.text.contains("debian"), "\(result.text)")
        #expect(
            result.text.contains(
                "error: node \"m1\": login was refused: debian@\(try lab.lab("ip", "m1")): login refused (tried key \(lab.folder)/stranger)\n"
                    + "    check the user name, and that the key is in that user's ~/.ssh/authorized_keys there"), "\(result.text)")
    }

    @Test func t03_aChangedHostKeyStopsEverythingForThatNode() throws {
        try lab.writeInventory([try lab.node("m1", role: "server")])
        let pinned = try lab.lab("hostkey", "m1")
        try lab.lab("reinstall", "m1")
        let shown = try lab.lab("hostkey", "m1")
        let result = try lab.bootstrap()
        #expect(result.status == 1)
        #expect(result.text.contains("m1") && result.text.contains("host key"), "\(result.text)")
        #expect(result.text.components(separatedBy: "SHA256:").count >= 3, "both fingerprints are named:\n\(result.text)")
        let (old, new) = (try fingerprint(pinned), try fingerprint(shown))
        #expect(
            result.text.contains(
                """
                error: node "m1": its host key has changed, nothing is done on it: it shows ssh-ed25519 \(new), expected ssh-ed25519 \(old)
                    If the machine was installed anew, replace the old key in the inventory (or in known_hosts) by
                      \(shown)
                    otherwise somebody may be in between: do not connect.
                """), "\(result.text)")
        #expect(try lab.on("m1", "ls -d /usr/local/bin/k3s /etc/rancher /etc/homelab 2>/dev/null").output == "", "nothing is done on it")
    }

    private func fingerprint(_ key: String) throws -> String {
        try key.write(toFile: lab.folder + "/key.pub", atomically: true, encoding: .utf8)
        return try Shell.must(["ssh-keygen", "-lf", lab.folder + "/key.pub"]).split(separator: " ").map(String.init)[1]
    }

    @Test func t04_aNetworkCutInTheUploadIsSeenAndFinishedLater() throws {
        try lab.writeInventory([try lab.node("m1", role: "server")])
        try lab.lab("cut", "m1", "slow", "40000")
        let cut = Thread {
            let deadline = Date().addingTimeInterval(60)
            while Date() < deadline {
                if let seen = try? lab.on("m1", "ls /tmp /usr/local/bin /var/tmp"),
                    seen.output.contains("upload") || seen.output.contains("k3s")
                {
                    break
                }
                usleep(200_000)
            }
            usleep(500_000)
            _ = try? lab.lab("cut", "m1", "drop")
        }
        cut.start()
        let started = Date()
        let result = try lab.bootstrap(limit: 200)
        #expect(result.status == 1, "\(result.text)")
        #expect(result.text.contains("m1"))
        #expect(result.text.contains("; connecting again\n"), "\(result.text)")
        #expect(result.text.contains("error: node \"m1\": cannot be reached: debian@\(try lab.lab("ip", "m1")): "), "\(result.text)")
        #expect(
            result.text.contains("\n    check that the machine is on and connected, and that no firewall is in between\n"), "\(result.text)"
        )
        #expect(result.text.contains("What was done on each node is in \(lab.folder)/.local/state/homelab/logs/home-"), "\(result.text)")
        print("gave up \(Date().timeIntervalSince(started)) s after the start")
        try lab.lab("mend", "m1")
        let again = try lab.bootstrap()
        #expect(again.succeeded, "\(again.text)")
        #expect(try lab.readyNodes() == 1)
    }

    @Test func t05_aWrongTokenIsNamedAsTheCause() throws {
        try lab.lab("on", "m4")
        // What another cluster left behind overrides what bootstrap writes.
        let leftover = "/etc/rancher/k3s/config.yaml.d/50-old.yaml"
        try lab.on("m4", "mkdir -p /etc/rancher/k3s/config.yaml.d && printf 'token: K10%064d::node:wrong\\n' 0 >\(leftover)")
        try lab.writeInventory([try lab.node("m1", role: "server"), try lab.node("m4", role: "agent")])
        let result = try lab.bootstrap()
        #expect(result.status == 1)
        #expect(result.text.contains("the join token belongs to another cluster"), "\(result.text)")
        #expect(
            result.text.contains(#"error: node "m4": the join token belongs to another cluster, or the cluster's CA was rotated: "#),
            "\(result.text)")
        #expect(
            result.text.contains(
                "\n    Run again: the token is read afresh from the first server. If it stays, check that `host` of every"),
            "\(result.text)")
        try lab.on("m4", "rm \(leftover)")
        let again = try lab.bootstrap()
        #expect(again.succeeded, "\(again.text)")
        #expect(try lab.readyNodes() == 2)
    }

    @Test func t06_aStartThatHangsWithAnOldTokenIsBegunAnew() throws {
        try lab.lab("reinstall", "m4")
        try lab.writeInventory([try lab.node("m1", role: "server")])
        try lab.change("delete", "node", "m4")
        try lab.put(Lab.k3s + "/k3s", on: "m4", at: "/usr/local/bin/k3s")
        try lab.put(Lab.root + "/bootstrap/assets/k3s-agent.service", on: "m4", at: "/etc/systemd/system/k3s-agent.service")
        try lab.on(
            "m4",
            """
            mkdir -p /etc/rancher/k3s && cd /etc/rancher/k3s && printf 'K10%064d::node:wrong\\n' 0 >homelab-token && chmod 600 homelab-token
            printf 'server: https://\(try lab.lab("ip", "m1")):6443\\ntoken-file: /etc/rancher/k3s/homelab-token\\n' >config.yaml
            systemctl daemon-reload && systemctl start --no-block k3s-agent && sleep 2 && systemctl is-active k3s-agent
            """)
        try lab.writeInventory([try lab.node("m1", role: "server"), try lab.node("m4", role: "agent")])
        let result = try lab.bootstrap()
        #expect(result.succeeded, "\(result.text)")
        #expect(try lab.readyNodes() == 2)
    }

    @Test func t07_aDiskThatFillsUpOnTheWayIsNamedAndRoomIsAllItTakes() throws {
        try lab.writeInventory([try lab.node("m1", role: "server"), try lab.node("m2", role: "agent")])
        let disks = ["/tmp": 400, "/usr/local/bin": 400, "/var/lib/rancher": 2000]
        for (place, size) in disks { try lab.on("m2", "mkdir -p \(place) && mount -t tmpfs -o size=\(size)m tmpfs \(place)") }
        // In the upload, and when what was brought is put into its place: both fill up while the line is slow.
        for (place, words) in [("/tmp", "the disk is full"), ("/usr/local/bin", "No space left on device")] {
            try lab.lab("cut", "m2", "slow", "80000")
            let run = try lab.startBootstrap()
            try lab.wait(run, "m2: install /usr/local/bin/k3s\n")
            try lab.wait("a part of k3s", limit: 60) { try lab.on("m2", "[ -s /tmp/homelab-upload-k3s-*.homelab-upload ]").succeeded }
            try lab.on("m2", "cat /dev/zero >\(place)/full")
            try lab.lab("mend", "m2")
            let result = run.end()
            #expect(result.status == 1 && result.text.contains(words), "\(place):\n\(result.text)")
            #expect(result.text.contains(#"node "m2""#) && result.text.contains("Free space"), "\(place):\n\(result.text)")
            try lab.on("m2", "rm \(place)/full")
        }
        // When k3s starts.
        let unit = "/etc/systemd/system/k3s-agent.service.d"
        try lab.on(
            "m2",
            "mkdir -p \(unit) && printf '[Service]\nExecStartPre=-/bin/sh -c \"cat /dev/zero >/var/lib/rancher/full\"\n' >\(unit)/full.conf"
        )
        let start = try lab.bootstrap()
        #expect(start.status == 1 && start.text.contains("the disk is full"), "\(start.text)")
        #expect(start.text.contains("Free space under /var/lib/rancher"), "\(start.text)")
        try lab.on("m2", "rm -r \(unit) /var/lib/rancher/full && systemctl daemon-reload")
        let again = try lab.bootstrap()
        #expect(again.succeeded, "\(again.text)")
        #expect(try lab.readyNodes() == 3)
    }

    @Test func t08_anOldSystemAndAFullDiskAreRefusedBeforeAnythingIsChanged() throws {
        try lab.on("m2", "mount -t tmpfs -o size=1m tmpfs /usr/local/bin")
        try lab.on(
            "m3",
            "sed -i 's/^VERSION_ID=.*/VERSION_ID=\"11\"/' /usr/lib/os-release && echo 'debian ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/zz")
        try lab.writeInventory([try lab.node("m3", role: "server"), try lab.node("m2", role: "agent")])
        let result = try lab.bootstrap()
        #expect(result.status == 1)
        #expect(
            result.text.contains("is too old for the homelab agent") && result.text.contains("upgrade it to debian 12 or later"),
            "\(result.text)")
        #expect(result.text.contains("are free at /usr/local/bin") && result.text.contains("free at least"), "\(result.text)")
        #expect(try lab.on("m3", "ls /etc/rancher").status != 0, "nothing is changed before the checks pass")
    }

    @Test func t09_everyMistakeOfTheInventoryIsToldWithItsPlace() throws {
        try lab.write(
            """
            apiVersion: homelab.dev/v1alpha1
            kind: Cluster
            name: home
            k3s: {version: latest}
            nodes:
              - {name: m1, role: boss, host: 10.77.0.11}
              - {name: m2, role: agent, hots: 10.77.0.12}

            """, to: "inventory/home.yaml")
        let result = try lab.bootstrap()
        #expect(result.status == 1)
        for place in ["home.yaml:4:", "home.yaml:6:", "home.yaml:7:"] { #expect(result.text.contains(place), "\(result.text)") }
        #expect(result.text.contains("host"), "the misspelt field is named with what was meant:\n\(result.text)")
        try lab.write("nodes: [\n", to: "inventory/home.yaml")
        let malformed = try lab.bootstrap()
        #expect(malformed.status == 1 && malformed.text.contains("home.yaml:2:"), "\(malformed.text)")
    }

    @Test func t10_tearDown() throws { try lab.tearDown() }
}
