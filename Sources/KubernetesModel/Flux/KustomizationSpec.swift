package import CEL

/// What a Flux Kustomization asks for: every field of its spec that the agent heeds.
package struct KustomizationSpec: Hashable, Sendable {
    package enum DeletionPolicy: String, Hashable, Sendable {
        case mirrorPrune = "MirrorPrune"
        case delete = "Delete"
        case waitForTermination = "WaitForTermination"
        case orphan = "Orphan"
    }

    package struct SourceReference: Hashable, Sendable, CustomStringConvertible {
        package var kind: String
        package var namespace: String
        package var name: String

        package init(kind: String = "GitRepository", namespace: String, name: String) {
            self.kind = kind
            self.namespace = namespace
            self.name = name
        }

        package var description: String { "\(kind)/\(namespace)/\(name)" }
    }

    package struct Patch: Hashable, Sendable {
        package var patch = ""
        /// nil where no target is given.
        package var target: PatchTarget?
    }

    package struct PatchTarget: Hashable, Sendable {
        package var group = "", version = "", kind = "", name = "", namespace = "", labelSelector = "", annotationSelector = ""
    }

    package struct Image: Hashable, Sendable {
        package var name = "", newName = "", newTag = "", digest = ""
    }

    /// A ConfigMap or Secret whose data are variables.
    package struct VariableSource: Hashable, Sendable {
        package var kind: String
        package var name: String
        package var isOptional: Bool

        package init(kind: String, name: String, isOptional: Bool = false) {
            self.kind = kind
            self.name = name
            self.isOptional = isOptional
        }
    }

    /// What in the Kustomization's namespace leads to another cluster.
    package enum KubeconfigReference: Hashable, Sendable {
        /// A Secret with a kubeconfig; `key` of its data is empty for `value`, or `value.yaml` without that.
        case secret(String, key: String)
        /// A ConfigMap with an address, and who is known there.
        case configMap(String)
    }

    /// Fields of some objects that are left as they are in the cluster.
    package struct IgnoreRule: Hashable, Sendable {
        /// JSON pointers (RFC 6901).
        package var paths: [String]
        /// nil for all objects.
        package var target: PatchTarget?
    }

    package var source: SourceReference
    /// Without `./` and a trailing slash; empty for the root of the repository.
    package var path = ""
    package var interval: Duration = .seconds(600)
    package var retryInterval: Duration?
    package var timeout: Duration?
    package var prune = false
    package var wait = false
    package var force = false
    package var isSuspended = false
    package var deletionPolicy = DeletionPolicy.mirrorPrune
    package var targetNamespace = ""
    package var namePrefix = ""
    package var nameSuffix = ""
    package var patches: [Patch] = []
    package var images: [Image] = []
    package var components: [String] = []
    package var ignoresMissingComponents = false
    package var commonLabels: [String: String] = [:]
    package var commonAnnotations: [String: String] = [:]
    package var buildMetadata: [String] = []
    package var dependsOn: [Ownership] = []
    /// What decides instead of the Ready condition whether a dependency is ready, with `self` and `dep` as variables.
    package var readyExpressions: [Ownership: CELExpression] = [:]
    package var healthChecks: [ObjectKey] = []
    /// The kinds of the health checks, with their versions.
    package var healthCheckKinds: Set<GroupVersionKind> = []
    /// Judge the health of a kind instead of the built-in rules.
    package var healthExpressions = HealthRules()
    package var variables: [String: String] = [:]
    package var variableSources: [VariableSource] = []
    package var alwaysSubstitutes = false
    package var ignoreRules: [IgnoreRule] = []
    /// With whose rights the objects are applied and deleted: a ServiceAccount in the Kustomization's namespace; nil for the agent's own.
    package var serviceAccount: String?
    /// The cluster that the objects are applied to; nil for the agent's own. A ServiceAccount is one of that cluster.
    package var kubeconfig: KubeconfigReference?
    /// Changes made in the cluster are told, and not undone: the annotation `homelab.dev/drift: report`.
    package var reportsDrift = false
    package static let pruneBudget = "homelab.dev/prune-budget"
    /// How many objects, and how many of a hundred, a commit may delete unconfirmed, whichever is more: `homelab.dev/prune-budget: 40, 80%`.
    package var pruneCount: Int?
    package var prunePercent: Int?
    /// The Secret in the Kustomization's namespace that holds the keys.
    package var decryptionSecret: String?
    package var isDecrypting = false
    /// What is asked for and cannot be done: applying would not be what its author means.
    package var obstacles: [String] = []
    /// Expressions that cannot be read, with their fields: nothing is applied before they are mended.
    package var invalidExpressions: [String] = []
    /// What is asked for and is left out, harmlessly.
    package var warnings: [String] = []

    package init(source: SourceReference, path: String) {
        self.source = source
        self.path = path
    }

    /// The time the objects have to become healthy; Flux' default follows from the interval, less half a minute.
    package var healthTimeout: Duration { timeout ?? max(interval - .seconds(30), .seconds(30)) }
}
