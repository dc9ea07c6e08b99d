package import YAML

/// Which k3s runs on the nodes, where it comes from and how it is configured.
package struct K3sSpec: Hashable, Sendable {
    package var version: K3sVersion
    package var source: K3sSource
    /// The pinned sha256 of the binary for each architecture, from the inventory or its lock file (see `LockFile`).
    package var sha256: [Architecture: String]
    /// `airgap`: every machine is brought the archive of k3s' images, so that it needs no registry for them.
    package var bringsImages: Bool
    /// The pinned sha256 of archives of images by their names (see `Architecture.imagesAsset`), from the inventory or its lock file.
    package var imageSHA256: [String: String]
    package var datastore: Datastore?
    /// config.yaml of every node, of the servers, of the agents; the narrower one wins.
    package var config: Object
    package var serverConfig: Object
    package var agentConfig: Object
    /// registries.yaml of every node, passed through; secrets in it are references (see `Registries`).
    package var registries: Object?

    package init(version: K3sVersion) {
        self.version = version
        source = .release
        sha256 = [:]
        bringsImages = false
        imageSHA256 = [:]
        config = Object()
        serverConfig = Object()
        agentConfig = Object()
    }

    /// The archive of images that is pinned, of those that the source may have.
    package func pinnedImages(_ architecture: Architecture) -> (ending: String, sha256: String)? {
        for ending in source.imageEndings {
            if let sha256 = imageSHA256[architecture.imagesAsset(ending)] { return (ending, sha256) }
        }
        return nil
    }
}

/// The data stores k3s carries itself.
package enum Datastore: String, Hashable, Sendable, CaseIterable {
    case sqlite, etcd
}

/// Where the k3s binary is taken from; it is always checked against a sha256 and uploaded over SSH.
package enum K3sSource: Hashable, Sendable {
    /// The project's release page.
    case release
    /// A mirror with the release page's layout: `<url>/<version>/k3s-<arch>`.
    case mirror(String)
    /// A folder on the operator's machine that holds `k3s`, `k3s-arm64`, `k3s-armhf`.
    case folder(String)

    /// The forms of an archive of images that are taken from there, what is quickest to unpack on the node first. A release has all of
    /// them; one is enough.
    package var imageEndings: [String] {
        if case .folder = self { [".tar.zst", ".tar", ".tar.gz"] } else { [".tar.zst"] }
    }
}

/// A k3s release, `v1.33.4+k3s1`.
package struct K3sVersion: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let major: Int
    package let minor: Int
    package let patch: Int
    /// `-rc1` and the like, without the dash; empty for a release.
    package let preRelease: String
    /// The number behind `+k3s`.
    package let build: Int

    package init(major: Int, minor: Int, patch: Int = 0, build: Int = 1) {
        self.major = major
        self.minor = minor
        self.patch = patch
        self.build = build
        preRelease = ""
    }

    /// nil unless the text has the exact form `vX.Y.Z+k3sN` (or `vX.Y.Z-rcM+k3sN`).
    package init?(_ text: String) {
        guard text.hasPrefix("v") else { return nil }
        let halves = text.dropFirst().split(separator: "+", omittingEmptySubsequences: false)
        guard halves.count == 2, halves[1].hasPrefix("k3s"), let build = Int(halves[1].dropFirst(3)), build > 0 else { return nil }
        let core = halves[0].split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        let numbers = core[0].split(separator: ".", omittingEmptySubsequences: false).map { part in
            part.allSatisfy { $0.isASCII && $0.isNumber } ? Int(part) : nil
        }
        guard numbers.count == 3, let major = numbers[0], let minor = numbers[1], let patch = numbers[2] else { return nil }
        if core.count == 2, core[1].isEmpty { return nil }
        self.major = major
        self.minor = minor
        self.patch = patch
        preRelease = core.count == 2 ? String(core[1]) : ""
        self.build = build
    }

    package var description: String {
        "v\(major).\(minor).\(patch)" + (preRelease.isEmpty ? "" : "-" + preRelease) + "+k3s\(build)"
    }

    package static func < (a: K3sVersion, b: K3sVersion) -> Bool {
        if (a.major, a.minor, a.patch) != (b.major, b.minor, b.patch) { return (a.major, a.minor, a.patch) < (b.major, b.minor, b.patch) }
        if a.preRelease != b.preRelease {
            if a.preRelease.isEmpty || b.preRelease.isEmpty { return b.preRelease.isEmpty }
            return a.preRelease < b.preRelease
        }
        return a.build < b.build
    }
}

/// The processor architectures k3s is released for, by their Kubernetes names.
package enum Architecture: String, Hashable, Sendable, CaseIterable, Comparable {
    case amd64, arm64, arm

    /// From `uname -m`; nil when k3s has no binary for it.
    package init?(machine: String) {
        switch machine {
        case "x86_64", "amd64": self = .amd64
        case "aarch64", "arm64": self = .arm64
        case "armv6l", "armv7l", "armv8l", "arm": self = .arm
        default: return nil
        }
    }

    /// The file's name on k3s' release page.
    package var k3sAsset: String {
        switch self {
        case .amd64: "k3s"
        case .arm64: "k3s-arm64"
        case .arm: "k3s-armhf"
        }
    }

    /// The name of the archive of k3s' images on its release page.
    /// - Parameter ending: see `K3sSource.imageEndings`.
    package func imagesAsset(_ ending: String) -> String { Self.imagesPrefix + rawValue + ending }

    /// With what the names of such archives begin.
    static let imagesPrefix = "k3s-airgap-images-"

    package static func < (a: Architecture, b: Architecture) -> Bool { a.rawValue < b.rawValue }
}
