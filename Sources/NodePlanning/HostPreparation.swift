internal import BootstrapAssets

/// What k3s needs of a machine's kernel; the assets are the files that keep it so over a reboot.
enum HostPreparation {
    static let modulesFile = PlannedFile(path: NodeLayout.modules, mode: "0644", text: BootstrapAssets.modules)
    static let sysctlsFile = PlannedFile(path: NodeLayout.sysctls, mode: "0644", text: BootstrapAssets.sysctls)
    static let logRotationFile = PlannedFile(path: NodeLayout.logRotation, mode: "0644", text: BootstrapAssets.logRotation)

    static let modules = lines(BootstrapAssets.modules)

    static let sysctls: [Sysctl] = lines(BootstrapAssets.sysctls).compactMap { line in
        let halves = line.split(separator: "=", maxSplits: 1).map { String($0.filter { $0 != " " }) }
        return halves.count == 2 ? Sysctl(key: halves[0], value: halves[1]) : nil
    }

    /// What a Raspberry Pi's firmware needs to be told, or it starts the kernel without the memory controller.
    static let commandLineWords = ["cgroup_memory=1", "cgroup_enable=memory"]

    /// Those of them that are not in a command line.
    static func missingWords(_ commandLine: String) -> [String] {
        let present = commandLine.split(whereSeparator: \.isWhitespace).map(String.init)
        return commandLineWords.filter { !present.contains($0) }
    }

    private static func lines(_ text: String) -> [String] {
        text.split(separator: "\n").map(String.init).filter { !$0.hasPrefix("#") && !$0.allSatisfy(\.isWhitespace) }
    }
}
