package import CEL
import Diagnostics
package import KubernetesModel
package import Kustomize
package import SyncPlanning

/// A part of the repository that is kept in the cluster as one: the unit that bootstrap makes covers `clusters/<cluster>/`, every other
/// is a Kustomization object.
package struct UnitSpec: Hashable, Sendable {
    /// Namespace and name, as the owner labels of its objects say.
    package var owner: Ownership
    /// Directory in the repository.
    package var path: String
    package var prune: PrunePolicy
    /// How long the objects of a revision may take until they are healthy before that is called a failure.
    package var healthTimeout: Duration
    /// Applies that are under way at the same time.
    package var parallelism: Int
    /// nil for the repository that the agent itself follows.
    package var source: KustomizationSpec.SourceReference?
    package var overlay: FluxOverlay?
    package var dependsOn: [Ownership] = []
    /// Decide instead of the built-in rule whether a dependency is ready.
    package var readyExpressions: [Ownership: CELExpression] = [:]
    /// Whether the unit is ready only when all its objects are healthy.
    package var waitsForAll = true
    /// Otherwise these have to be.
    package var healthChecks: [ObjectKey] = []
    package var healthCheckKinds: Set<GroupVersionKind> = []
    package var healthExpressions = HealthRules()
    package var variables = VariablesSpec()
    package var isDecrypting = false
    /// Holds the age keys, in the unit's namespace.
    package var decryptionSecret: String?
    /// The longest wait before a refused object is tried again.
    package var retryLimit: Duration = .seconds(300)
    package var forces = false
    /// Fields that are left as they are in the cluster.
    package var ignoreRules: [KustomizationSpec.IgnoreRule] = []
    /// With whose rights the objects are applied and deleted, in the unit's namespace; nil where it does not say.
    package var serviceAccount: String?
    /// Leads to the cluster of the objects; nil for the agent's own.
    package var kubeconfig: KustomizationSpec.KubeconfigReference?
    /// Changes made in the cluster are told, and not undone.
    package var reportsDrift = false
    package var isSuspended = false
    /// How Flux was told to run before the agent took its place.
    package var flux = FluxSettings()
    package var deletionPolicy = KustomizationSpec.DeletionPolicy.mirrorPrune
    package var obstacles: [String] = []
    package var invalidExpressions: [String] = []
    package var warnings: [String] = []
    /// Where the Kustomization lies that names Secrets, ConfigMaps and a ServiceAccount, when that is not the owner's namespace.
    var definedIn: String?
    /// The unit that made its Kustomization, and the digest of what that one made it from.
    var parent: Ownership?
    var definition = ""
    /// Of the Kustomization; 0 where there is none.
    package var generation: Int64 = 0
    /// The look that was asked for last, as the annotation says; empty for none.
    var requestedAt = ""
    /// Names the ConfigMaps with the record and the status of the agent's own unit, which stay when it is called otherwise.
    package let records: String

    /// - Parameter records: the owner's name if not given.
    package init(
        owner: Ownership, path: String, records: String? = nil, prune: PrunePolicy = PrunePolicy(),
        healthTimeout: Duration = .seconds(300), parallelism: Int = 8
    ) {
        self.owner = owner
        self.records = records ?? owner.name
        self.path = path
        self.prune = prune
        self.healthTimeout = healthTimeout
        self.parallelism = parallelism
    }

    package init(of object: Manifest) {
        let kustomization = KustomizationSpec(of: object)
        self.init(
            owner: Ownership(namespace: object.namespace, name: object.name), path: kustomization.path,
            prune: PrunePolicy(isEnabled: kustomization.prune), healthTimeout: kustomization.healthTimeout)
        source = kustomization.source
        overlay = FluxOverlay(kustomization)
        dependsOn = kustomization.dependsOn
        readyExpressions = kustomization.readyExpressions
        waitsForAll = kustomization.wait
        // With all of its own waited for, Flux passes over the list.
        healthChecks = kustomization.wait ? [] : kustomization.healthChecks
        healthCheckKinds = kustomization.healthCheckKinds
        healthExpressions = kustomization.healthExpressions
        variables = VariablesSpec(kustomization)
        isDecrypting = kustomization.isDecrypting
        decryptionSecret = kustomization.decryptionSecret
        retryLimit = kustomization.retryInterval ?? kustomization.interval
        forces = kustomization.force
        ignoreRules = kustomization.ignoreRules
        serviceAccount = kustomization.serviceAccount
        kubeconfig = kustomization.kubeconfig
        reportsDrift = kustomization.reportsDrift
        prune.maximumCount = kustomization.pruneCount ?? prune.maximumCount
        prune.maximumPercent = kustomization.prunePercent ?? prune.maximumPercent
        isSuspended = kustomization.isSuspended
        deletionPolicy = kustomization.deletionPolicy
        obstacles = kustomization.obstacles
        invalidExpressions = kustomization.invalidExpressions
        warnings = kustomization.warnings
        do {
            _ = try IgnoredFields(ignoreRules)
        } catch {
            obstacles.append("spec.ignore: target: \(error.summary)")
        }
        generation = object.generation ?? 0
        requestedAt = object.annotation(FluxKinds.requestedAt) ?? ""
        parent = Ownership(of: object)
        definition = object.annotation(DesiredObject.digestAnnotation) ?? ""
    }

    package var name: String { owner.name }

    /// Whether a revision has to be healthy before it counts as applied.
    var checksHealth: Bool { waitsForAll || !healthChecks.isEmpty }

    /// Of what it names without a namespace.
    var namespace: String { definedIn ?? owner.namespace }

    /// The ServiceAccount with whose rights it is applied; nil for the agent's own rights.
    var actingAccount: String? { serviceAccount ?? flux.defaultServiceAccount }

    /// The ServiceAccount as the API server calls it.
    var user: String? { actingAccount.map { "system:serviceaccount:\(namespace):\($0)" } }

    /// Holds the age keys.
    var keySecret: ObjectKey? {
        guard isDecrypting else { return nil }
        guard let decryptionSecret else { return flux.ageSecret }
        return ObjectKey(group: "", kind: "Secret", namespace: namespace, name: decryptionSecret)
    }

    /// Why it may not be built from its source, in Flux' words.
    private var deniedSource: String? {
        guard flux.keepsToNamespace, let source, source.namespace != owner.namespace else { return nil }
        return "can't access '\(source)', cross-namespace references have been blocked: Flux ran with --no-cross-namespace-refs"
    }

    /// Why nothing is applied: what it asks for cannot be done, is forbidden, or cannot be understood.
    var hindrances: [String] { obstacles + [deniedSource].compactMap { $0 } + invalidExpressions }

    var isImpossible: Bool { !hindrances.isEmpty }

    /// As Flux names it.
    var stallReason: String { !obstacles.isEmpty ? "InvalidSpec" : deniedSource != nil ? "AccessDenied" : "InvalidCELExpression" }

    /// Whether what it applied goes with its Kustomization.
    var deletesOnRemoval: Bool {
        switch deletionPolicy {
        case _ where isSuspended: false
        case .mirrorPrune: prune.isEnabled
        case .delete, .waitForTermination: true
        case .orphan: false
        }
    }

    /// What a build depends on besides the files. Kept several times by each unit, so it is a reference.
    final class BuildKey: Sendable, Equatable {
        private let path: String
        private let overlay: FluxOverlay?
        private let variables: VariablesSpec
        private let isDecrypting: Bool
        private let keySecret: ObjectKey?
        let ignoreRules: [KustomizationSpec.IgnoreRule]

        init(_ spec: UnitSpec) {
            path = spec.path
            overlay = spec.overlay
            variables = spec.variables
            isDecrypting = spec.isDecrypting
            keySecret = spec.keySecret
            ignoreRules = spec.ignoreRules
        }

        static func == (a: BuildKey, b: BuildKey) -> Bool {
            a === b
                || (a.path == b.path && a.overlay == b.overlay && a.variables == b.variables && a.isDecrypting == b.isDecrypting
                    && a.keySecret == b.keySecret && a.ignoreRules == b.ignoreRules)
        }
    }

    var buildKey: BuildKey { BuildKey(self) }
}

/// The variables that are put into a unit's manifests after the build.
package struct VariablesSpec: Hashable, Sendable {
    package var inline: [String: String] = [:]
    package var sources: [KustomizationSpec.VariableSource] = []
    /// Even when there is none.
    package var always = false

    package init() {}

    init(_ spec: KustomizationSpec) {
        inline = spec.variables
        sources = spec.variableSources
        always = spec.alwaysSubstitutes
    }

    var isUsed: Bool { always || !inline.isEmpty || !sources.isEmpty }
}

extension FluxOverlay {
    init(_ spec: KustomizationSpec) {
        self.init()
        targetNamespace = spec.targetNamespace
        namePrefix = spec.namePrefix
        nameSuffix = spec.nameSuffix
        patches = spec.patches.map { item in
            guard let target = item.target else { return Patch(patch: item.patch) }
            return Patch(
                patch: item.patch, hasTarget: true, group: target.group, version: target.version, kind: target.kind, name: target.name,
                namespace: target.namespace, labelSelector: target.labelSelector, annotationSelector: target.annotationSelector)
        }
        components = spec.components
        ignoreMissingComponents = spec.ignoresMissingComponents
        images = spec.images.map { Image(name: $0.name, newName: $0.newName, newTag: $0.newTag, digest: $0.digest) }
        buildMetadata = spec.buildMetadata
        commonMetadataLabels = spec.commonLabels
        commonMetadataAnnotations = spec.commonAnnotations
    }
}
