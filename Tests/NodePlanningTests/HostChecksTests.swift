import BootstrapAssets
import Diagnostics
import Foundation
import NodeInventory
import Testing

@testable import NodePlanning

@Suite struct HostChecksTests {
    private func findings(_ lines: String..., role: NodeRole = .server) -> [String] {
        let node = NodeSpec(name: "pi", role: role, host: "10.0.0.1", location: SourceLocation(file: "home.yaml", line: 1))
        let output = "motd\nhomelab-checks 1\n" + lines.map { $0 + "\n" }.joined() + "end\n"
        return HostChecks.findings(node, output: output, isInstalled: false).map(\.description)
    }

    @Test func whatIsUsualIsNothingToTell() {
        #expect(findings("disk=sda 0", "root-maxkeys=1000000", "iptables=iptables v1.8.9 (nf_tables)", "nameservers=1").isEmpty)
    }

    @Test func disksThatWearOutOrTurnMatterOnServersOnly() {
        #expect(findings("disk=mmcblk0 0")[0].contains("SD card or eMMC (mmcblk0)"))
        #expect(findings("disk=sda 1")[0].contains("turning disk (sda)"))
        #expect(findings("disk=vda 1").isEmpty, "a virtual disk tells nothing of what it lies on")
        #expect(findings("disk=mmcblk0 0", role: .agent).isEmpty)
    }

    @Test func everyOtherCheckHasItsFinding() {
        let found = findings(
            "root-maxkeys=200", "iptables=iptables v1.8.2 (nf_tables)", "nameservers=0", "reboot-required=yes", "package-manager=apt-get",
            "nm-cloud-setup=enabled", "secure-path=Defaults secure_path=\"/sbin:/bin\"", "unresolved=registry-1.docker.io", "swap=100",
            "kernel-replaced=6.1.0-37-amd64", "network-manager=unaware", "unreachable=https://mirror.home",
            "drop-in=/etc/rancher/k3s/config.yaml.d/old.yaml")
        #expect(found.count == 13)
        #expect(found.allSatisfy { $0.contains("\n    ") }, "each has its remedy: \(found)")
        #expect(findings("swap=100", role: .agent).isEmpty)
        #expect(findings("iptables=iptables v1.8.2 (legacy)").isEmpty)
        #expect(findings("secure-path=Defaults secure_path=/usr/local/bin:/bin").isEmpty)
    }

    /// Where k3s' own images come from decides which registry is asked.
    @Test(arguments: [
        ("", ["https://registry-1.docker.io"]),
        ("registries: {mirrors: {docker.io: {endpoint: ['https://a.home:5000/v2', b.home]}}}", ["https://a.home:5000", "https://b.home"]),
        ("registries: {mirrors: {'*': {endpoint: ['http://10.0.0.9:5000']}}}", ["http://10.0.0.9:5000"]),
        ("registries: {mirrors: {quay.io: {endpoint: ['https://a.home']}}}", ["https://registry-1.docker.io"]),
        ("airgap: true", []),
        ("airgap: true\n  registries: {mirrors: {docker.io: {endpoint: [b.home]}}}", ["https://b.home"]),
        ("serverConfig: {system-default-registry: 'hub.home:5000'}", ["https://hub.home:5000"]),
        ("registries: {mirrors: {docker.io: {endpoint: [\"https://a'; reboot\"]}}}", []),
    ]) func registriesAreThoseOfTheInventory(_ lines: String, _ expected: [String]) throws {
        let spec = try ClusterSpec.load(
            "home.yaml",
            files: [
                "home.yaml":
                    "apiVersion: homelab.dev/v1alpha1\nkind: Cluster\nname: home\nk3s:\n  version: v1.33.4+k3s1\n  \(lines)\nnodes:\n"
                    + "  - {name: s1, role: server, host: 10.0.0.1}\n"
            ])
        #expect(HostChecks.registries(spec, spec.nodes[0]) == expected)
    }

    @Test func anOutputCutShortIsTold() {
        let node = NodeSpec(name: "pi", role: .agent, host: "h", location: SourceLocation(file: "f", line: 1))
        #expect(HostChecks.findings(node, output: "homelab-checks 1\ndisk=sda 0\n", isInstalled: true).count == 1)
    }

    /// A logical volume on an encrypted disk on a partition: what counts is the disk below.
    @Test(arguments: ["dash", "bash"]) func theDiskBelowAVolumeIsFound(_ shell: String) throws {
        let folder = NSTemporaryDirectory() + "homelab-disk-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let files = FileManager.default
        for path in ["dev/mapper", "sys/dm-1/slaves/dm-0", "sys/dm-0/slaves/sda2", "sys/sda/queue", "sys/sda/slaves", "bin"] {
            try files.createDirectory(atPath: "\(folder)/\(path)", withIntermediateDirectories: true)
        }
        try "".write(toFile: folder + "/dev/dm-1", atomically: true, encoding: .utf8)
        try files.createSymbolicLink(atPath: folder + "/dev/mapper/vg-root", withDestinationPath: "../dm-1")
        try "1\n".write(toFile: folder + "/sys/sda/queue/rotational", atomically: true, encoding: .utf8)
        try "#!/bin/sh\nprintf 'Filesystem\\n\(folder)/dev/mapper/vg-root 1\\n'\n".write(
            toFile: folder + "/bin/df", atomically: true, encoding: .utf8)
        try files.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder + "/bin/df")
        let script = BootstrapAssets.checksScript.replacing("/sys/block", with: folder + "/sys").replacing("/dev/", with: folder + "/dev/")
            .replacing("PATH=", with: "PATH=\(folder)/bin:")
        #expect(try output(shell, script).contains("\ndisk=sda 1\n"))
    }

    private func output(_ shell: String, _ script: String) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [shell, "-c", script]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return text
    }

    @Test(arguments: ["dash", "bash"]) func theScriptRunsHere(_ shell: String) throws {
        let text = try output(shell, BootstrapAssets.checksScript)
        #expect(text.hasPrefix("homelab-checks 1\n") && text.hasSuffix("\nend\n"), "\(text)")
        #expect(text.contains("root-maxkeys="))
    }
}
