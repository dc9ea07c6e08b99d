import Testing

@testable import NodePlanning

/// What people are told to install, under the name their own distribution has for it; `FamiliesLive` runs those of dnf and zypper.
@Suite struct PackageTests {
    @Test(
        arguments: [
            ("debian", [], ["apt-get install openssh-client", "apt-get install systemd-timesyncd", "apt-get install linux-image-amd64"]),
            ("ubuntu", ["debian"], ["apt-get install openssh-client", "linux-modules-extra-$(uname -r)"]),
            ("raspbian", ["debian"], ["apt-get install openssh-client"]),
            (
                "fedora", [],
                [
                    "dnf install openssh", "dnf install chrony; systemctl enable --now chronyd", "dnf install kernel-modules-extra",
                    "dnf install k3s-selinux",
                ]
            ),
            ("rocky", ["rhel", "centos", "fedora"], ["dnf install openssh", "dnf install k3s-selinux"]),
            ("ol", ["fedora"], ["dnf install kernel-modules-extra"]),
            (
                "opensuse-leap", ["suse", "opensuse"],
                [
                    "zypper install openssh-common", "zypper install chrony; systemctl enable --now chronyd",
                    "zypper install kernel-default", "zypper install k3s-selinux",
                ]
            ),
            (
                "alpine", [],
                ["apk add openssh-keygen", "apk add chrony; rc-update add chronyd; rc-service chronyd start", "apk add linux-lts"]
            ),
            ("slackware", [], ["the package with ssh-keygen"]),
        ] as [(String, [String], [String])])
    func eachFamilyHasItsOwnNames(_ id: String, _ like: [String], _ expected: [String]) {
        var system = SystemFacts()
        (system.id, system.like, system.machine) = (id, like, "x86_64")
        let all = [MissingPart.sshClient, .timeService, .modules, .k3sPolicy].map { system.install($0) }
        for words in expected { #expect(all.contains { $0.contains(words) }, "\(words) is none of \(all)") }
    }

    @Test func theKernelsPackageIsTheArchitectures() {
        var system = SystemFacts()
        (system.id, system.machine) = ("debian", "aarch64")
        #expect(system.install(.modules) == "apt-get install linux-image-arm64")
        (system.machine, system.initSystem) = ("armv7l", "openrc")
        #expect(system.install(.modules) == "apt-get install linux-image-armmp" && system.install(.timeService) == "apt-get install chrony")
    }
}
