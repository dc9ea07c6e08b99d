package import Diagnostics
package import KubernetesModel

/// How a build is done.
package struct BuildOptions: Hashable, Sendable {
    /// Whether a kustomization may name files outside its own directory; directories it always may.
    package enum LoadRestriction: Sendable { case rootOnly, none }
    /// The order of the result: kustomize's own, or that of the input. A kustomization's `sortOptions` win over either.
    package enum Order: Sendable { case legacy, none }

    package var loadRestriction: LoadRestriction
    package var order: Order
    /// Whether a directory without a kustomization file stands for all YAML files in it, as Flux has it.
    package var generatesMissingKustomization: Bool
    /// What is laid over the kustomization that is built.
    package var overlay: FluxOverlay?
    /// Where the overlay's patches were written, in their order, for messages; without it these name the field.
    package var overlayPlaces: [FluxOverlay.PatchPlace?] = []
    package var limits: BuildLimits
    /// How what is named by URL can be allowed, for the message where it is not.
    package var remotePermission = "allow remote sources"
    /// The directory that messages and provenance name files from; nil names them from the tree's root.
    package var displayBase: String?

    package init(
        loadRestriction: LoadRestriction = .rootOnly, order: Order = .legacy, generatesMissingKustomization: Bool = false,
        overlay: FluxOverlay? = nil, limits: BuildLimits = BuildLimits(), displayBase: String? = nil
    ) {
        self.loadRestriction = loadRestriction
        self.order = order
        self.generatesMissingKustomization = generatesMissingKustomization
        self.overlay = overlay
        self.limits = limits
        self.displayBase = displayBase
    }
}

/// Bounds on what one build may cost, so that a hostile tree ends in a clear error.
package struct BuildLimits: Hashable, Sendable {
    /// Kustomizations within kustomizations.
    package var depth: Int
    /// Kustomizations visited in all, one used twice counted twice.
    package var kustomizations: Int
    package var files: Int
    /// Bytes of one file.
    package var fileBytes: Int
    /// Bytes of all files.
    package var totalBytes: Int
    package var resources: Int
    /// Commits fetched from elsewhere.
    package var remotes: Int

    package init(
        depth: Int = 64, kustomizations: Int = 10_000, files: Int = 50_000, fileBytes: Int = 32 << 20, totalBytes: Int = 256 << 20,
        resources: Int = 100_000, remotes: Int = 64
    ) {
        self.depth = depth
        self.kustomizations = kustomizations
        self.files = files
        self.fileBytes = fileBytes
        self.totalBytes = totalBytes
        self.resources = resources
        self.remotes = remotes
    }
}

/// What a build made.
package struct BuildResult: Sendable {
    /// In output order; each with the place it comes from.
    package var manifests: [Manifest]
    /// In the order of the manifests.
    package var provenance: [Provenance]
    /// What is deprecated or probably not meant.
    package var warnings: Diagnostics
    /// The paths, from the tree's root, of all files and directories that were read or looked for: the build is the same as
    /// long as these are.
    package var inputs: Set<String>
    /// The branches and tags elsewhere that it was built from, and what they were at.
    package var followed: [RemoteName: RemoteCommit] = [:]
}
