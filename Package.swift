// swift-tools-version: 6.1
import PackageDescription

// A module imports only what its line lists; `swift build --explicit-target-dependency-import-check error` keeps it so.
// The layers, from the base up, are drawn in README.md under "Architecture".

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .unsafeFlags(["-warnings-as-errors"]),
]

/// `fast`: without the checks at run time that no two accesses to a variable of a class overlap, for modules whose work is all
/// reading and changing trees on one thread; debug builds (`swift test`) keep the checks.
func module(_ name: String, _ dependencies: [Target.Dependency] = [], fast: Bool = false) -> Target {
    let unchecked = SwiftSetting.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))
    return .target(name: name, dependencies: dependencies, swiftSettings: settings + (fast ? [unchecked] : []))
}

/// Tests are compiled quickly: what they run is optimised, as it is shipped.
let testSettings = settings + [.unsafeFlags(["-Onone"], .when(configuration: .release))]

func tests(_ name: String, _ dependencies: [Target.Dependency] = [], fixtures: Bool = false) -> Target {
    .testTarget(
        name: name + "Tests",
        dependencies: [.target(name: name)] + dependencies,
        resources: fixtures ? [.copy("Fixtures")] : [],
        swiftSettings: testSettings)
}

func systemLibrary(_ name: String, _ pkgConfig: String, _ package: String) -> Target {
    .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([package])])
}

let package = Package(
    name: "homelab",
    products: [.executable(name: "homelab", targets: ["homelab"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    ],
    targets: [
        // C libraries: one wrapper module each.
        systemLibrary("CLibyaml", "yaml-0.1", "libyaml-dev"),
        systemLibrary("CLibssh2", "libssh2", "libssh2-1-dev"),
        systemLibrary("CLibgit2", "libgit2", "libgit2-dev"),
        systemLibrary("CLibcrypto", "libcrypto", "libssl-dev"),
        // zlib, which libgit2 brings along, to look at the files of objects.
        .target(name: "CGitSupport", dependencies: ["CLibgit2"], linkerSettings: [.linkedLibrary("z")]),
        .target(name: "CAllocator"),

        // Base.
        module("Diagnostics"),
        module("BlockingExecutor"),
        module("FileSystem"),
        module("HTTP"),
        module("Cryptography", ["CLibcrypto"]),
        .target(
            name: "BootstrapAssets", path: "bootstrap", exclude: ["demo", "test", "build", "static"],
            resources: [.embedInCode("assets")], swiftSettings: settings),
        module("YAML", ["CLibyaml"], fast: true),
        module("RegularExpressions"),
        module("CEL", ["YAML", "RegularExpressions", "FileSystem"]),

        // Pure: values and rules.
        module("NodeInventory", ["Diagnostics", "YAML"]),
        .target(
            name: "KubernetesModel", dependencies: ["CEL", "RegularExpressions", "Diagnostics", "YAML"],
            resources: [.embedInCode("Flux/Definitions")], swiftSettings: settings),
        module("NodePlanning", ["NodeInventory", "Diagnostics", "YAML", "Cryptography", "BootstrapAssets"]),
        module("SyncPlanning", ["KubernetesModel", "Diagnostics", "YAML"]),
        module("SOPS", ["Cryptography", "Diagnostics", "YAML"]),
        module("CommitSignatures", ["Cryptography", "Diagnostics"]),
        module(
            "Kustomize", ["KubernetesModel", "RegularExpressions", "Diagnostics", "YAML", "Cryptography", "FileSystem"], fast: true),

        // Effects: the only code that touches a node, a cluster or a remote.
        module("SSH", ["CLibssh2", "BlockingExecutor", "Cryptography", "FileSystem"]),
        module("Git", ["CLibgit2", "CGitSupport", "BlockingExecutor", "Cryptography"]),
        module("KubernetesClient", ["KubernetesModel", "HTTP", "YAML", "Diagnostics", "FileSystem", "Cryptography"]),
        module(
            "HTTPNetworking",
            [
                "HTTP",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ]),
        module(
            "Provisioning",
            [
                "NodePlanning", "NodeInventory", "KubernetesModel", "SSH", "BootstrapAssets", "Diagnostics", "FileSystem",
                "Cryptography", "YAML", "HTTP", "BlockingExecutor",
            ]),

        // Loops: the agent.
        module(
            "Reconciliation",
            [
                "Git", "SSH", "Provisioning", "KubernetesClient", "NodePlanning", "NodeInventory", "SyncPlanning", "Kustomize", "SOPS",
                "CommitSignatures", "CEL", "KubernetesModel", "HTTP", "Diagnostics", "FileSystem", "Cryptography", "YAML",
                "BlockingExecutor",
            ]),

        // Commands and the composition root.
        module(
            "HomelabCLI",
            [
                "Reconciliation", "Provisioning", "KubernetesClient", "HTTPNetworking", "Git", "SSH", "NodePlanning", "NodeInventory",
                "SyncPlanning", "Kustomize", "KubernetesModel", "HTTP", "Diagnostics", "FileSystem", "Cryptography", "YAML",
                "BootstrapAssets", "BlockingExecutor", "CAllocator",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .executableTarget(name: "homelab", dependencies: ["HomelabCLI"], swiftSettings: settings),

        // Tests: each module its own; LiveTests run on the test bed (Tests/TestBed).
        .target(
            name: "HomelabTestSupport", dependencies: ["KubernetesModel", "YAML", "Diagnostics"], path: "Tests/HomelabTestSupport",
            swiftSettings: testSettings),
        tests("Diagnostics"),
        tests("YAML", ["CLibyaml", "HomelabTestSupport"], fixtures: true),
        tests("RegularExpressions"),
        tests("CEL", ["YAML"], fixtures: true),
        tests("FileSystem"),
        tests("Cryptography"),
        tests("NodeInventory", ["YAML", "Diagnostics"], fixtures: true),
        tests("KubernetesModel", ["CEL", "YAML", "Diagnostics", "HomelabTestSupport"], fixtures: true),
        tests("NodePlanning", ["NodeInventory", "YAML", "Diagnostics", "BootstrapAssets"], fixtures: true),
        tests("SyncPlanning", ["KubernetesModel", "YAML", "Diagnostics"], fixtures: true),
        tests("Kustomize", ["KubernetesModel", "YAML", "Diagnostics", "FileSystem", "HomelabTestSupport"], fixtures: true),
        tests("SOPS", ["Diagnostics", "YAML"], fixtures: true),
        tests("CommitSignatures", ["Cryptography", "Diagnostics", "HomelabTestSupport"]),
        tests("SSH", ["Cryptography", "HomelabTestSupport"]),
        tests("Git", ["FileSystem"]),
        tests(
            "KubernetesClient", ["KubernetesModel", "HTTP", "HTTPNetworking", "YAML", "Diagnostics", "HomelabTestSupport"],
            fixtures: true),
        tests("HTTPNetworking", ["HTTP"]),
        tests(
            "Provisioning",
            [
                "NodePlanning", "NodeInventory", "KubernetesModel", "YAML", "Diagnostics", "HomelabTestSupport", "SSH", "FileSystem",
                "Cryptography", "HTTP", "HTTPNetworking",
            ], fixtures: true),
        tests(
            "Reconciliation",
            [
                "KubernetesClient", "KubernetesModel", "SyncPlanning", "NodeInventory", "Git", "YAML", "Diagnostics", "HomelabTestSupport",
                "HTTP", "Kustomize", "FileSystem", "Provisioning", "Cryptography",
            ]),
        tests(
            "HomelabCLI",
            [
                "Git", "NodeInventory", "NodePlanning", "Provisioning", "Diagnostics", "YAML", "homelab", "Reconciliation",
                "KubernetesModel",
                "HTTPNetworking", "HTTP",
                "HomelabTestSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .testTarget(
            name: "LiveTests",
            dependencies: [
                "KubernetesClient", "KubernetesModel", "HTTPNetworking", "Reconciliation", "YAML", "Diagnostics", "HomelabTestSupport",
                "Cryptography",
            ],
            swiftSettings: testSettings),
    ],
    swiftLanguageModes: [.v6]
)
