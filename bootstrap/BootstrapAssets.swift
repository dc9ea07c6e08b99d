/// The files that bootstrap puts on machines, embedded into the program; they live in `bootstrap/assets`.
package enum BootstrapAssets {
    /// Gathers everything about a node in one run of a POSIX shell; its output is read by `NodeFacts.parse`.
    package static var factsScript: String { text(PackageResources.facts_sh) }
    /// What `homelab preflight` asks of a machine beyond its facts; read by `HostChecks`.
    package static var checksScript: String { text(PackageResources.checks_sh) }
    /// Takes k3s, homelab and all they made off a machine, for a POSIX shell.
    package static var uninstallScript: String {
        aloneScript + foldersScript + programsScript + text(PackageResources.uninstall_sh)
    }
    /// Functions that keep what must not meet on a machine from meeting there.
    package static var aloneScript: String { text(PackageResources.alone_sh) }
    /// Functions that take folders away wherever links and mounts have put them.
    package static var foldersScript: String { text(PackageResources.folders_sh) }
    /// Functions that take away what is beside units and binaries.
    package static var programsScript: String { text(PackageResources.programs_sh) }
    package static var serverUnit: String { text(PackageResources.k3s_service) }
    package static var agentUnit: String { text(PackageResources.k3s_agent_service) }
    package static var homelabAgentUnit: String { text(PackageResources.homelab_agent_service) }
    /// The same for machines that OpenRC starts.
    package static var serverService: String { text(PackageResources.k3s_openrc) }
    package static var agentService: String { text(PackageResources.k3s_agent_openrc) }
    package static var homelabAgentService: String { text(PackageResources.homelab_agent_openrc) }
    package static var logRotation: String { text(PackageResources.homelab_logrotate) }
    package static var sysctls: String { text(PackageResources.homelab_k3s_sysctl_conf) }
    package static var modules: String { text(PackageResources.homelab_k3s_modules_conf) }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
