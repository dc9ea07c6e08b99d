import Foundation
import Testing

/// Machines whose firmware starts the kernel without the memory controller, as a Raspberry Pi's does, unless the one line of cmdline.txt asks
/// for it. The firmware is a unit of the machine that reads the file at each boot and shows the kernel accordingly.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct BootCommandLineLive {
    static let lab = Lab.made("livepi") { lab in
        try lab.lab("up", "2")
        for machine in ["m1", "m2"] {
            try lab.on(machine, "mkdir -p /boot/firmware && printf '\(line)' >/boot/firmware/cmdline.txt")
            // m2 has a firmware that does not know the words.
            let made = try lab.on(
                machine, machine == "m1" ? firmware : firmware.replacingOccurrences(of: "grep -q", with: "grep -q never-"))
            guard made.succeeded else { throw Shell.Failure(command: ["firmware"], result: made) }
            try lab.lab("reboot", machine)
        }
        try lab.writeInventory([try lab.node("m1", role: "server"), try lab.node("m2", role: "agent")])
    }

    let lab: Lab

    init() throws { lab = try Self.lab.get() }

    private static let line = #"console=serial0,115200 root=PARTUUID=6c586e13-02 rootwait quiet\r\n"#

    /// Takes `memory` out of what the kernel says it can, in either version of cgroups.
    private static let firmware = """
        cat >/usr/local/sbin/firmware <<'END'
        #!/bin/sh
        cp /boot/firmware/cmdline.txt /run/firmware-cmdline && mount --bind /run/firmware-cmdline /proc/cmdline
        grep -q "cgroup_enable=memory" /boot/firmware/cmdline.txt && exit 0
        for file in /sys/fs/cgroup/cgroup.controllers /proc/cgroups; do
        [ -e "$file" ] || continue
        sed -e 's/ *\\<memory\\>//' "$file" >"/run/firmware-${file##*/}" && mount --bind "/run/firmware-${file##*/}" "$file"
        done
        END
        cat >/etc/systemd/system/firmware.service <<'END'
        [Unit]
        DefaultDependencies=no
        After=lab-kernel-view.service
        Before=sysinit.target
        [Service]
        Type=oneshot
        ExecStart=/bin/sh /usr/local/sbin/firmware
        [Install]
        WantedBy=sysinit.target
        END
        systemctl enable -q firmware.service
        """

    private func boots(_ machine: String) throws -> Int {
        let printed = try lab.on(machine, "journalctl --list-boots -q | wc -l").output
        return Int(printed.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
    }

    /// The machine comes back by itself with what it was told, whatever has become of the run.
    @Test func t00_aRunThatIsCutOffAndStoppedWhileAMachineReboots() throws {
        let before = try boots("m1")
        let run = try lab.startBootstrap("--only", "m1")
        // Only then it is on its way down.
        try lab.wait(run, "m1: reboot: waits until it has gone down and come back")
        try lab.lab("cut", "m1", "drop")
        try lab.wait(run, "m1: reboot: waits for SSH: ")
        run.interrupt()
        let stopped = run.end(limit: 60)
        #expect(stopped.status == 130 && stopped.output.contains("m1: reboot: skipped: stopped"), "\(stopped.text)")
        #expect(stopped.text.contains("Stopped. Running the same command again goes on from here."), "\(stopped.text)")
        try lab.lab("mend", "m1")
        try lab.wait("m1 is back", limit: 120) { try boots("m1") == before + 1 }
        let next = try lab.homelab("plan", "--agent-binary", "amd64=" + Lab.binary, "--only", "m1")
        #expect(next.status == 2 && !next.output.contains("cmdline.txt") && !next.output.contains("reboot"), "\(next.text)")
        // As it was made.
        try lab.on("m1", "printf '\(Self.line)' >/boot/firmware/cmdline.txt; rm /boot/firmware/cmdline.txt.homelab-before")
        try lab.lab("reboot", "m1")
    }

    @Test func t01_theWordsAreAddedTheMachineRebootedAndTheRunGoesOn() throws {
        // Somebody wrote the words by hand, or a run was stopped before it rebooted: what the kernel was started with decides.
        try lab.on("m1", "sed -i 's/quiet/quiet cgroup_memory=1 cgroup_enable=memory/' /boot/firmware/cmdline.txt")
        let written = try lab.homelab("plan", "--agent-binary", "amd64=" + Lab.binary, "--only", "m1")
        #expect(written.output.contains("reboot  (the kernel's command line was changed since it started)"), "\(written.text)")
        #expect(!written.output.contains("add cgroup_memory"), "\(written.text)")
        try lab.on("m1", "printf '\(Self.line)' >/boot/firmware/cmdline.txt")
        let before = try boots("m1")
        let plan = try lab.homelab("plan", "--agent-binary", "amd64=" + Lab.binary)
        #expect(plan.output.contains("add cgroup_memory=1 cgroup_enable=memory to /boot/firmware/cmdline.txt"), "\(plan.text)")
        let result = try lab.bootstrap()
        // One firmware does what it is told and the other does not: the first machine is what it shall be all the same.
        #expect(result.status == 1, "\(result.text)")
        #expect(result.text.contains(#"node "m2": the memory cgroup is still off after the reboot"#), "\(result.text)")
        #expect(result.text.contains("rpi-eeprom-update -a"), "\(result.text)")
        #expect(try lab.on("m2", "ls /usr/local/bin").output.contains("k3s") == false, "nothing is put on a machine that cannot run it")
        let file = try lab.on("m1", "cat -A /boot/firmware/cmdline.txt; ls /boot/firmware").output
        #expect(
            file == "console=serial0,115200 root=PARTUUID=6c586e13-02 rootwait quiet cgroup_memory=1 cgroup_enable=memory$\n"
                + "cmdline.txt\ncmdline.txt.homelab-before\n", "\(file)")
        #expect(try boots("m1") == before + 1)
        #expect(try lab.kubectl("get", "nodes", "--no-headers").output.contains("m1 "), "\(result.text)")
        let again = try lab.homelab("plan", "--agent-binary", "amd64=" + Lab.binary)
        #expect(again.text.contains(#"node "m2": the memory cgroup is off although the command line asks for it"#), "\(again.text)")
        #expect(!again.output.contains("cmdline.txt"), "\(again.text)")
        try lab.tearDown()
    }
}
