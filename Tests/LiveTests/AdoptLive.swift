import Foundation
import Testing

/// A cluster that somebody installed by hand, with settings in every place that k3s reads: taken over, it goes on as it was.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct AdoptLive {
    static let lab = Lab.made("livead") { lab in
        try lab.lab("up", "3")
        for machine in ["m1", "m2", "m3"] { try lab.put(Lab.k3s + "/k3s", on: machine, at: "/usr/local/bin/k3s") }
        try lab.on("m1", server)
        let token = try lab.on("m1", "cat /var/lib/rancher/k3s/server/node-token").output.trimmingCharacters(in: .newlines)
        for (machine, script) in [("m2", byEnvironment), ("m3", byFile)] {
            let made = try lab.on(
                machine,
                script.replacingOccurrences(of: "@token", with: token).replacingOccurrences(of: "@server", with: try lab.lab("ip", "m1")))
            guard made.succeeded else { throw Shell.Failure(command: [machine], result: made) }
        }
    }

    let lab: Lab

    init() throws { lab = try Self.lab.get() }

    /// As k3s' installer writes it: the flags on the unit's command line, each on a line of its own; the rest in an environment file and drop-ins.
    private static let server = #"""
        mkdir -p /etc/rancher/k3s/config.yaml.d
        printf 'tls-san:\n  - k3s.home.arpa\nkubelet-arg: [max-pods=60]\n' >/etc/rancher/k3s/config.yaml
        printf 'kubelet-arg+: [v=1]\nsecrets-encryption: true\n' >/etc/rancher/k3s/config.yaml.d/10-more.yaml
        printf "K3S_KUBECONFIG_MODE='644'\nHTTPS_PROXY=http://me:hunter2@proxy.home.arpa\n" >/etc/systemd/system/k3s.service.env
        cat >/etc/systemd/system/k3s.service <<'END'
        [Unit]
        Description=Lightweight Kubernetes
        [Install]
        WantedBy=multi-user.target
        [Service]
        Type=notify
        EnvironmentFile=-/etc/default/%N
        EnvironmentFile=-/etc/systemd/system/k3s.service.env
        KillMode=process
        Delegate=yes
        TimeoutStartSec=0
        Restart=always
        ExecStart=/usr/local/bin/k3s \
            server \
                '--node-name' \
                'attic' \
                '--cluster-init' \
                '--disable=traefik,servicelb' \
                '--cluster-cidr' \
                '10.52.0.0/16' \
                '--service-cidr=10.53.0.0/16' \
                '--node-label' \
                'disk=ssd'
        END
        systemctl daemon-reload && systemctl enable --now k3s
        """#

    private static let byEnvironment = #"""
        printf 'K3S_URL=https://@server:6443\nK3S_TOKEN=@token\nK3S_NODE_NAME="shelf"\nK3S_RESOLV_CONF=/etc/resolv.conf\n' >/etc/default/k3s-agent
        printf '[Service]\nType=notify\nEnvironmentFile=-/etc/default/%%N\nKillMode=process\nDelegate=yes\nTimeoutStartSec=0\nExecStart=/usr/local/bin/k3s agent --node-taint slow=yes:PreferNoSchedule\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/k3s-agent.service
        systemctl daemon-reload && systemctl enable --now k3s-agent
        """#

    private static let byFile = #"""
        mkdir -p /etc/rancher/k3s
        printf 'server: https://@server:6443\ntoken: @token\nnode-label:\n  - rack=1\nkubelet-arg: [max-pods=40]\n' >/etc/rancher/k3s/config.yaml
        printf '[Service]\nType=notify\nKillMode=process\nDelegate=yes\nTimeoutStartSec=0\nExecStart=/usr/local/bin/k3s agent\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/k3s-agent.service
        systemctl daemon-reload && systemctl enable --now k3s-agent
        """#

    /// The Node objects with what would change if k3s were given other settings or had begun anew.
    private func nodes() throws -> String {
        let columns =
            "N:.metadata.name,U:.metadata.uid,DISK:.metadata.labels.disk,RACK:.metadata.labels.rack,CIDR:.spec.podCIDR,PODS:.status.capacity.pods,"
            + "TAINT:.spec.taints[0].key"
        return try lab.on("m1", "k3s kubectl get nodes --no-headers -o custom-columns=\(columns)").output
    }

    @Test func t01_itsInventoryHasEverySettingAndNoSecret() throws {
        try lab.wait("three nodes", limit: 120) {
            // The taint of one that is not ready goes a moment after it is.
            try lab.on("m1", "k3s kubectl get nodes").output.components(separatedBy: " Ready").count == 4
                && !nodes().contains("node.kubernetes.io/")
        }
        print(try nodes())
        try lab.trustHosts(["m1", "m2", "m3"])
        try FileManager.default.createDirectory(atPath: lab.folder + "/.ssh", withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: lab.folder + "/known_hosts", toPath: lab.folder + "/.ssh/known_hosts")
        let hosts = try ["m1", "m2", "m3"].map { try lab.lab("ip", $0) }
        let adopted = try lab.run([Lab.binary, "adopt", "--name", "home", "--user", "debian", "--identity-file", lab.identity] + hosts)
        #expect(adopted.succeeded, "\(adopted.text)")
        #expect(adopted.text.contains("its k3s has HTTPS_PROXY from its unit"), "\(adopted.text)")
        let text = try String(contentsOfFile: lab.inventory, encoding: .utf8)
        for words in [
            "name: attic", "name: shelf", "name: m3", "disk: ssd", "rack: \"1\"", "slow=yes:PreferNoSchedule", "10.52.0.0/16",
            "10.53.0.0/16",
            "max-pods=60", "v=1", "max-pods=40", "secrets-encryption: true", "k3s.home.arpa", "traefik,servicelb",
            "write-kubeconfig-mode: \"644\"", "resolv-conf: /etc/resolv.conf", "datastore: etcd",
        ] { #expect(text.contains(words), "\(words) is not in\n\(text)") }
        for secret in ["hunter2", "K10", "***"] {
            #expect(!(text + adopted.text).contains(secret), "\(secret) is in\n\(text)\(adopted.text)")
        }
    }

    @Test func t02_takenOverItGoesOnAsItWas() throws {
        let before = try nodes()
        let written = try String(contentsOfFile: lab.inventory, encoding: .utf8)
        let settings = written.replacingOccurrences(of: "k3s:\n", with: "k3s:\n  source: \(Lab.k3s)\n")
        try lab.write(settings, to: "inventory/home.yaml")
        try lab.git("init", "--quiet", "--initial-branch", "main")
        let paused = try lab.homelab("plan", "--agent-binary", "amd64=" + Lab.binary, "--kubeconfig", lab.kubeconfig)
        #expect(paused.status == 0 && paused.text.contains("nothing to do now, 3 pending"), "\(paused.text)")
        #expect(paused.text.components(separatedBy: " steps are left undone").count == 4, "\(paused.text)")
        let left = try lab.bootstrap()
        #expect(left.succeeded && left.text.contains("nothing to do now"), "\(left.text)")
        #expect(try lab.on("m1", "ls -d /etc/homelab /usr/local/bin/homelab").status != 0, "it is as it was installed")
        try lab.write(settings.replacingOccurrences(of: "paused: true\n", with: ""), to: "inventory/home.yaml")
        let plan = try lab.homelab("plan", "--agent-binary", "amd64=" + Lab.binary, "--kubeconfig", lab.kubeconfig)
        #expect(plan.status == 2, "\(plan.text)")
        #expect(!plan.text.contains("install /usr/local/bin/k3s") && !plan.text.contains("new cluster token"), "\(plan.text)")
        let result = try lab.bootstrap()
        #expect(result.succeeded, "\(result.text)")
        #expect(try lab.readyNodes() == 3)
        try lab.wait("the taints of restarted nodes to go", limit: 60) { try !nodes().contains("node.kubernetes.io/") }
        #expect(try nodes() == before, "the same Nodes with the same settings")
        let again = try lab.homelab("plan", "--agent-binary", "amd64=" + Lab.binary, "--kubeconfig", lab.kubeconfig)
        #expect(again.status == 0, "\(again.text)")
        #expect(try lab.on("m1", "stat -c %a /etc/rancher/k3s/k3s.yaml").output == "644\n")
        let service = try lab.kubectl("get", "service", "kubernetes", "-o", "jsonpath={.spec.clusterIP}").output
        #expect(service == "10.53.0.1")
    }

    @Test func t03_oneWhoseDataAreElsewhereIsNotTakenOver() throws {
        try FileManager.default.moveItem(atPath: lab.inventory, toPath: lab.folder + "/home.yaml")
        try lab.on(
            "m3",
            "mkdir -p /etc/systemd/system/k3s-agent.service.d; printf '[Service]\\nEnvironment=K3S_DATA_DIR=/mnt/k3s\\n' >/etc/systemd/system/k3s-agent.service.d/data.conf; systemctl daemon-reload"
        )
        let refused = try lab.homelab(
            "adopt", "--name", "home", "--user", "debian", "--identity-file", lab.identity, try lab.lab("ip", "m1"), try lab.lab("ip", "m3")
        )
        #expect(
            refused.status == 1 && refused.text.contains("k3s has data-dir /mnt/k3s, with which homelab cannot keep it"), "\(refused.text)")
        #expect(!FileManager.default.fileExists(atPath: lab.inventory))
        try lab.tearDown()
    }
}
