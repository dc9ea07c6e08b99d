import Foundation
import Testing

/// Machines in every bad state that a real one can be put into, all of them told at once; and the cluster that comes up when they are right.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct PreflightLive {
    static let lab = Lab.made("livepf") { lab in
        try lab.lab("up", "4")
    }

    let lab: Lab

    init() throws { lab = try Self.lab.get() }

    /// Three servers and an agent, unless other roles are given.
    private func write(_ more: [String: String] = [:], k3s: String = "", roles: [String: String]? = nil) throws {
        let roles = roles ?? ["m1": "server", "m2": "server", "m3": "server", "m4": "agent"]
        try lab.writeInventory(
            roles.sorted { $0.key < $1.key }.map { try lab.node($0.key, role: $0.value, more: more[$0.key] ?? "") }, k3s: k3s)
    }

    private func preflight(_ more: String...) throws -> Shell.Result {
        try lab.run([Lab.binary, "preflight", "--agent-binary", "amd64=" + Lab.binary] + more, limit: 180)
    }

    /// Each is told of this machine, with a remedy in the line below it.
    private func expect(_ text: String, _ machine: String, _ findings: [(words: String, remedy: String)]) {
        let lines = text.split(separator: "\n").map(String.init)
        for finding in findings {
            let place = lines.firstIndex { $0.contains(#"node "\#(machine)": "#) && $0.contains(finding.words) }
            let remedy = place.flatMap { lines.indices.contains($0 + 1) ? lines[$0 + 1] : nil }
            #expect(remedy?.contains(finding.remedy) == true, "\(machine): \(finding.words): \(finding.remedy) is not in\n\(text)")
        }
    }

    private func must(_ machine: String, _ commands: String...) throws {
        for command in commands {
            let result = try lab.on(machine, command)
            #expect(result.succeeded, "\(machine): \(command): \(result.text)")
        }
    }

    @Test func t01_allFaultsOfAllMachinesAreToldTogether() throws {
        // The operating system and what is on the disk.
        try must(
            "m1", "systemd-run --unit=holder /usr/bin/systemd-socket-activate -l 6443 -l 443 -l 2380 /bin/cat",
            "sed 's/^SwapTotal:.*/SwapTotal: 2097148 kB/; s/^MemTotal:.*/MemTotal: 900000 kB/' /proc/meminfo >/root/meminfo && mount --bind /root/meminfo /proc/meminfo",
            "echo 200 >/root/keys && mount --bind /root/keys /proc/sys/kernel/keys/root_maxkeys", "touch /run/reboot-required",
            #"echo 'Defaults secure_path="/usr/sbin:/usr/bin:/sbin:/bin"' >/etc/sudoers.d/zz"#, "hostname m2",
            #"printf '#!/bin/sh\n[ "$1" = --version ] && { echo "iptables v1.8.2 (nf_tables)"; exit; }\nexec /usr/sbin/iptables "$@"\n' >/usr/local/sbin/iptables && chmod 755 /usr/local/sbin/iptables"#,
            "touch /usr/bin/dockerd && chmod 755 /usr/bin/dockerd",
            "mkdir -p /etc/kubernetes /var/lib/k0s /var/snap/microk8s /var/lib/rancher/rke2")
        // File systems, and what one copied image makes of a second machine.
        try must(
            "m2", "mount --bind /usr/local/bin /usr/local/bin && mount -o remount,bind,ro /usr/local/bin",
            "mkdir -p /var/lib/rancher && mount -t tmpfs -o noexec,size=2000m,nr_inodes=500 tmpfs /var/lib/rancher",
            "mkdir -p /var/lib/rancher/k3s/server /var/lib/rancher/k3s/agent && touch /var/lib/rancher/k3s/server/left /var/lib/rancher/k3s/agent/left",
            "cp /etc/machine-id /root/machine-id",
            "echo \(try lab.on("m1", "cat /etc/machine-id").output.trimmingCharacters(in: .newlines)) >/etc/machine-id",
            "ip route del default", "ip route add 10.42.7.0/24 dev eth0", "ip link add cni0 type bridge",
            "mount -t tmpfs tmpfs /lib/modules && mkdir /lib/modules/6.1.0-1-amd64",
            "touch /usr/bin/k3s && chmod 755 /usr/bin/k3s")
        // Hardware and network.
        try must(
            "m3",
            #"printf '#!/bin/sh\n/bin/uname "$@" | sed s/x86_64/riscv64/\n' >/usr/local/sbin/uname && chmod 755 /usr/local/sbin/uname"#,
            "ip addr change \(try lab.lab("ip", "m3"))/24 dev eth0 valid_lft 3600 preferred_lft 3600",
            "echo 'nameserver 10.77.0.1' >/etc/resolv.conf",
            "cp /bin/sleep /usr/local/sbin/dpkg && systemd-run --unit=packages /usr/local/sbin/dpkg 900",
            "mkdir -p /etc/rancher/k3s/config.yaml.d && echo 'debug: true' >/etc/rancher/k3s/config.yaml.d/50-old.yaml",
            "[ ! -e /sys/fs/cgroup/cgroup.controllers ] || { echo 'io pids' >/root/controllers && mount --bind /root/controllers /sys/fs/cgroup/cgroup.controllers; }",
            "grep -v -e ^memory -e ^pids /proc/cgroups >/root/cgroups && mount --bind /root/cgroups /proc/cgroups")
        try must(
            "m4",
            "ip link add other type veth peer name wire && ip addr add 192.168.77.4/24 dev other && ip link set other up && ip link set wire up"
        )
        try write(
            ["m4": "    nodeIP: 192.168.77.4"],
            k3s: "  registries: {mirrors: {docker.io: {endpoint: ['http://mirror.home.arpa:5000', 'http://10.77.0.14:5000']}}}\n")
        let result = try preflight("--skip-reach")
        #expect(result.status == 1, "\(result.text)")
        expect(
            result.text, "m1",
            [
                ("port 6443, which the API needs, is held by systemd-socket", "stop it"), ("port 443 is held by", "disable traefik"),
                ("port 2380, which etcd needs, is held by", "ss -ltnp"), ("it has 2047 MiB of swap", "swapoff -a"),
                ("it has 878 MiB of memory", "2 GiB on a server"), ("kernel.keys.root_maxkeys is 200", "1000000"),
                ("it waits for a reboot", "reboot it"), ("it has the same host name as m2: m2", "hostnamectl set-hostname m1"),
                ("secure_path leaves /usr/local/bin out", "visudo"),
                ("its iptables v1.8.2 writes rules twice", "prefer-bundled-bin"), ("Docker is installed", "containerd"),
                ("another Kubernetes is or was installed (/etc/kubernetes)", "uninstall it"),
                ("another Kubernetes is or was installed (/var/lib/k0s)", "uninstall it"),
                ("another Kubernetes is or was installed (/var/snap/microk8s)", "uninstall it"),
                ("another Kubernetes is or was installed (/var/lib/rancher/rke2)", "uninstall it"),
                ("it knows no name server", "/etc/resolv.conf"),
                ("cannot reach http://10.77.0.14:5000", "curl -v http://10.77.0.14:5000/v2/"),
            ])
        expect(
            result.text, "m2",
            [
                ("/usr/local/bin is on a read-only file system", "mount it writable"),
                ("no program can be run in /var/lib/rancher: its file system is mounted noexec", "remount,exec"),
                ("more files can be made at /var/lib/rancher", "df -i"), ("are free at /var/lib/rancher", "images and volumes"),
                ("it holds the data of a k3s server that is gone", "/var/lib/rancher/k3s/server"),
                ("it holds the data of a k3s that is gone", "/var/lib/rancher/k3s/agent"),
                ("it has the same machine id as m1", "systemd-machine-id-setup"),
                ("it has no default route", "dummy interface"), ("its route 10.42.7.0/24 (eth0) overlaps", "network:"),
                ("the interface cni0 of another cluster is there", "ip link delete cni0"),
                ("the modules of the kernel that runs", "reboot it"), ("the kernel has no vxlan", "linux-image-amd64"),
                ("the distribution's own k3s is installed", "remove that package"),
            ])
        expect(
            result.text, "m3",
            [
                ("k3s has no binary for riscv64", "x86-64"), ("its address 10.77.0.13 comes from DHCP", "reserve it on the router"),
                ("it cannot resolve mirror.home.arpa", "name servers"), ("its package manager is at work (dpkg)", "wait until"),
                ("k3s reads /etc/rancher/k3s/config.yaml.d/50-old.yaml after", "move what it says into the inventory"),
                ("the kernel has no memory cgroup", "cgroup_enable=memory"), ("the kernel has no pids cgroup", "CONFIG_CGROUP_PIDS"),
            ])
        expect(result.text, "m4", [("the pod network would go over eth0", "`flannel-iface: other`")])
        // Nothing was changed by looking, and a bootstrap does not begin either.
        let refused = try lab.bootstrap()
        #expect(refused.status == 1 && refused.text.contains("its file system is mounted noexec"), "\(refused.text)")
        for machine in ["m1", "m2", "m3", "m4"] { #expect(try lab.on(machine, "ls /etc/systemd/system/k3s*").status != 0) }
    }

    @Test func t02_portsOfServersAreTriedBetweenThemAlsoFromANoexecTmp() throws {
        // A boot undoes what was mounted, run and set; the rest is put away by hand.
        for machine in ["m1", "m2", "m3", "m4"] { try lab.lab("reboot", machine) }
        try must(
            "m1",
            "rm -rf /etc/sudoers.d/zz /usr/local/sbin/iptables /usr/bin/dockerd /etc/kubernetes /var/lib/k0s /var/snap/microk8s /var/lib/rancher"
        )
        try must(
            "m2", "rm -rf /var/lib/rancher /usr/bin/k3s; mv /root/machine-id /etc/machine-id")
        try must("m3", "rm -rf /usr/local/sbin/uname /usr/local/sbin/dpkg /etc/rancher; : >/etc/resolv.conf")
        try lab.lab("reboot", "m2")
        try write()
        try must("m1", "mount -t tmpfs -o noexec tmpfs /tmp")
        let open = try preflight()
        #expect(open.succeeded && open.output.contains("Nothing is in the way"), "\(open.text)")
        #expect(!open.text.contains("could not be tried"), "a /tmp from which nothing runs is no obstacle:\n\(open.text)")
        #expect(
            try lab.on("m1", "ls /tmp /var/tmp /home/debian").output.contains("homelab-probe") == false, "the helper's binary is gone again"
        )
        try must(
            "m3", "iptables -A INPUT -p tcp --dport 2380 -j DROP",
            "iptables -A INPUT -p tcp --dport 6443 -s \(try lab.lab("ip", "m4")) -j REJECT")
        let closed = try preflight()
        try must("m3", "iptables -F INPUT")
        #expect(closed.status == 1)
        expect(
            closed.text, "m3",
            [
                ("TCP 2380, which etcd needs, gets no answer from m1, m2", "open tcp port 2380 of m3"),
                ("TCP 6443, which the API needs, is refused from m4", "open tcp port 6443 of m3"),
            ])
    }

    /// What a login shell prints must not end up in what homelab reads, and a tmp that runs nothing must not matter.
    @Test func t03_aShellThatTalksAndANoexecTmpDoNotMatter() throws {
        try must(
            "m1",
            #"sed -i '1i echo "*** Welcome to $(hostname) ***"; echo "a note on stderr" >\&2; export LC_ALL=xx_XX.UTF-8' /home/debian/.bashrc"#,
            "printf 'This machine belongs to somebody.\\n' >/etc/issue.net && echo 'Banner /etc/issue.net' >/etc/ssh/sshd_config.d/02-banner.conf && systemctl restart ssh",
            "findmnt -no OPTIONS /tmp | grep -q noexec")
        let noise = try lab.homelab("ssh", "m1", "--", "true")
        #expect(noise.text.contains("Welcome") && noise.text.contains("a note on stderr"), "the shell talks: \(noise.text)")
        try write(roles: ["m1": "server"])
        let result = try lab.bootstrap()
        #expect(result.succeeded, "\(result.text)")
        #expect(try lab.readyNodes() == 1)
        let again = try lab.bootstrap()
        #expect(again.succeeded && again.output.contains("nothing to do"), "\(again.text)")
    }

    @Test func t04_aK3sOfAnotherClusterIsNotTakenIn() throws {
        try lab.put(Lab.k3s + "/k3s", on: "m2", at: "/usr/local/bin/k3s")
        try must(
            "m2",
            "printf '[Service]\\nType=notify\\nTimeoutStartSec=0\\nExecStart=/usr/local/bin/k3s server --cluster-init\\n' >/etc/systemd/system/k3s.service",
            "systemctl daemon-reload && systemctl start k3s")
        try write(roles: ["m1": "server", "m2": "server", "m3": "server"])
        let result = try lab.bootstrap()
        #expect(result.status == 1, "\(result.text)")
        expect(result.text, "m2", [("its k3s is of another cluster than that of m1", "k3s-uninstall.sh")])
        #expect(try lab.on("m3", "ls /usr/local/bin/k3s").status != 0, "nothing is changed before the checks pass")
        try lab.wait("the other cluster to run on", limit: 60) {
            try lab.on("m2", "k3s kubectl get nodes --no-headers").output.contains("m2 ")
        }
    }

    @Test func t05_tearDown() throws { try lab.tearDown() }
}
