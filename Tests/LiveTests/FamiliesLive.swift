import Foundation
import Testing

/// What distributions other than Debian have in place of its parts, on machines that have the same programs: doas, NetworkManager, and the
/// package managers of Fedora and openSUSE.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct FamiliesLive {
    static let lab = Lab.made("livefam") { lab in
        try lab.lab("up", "m1:extras=1", "m2:extras=1", limit: 900)
    }

    let lab: Lab

    init() throws { lab = try Self.lab.get() }

    private func preflight() throws -> Shell.Result {
        try lab.homelab("preflight", "--skip-reach", limit: 120)
    }

    private func must(_ machine: String, _ commands: String...) throws {
        for command in commands {
            let result = try lab.on(machine, command)
            #expect(result.succeeded, "\(machine): \(command): \(result.text)")
        }
    }

    @Test func t01_doasIsAsGoodAsSudo() throws {
        try must("m1", "rm /usr/bin/sudo && echo 'permit debian' >/etc/doas.conf")
        try lab.writeInventory([try lab.node("m1", role: "server")])
        let asking = try lab.bootstrap()
        #expect(
            asking.status == 1
                && asking.text.contains("doas does not let debian become root without a password"),
            "\(asking.text)")
        let remedy = try #require(
            asking.text.split(separator: "`").map(String.init).first { $0.hasPrefix("permit nopass") },
            "\(asking.text)")
        try must("m1", "echo '\(remedy)' >/etc/doas.conf")
        let result = try lab.bootstrap()
        #expect(result.succeeded, "\(result.text)")
        #expect(try lab.readyNodes() == 1)
        let again = try lab.bootstrap()
        #expect(again.succeeded && again.output.contains("nothing to do"), "\(again.text)")
        let reset = try lab.homelab("reset", "--confirm", "home")
        #expect(reset.succeeded, "\(reset.text)")
    }

    /// The interfaces that k3s and its pods have, as NetworkManager sees them: each with its state.
    private func interfaces() throws -> [String: String] {
        let rows = try lab.on("m2", "nmcli -t -f DEVICE,STATE device").output.split(separator: "\n").map {
            $0.split(separator: ":").map(String.init)
        }
        return Dictionary(uniqueKeysWithValues: rows.filter { $0.count == 2 }.map { ($0[0], $0[1]) })
    }

    @Test func t02_networkManagerLeavesTheClustersInterfacesAlone() throws {
        try must(
            "m2", "systemctl start NetworkManager",
            "ip link add cni0 type bridge && ip addr add 10.42.1.1/24 dev cni0 && ip link set cni0 up",
            "ip link add flannel.1 type vxlan id 1 dstport 8472 dev eth0 && ip link set flannel.1 up",
            "ip link add veth1 type veth peer name veth2 && ip link set veth1 master cni0 up && ip link set veth2 up"
        )
        try lab.writeInventory([try lab.node("m1", role: "server"), try lab.node("m2", role: "agent")])
        try lab.wait("NetworkManager to take them", limit: 20) {
            try interfaces()["veth2"]?.hasPrefix("connect") == true
        }
        #expect(try interfaces()["cni0"] == "connected (externally)")
        let told = try preflight()
        #expect(
            told.text.contains(
                #"node "m2": NetworkManager may take the cluster's own interfaces in hand"#), "\(told.text)"
        )
        // The owner does what he was told, word for word.
        let words = told.text.split(separator: "`").map(String.init)
        let section = try #require(words.first { $0 == "[keyfile]" })
        let setting = try #require(words.first { $0.hasPrefix("unmanaged-devices=") })
        let reload = try #require(words.first { $0.hasPrefix("systemctl reload ") })
        try must(
            "m2",
            "printf '%s\\n' '\(section)' '\(setting)' >/etc/NetworkManager/conf.d/k3s.conf && \(reload)")
        try lab.wait("NetworkManager to let go", limit: 20) {
            let states = try interfaces()
            return ["cni0", "flannel.1", "veth1", "veth2"].allSatisfy { states[$0] == "unmanaged" }
        }
        #expect(
            try interfaces()["eth0"]?.hasPrefix("connected") == true,
            "what is not the cluster's stays in its hand")
        #expect(
            try lab.on("m2", "ip -o addr show cni0").output.contains("10.42.1.1/24"),
            "and nothing was taken away")
        #expect(try preflight().text.contains("NetworkManager") == false)
        try must(
            "m2",
            "systemctl stop NetworkManager; ip link del cni0; ip link del flannel.1; ip link del veth1")
    }

    // MARK: Package managers

    /// Makes the machine one of this family by its os-release, without a part that a server needs.
    private func become(_ release: String) throws {
        try must("m2", "printf '\(release)' >/etc/os-release", "rm -f /usr/bin/ssh-keygen")
        try lab.writeInventory([try lab.node("m2", role: "server")])
    }

    /// What is between backquotes in a message and begins with these words.
    private func command(_ start: String, in text: String) -> String? {
        text.split(separator: "`").map(String.init).first { $0.hasPrefix(start) }
    }

    @Test func t03_whatIsToldOnFedoraWorksThere() throws {
        try lab.put(
            Lab.root + "/Tests/TestBed/machines/rpm-repository", on: "m2", at: "/root/rpm-repository")
        try must("m2", "/root/rpm-repository")
        try become(#"ID=fedora\nVERSION_ID=41\nPRETTY_NAME="Fedora Linux 41"\n"#)
        let before = try preflight()
        let told = try #require(command("dnf install openssh", in: before.text), "\(before.text)")
        let unasked = try lab.on("m2", told + " </dev/null")
        #expect(
            unasked.status == 1 && unasked.text.contains("Is this ok [y/N]"),
            "it asks its owner: \(unasked.text)")
        for command in [
            told, "dnf install chrony; systemctl enable --now chronyd", "dnf install k3s-selinux",
            "dnf install kernel-modules-extra",
        ] {
            try must("m2", command.replacingOccurrences(of: "dnf ", with: "dnf -y "))
        }
        #expect(
            try lab.on("m2", "systemctl is-active chronyd; ls /usr/share/selinux/packages").output
                == "active\nk3s.pp\n")
        #expect(try preflight().text.contains("ssh-keygen") == false)
        let unknown = try lab.on("m2", "dnf -y install nothing-such")
        #expect(
            unknown.status == 1 && unknown.text.contains("No match for argument"), "\(unknown.text)")
    }

    @Test func t04_aPackageManagerAtWorkIsSeen() throws {
        try must("m2", "systemd-run --unit=slow dnf -y install slow")
        try lab.wait("dnf", limit: 20) { try lab.on("m2", "pgrep -x sleep").succeeded }
        let busy = try preflight()
        #expect(busy.text.contains("its package manager is at work (dnf)"), "\(busy.text)")
        try must(
            "m2", "systemctl stop slow; rm -f /var/lib/rpm/.rpm.lock", "rpm -e --noscripts slow || true")
    }

    @Test func t05_whatIsToldOnOpenSUSEWorksThere() throws {
        try must(
            "m2",
            "rpm -e openssh k3s-selinux chrony kernel-modules-extra 2>/dev/null; systemctl stop chronyd; true"
        )
        try become(
            #"ID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="15.6"\nPRETTY_NAME="openSUSE Leap 15.6"\n"#
        )
        let before = try preflight()
        let told = try #require(
            command("zypper install openssh-common", in: before.text), "\(before.text)")
        for command in [
            told, "zypper install chrony; systemctl enable --now chronyd", "zypper install k3s-selinux",
            "zypper install kernel-default",
        ] {
            try must("m2", command.replacingOccurrences(of: "zypper ", with: "zypper --non-interactive "))
        }
        #expect(
            try lab.on("m2", "systemctl is-active chronyd; ls /usr/share/selinux/packages").output
                == "active\nk3s.pp\n")
        let after = try preflight()
        #expect(
            !after.text.contains("ssh-keygen") && !after.text.contains("has not been tried"),
            "\(after.text)")
        let unknown = try lab.on("m2", "zypper --non-interactive install nothing-such")
        #expect(unknown.status == 104, "\(unknown.text)")
    }

    @Test func t06_tearDown() throws { try lab.tearDown() }
}
