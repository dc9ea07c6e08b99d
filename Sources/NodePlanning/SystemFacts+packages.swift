internal import NodeInventory

/// What a machine may lack and its distribution has under its own name; the policy is in Rancher's repository, which k3s' installer sets up.
enum MissingPart {
    case sshClient, timeService, modules, k3sPolicy, logRotation
}

extension SystemFacts {
    private enum Family { case debian, redHat, suse, alpine, other }

    private var family: Family {
        let names = Set([id] + like)
        if !names.isDisjoint(with: ["debian", "ubuntu", "raspbian"]) { return .debian }
        if !names.isDisjoint(with: ["fedora", "rhel", "centos", "rocky", "almalinux"]) { return .redHat }
        if !names.isDisjoint(with: ["suse", "opensuse", "sles", "opensuse-leap", "opensuse-tumbleweed"]) { return .suse }
        return names.contains("alpine") ? .alpine : .other
    }

    /// The command with which the machine's owner gets it.
    func install(_ part: MissingPart) -> String {
        switch (family, part) {
        case (.debian, .sshClient): "apt-get install openssh-client"
        case (.redHat, .sshClient): "dnf install openssh"
        case (.suse, .sshClient): "zypper install openssh-common"
        case (.alpine, .sshClient): "apk add openssh-keygen"
        case (_, .sshClient): "the package with ssh-keygen"
        case (.debian, .timeService): usesOpenRC ? "apt-get install chrony" : "apt-get install systemd-timesyncd; timedatectl set-ntp true"
        case (.redHat, .timeService): "dnf install chrony; systemctl enable --now chronyd"
        case (.suse, .timeService): "zypper install chrony; systemctl enable --now chronyd"
        case (.alpine, .timeService): "apk add chrony; rc-update add chronyd; rc-service chronyd start"
        case (_, .timeService): "timedatectl set-ntp true"
        // Ubuntu and RHEL 10 keep part of them in packages of their own (docs.k3s.io/installation/requirements).
        case (.debian, .modules):
            id == "ubuntu" ? "apt-get install linux-modules-extra-$(uname -r)" : "apt-get install linux-image-\(debianKernel)"
        case (.redHat, .modules): "dnf install kernel-modules-extra"
        case (.suse, .modules): "zypper install kernel-default"
        case (.alpine, .modules): "apk add linux-lts"
        case (_, .modules): "the distribution's own kernel"
        case (.debian, .logRotation): "apt-get install logrotate cron"
        case (.alpine, .logRotation): "apk add logrotate; rc-update add crond; rc-service crond start"
        case (_, .logRotation): "the package with logrotate, run by a cron"
        case (.suse, .k3sPolicy): "zypper install k3s-selinux"
        case (_, .k3sPolicy): "dnf install k3s-selinux"
        }
    }

    private var debianKernel: String { architecture == .arm64 ? "arm64" : architecture == .arm ? "armmp" : "amd64" }
}
