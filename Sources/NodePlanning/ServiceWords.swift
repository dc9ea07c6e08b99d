/// What a person types on a machine about its services, in the words of its init system.
package struct ServiceWords: Hashable, Sendable {
    package let usesOpenRC: Bool

    package static let systemd = ServiceWords(usesOpenRC: false)

    package init(usesOpenRC: Bool) { self.usesOpenRC = usesOpenRC }

    /// Who starts a service again.
    package var supervisor: String { usesOpenRC ? "OpenRC" : "systemd" }

    /// Shows all that services have said.
    package func log(_ units: String...) -> String { "`\(log(of: units))`" }

    /// As `log`, as a part of a longer command.
    func log(of units: [String]) -> String {
        usesOpenRC
            ? "tail -n 200 \(units.map(InitSystem.log).joined(separator: " "))"
            : "journalctl \(units.map { "-u \(InitSystem.service($0))" }.joined(separator: " "))"
    }

    package func start(_ unit: String) -> String { command("start", unit) }

    package func stop(_ unit: String) -> String { command("stop", unit) }

    package func status(_ unit: String) -> String { command("status", unit) }

    /// Commands for machines of several kinds.
    static func either(_ commands: [String]) -> String {
        var different: [String] = []
        for command in commands where !different.contains(command) { different.append(command) }
        return different.joined(separator: " or ")
    }

    private func command(_ verb: String, _ unit: String) -> String {
        let service = InitSystem.service(unit)
        return usesOpenRC ? "`rc-service \(service) \(verb)`" : "`systemctl \(verb) \(service)`"
    }

    /// Gives the machine an identity of its own.
    var newMachineID: String {
        usesOpenRC
            ? "`tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id`" : "`rm /etc/machine-id && systemd-machine-id-setup`"
    }

    func setHostName(_ name: String) -> String {
        usesOpenRC ? "`echo \(name) >/etc/hostname; rc-service hostname restart`" : "`hostnamectl set-hostname \(name)`"
    }

    /// Sets the clock by those of others, and keeps it so.
    package var setClock: String {
        usesOpenRC
            ? "`rc-update add chronyd; rc-service chronyd restart`, wait for `chronyc waitsync`"
            : "`timedatectl set-ntp true`, wait for `timedatectl` to say synchronized"
    }
}
