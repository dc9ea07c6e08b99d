import Foundation
import Testing

/// The shipped file starts on a bare Debian with nothing installed.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct BinaryLive {
    @Test(arguments: ["bookworm", "trixie"])
    func startsOnABareDebian(_ suite: String) throws {
        let root = try Shell.must([Lab.root + "/Tests/TestBed/machines/bare-root", suite], limit: 600)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        try Shell.must(["install", "-m", "755", Lab.binary, root + "/usr/local/bin/homelab"])
        let result = try Shell.run([
            "chroot", root, "/bin/sh", "-c",
            "mount -t proc proc /proc; homelab --version; homelab init /tmp/c; status=$?; umount /proc; exit $status",
        ])
        #expect(result.succeeded, "\(result.text)")
        #expect(result.output.contains("inventory/home.yaml"))
    }
}
