import KubernetesModel
import SyncPlanning
import YAML

/// Takes Flux itself out of a repository that Flux was bootstrapped from: this agent does its work. Its namespace, its definitions, its
/// ServiceAccounts and their rights stay: the other objects need them, and units may be applied with these rights.
struct FluxComponents {
    /// On a GitRepository: it means the repository that the agent follows, whatever its URL.
    static let agentSource = "homelab.dev/source"

    private(set) var manifests: [Manifest] = []
    /// The Kustomization for the very directory it lies in, which Flux' bootstrap wrote: it is the agent's own unit.
    private(set) var own: Manifest?
    private(set) var leftOut: [PlannedException] = []
    /// How Flux was told to run, as far as that is heeded.
    private(set) var settings = FluxSettings()
    /// How Flux was told to run, as far as a unit would notice and nobody here heeds it.
    private(set) var lostFlags: [FluxFlag] = []
    /// The GitRepository that stands for the repository which the agent follows.
    private(set) var repository: GitRepositorySpec?
    /// That GitRepository, where it says who has to sign.
    var signing: ObjectKey? {
        guard let repository, repository.verification != nil else { return nil }
        let kind = FluxKinds.gitRepository
        return ObjectKey(group: kind.group, kind: kind.kind, namespace: repository.namespace, name: repository.name)
    }
    /// Objects as they were written, in versions of Flux' API before the served one.
    private(set) var old: [Manifest] = []

    /// Of the agent's own unit.
    /// - Parameter path: its directory.
    init(_ all: [Manifest], path: String) {
        let own = all.first { $0.key.unit != nil && KustomizationSpec(of: $0).path == path && !path.isEmpty }
        self.own = own.map(FluxKinds.served)
        take(all, without: own?.key, source: own.map { KustomizationSpec(of: $0).source })
    }

    /// Of any other unit: nothing of it stands for the agent's own. A Kustomization that would only apply the same objects once more is
    /// left out: Flux' bootstrap writes one into each repository.
    /// - Parameter repository: what the unit is built from; nil where that is not known.
    init(_ all: [Manifest], of unit: UnitSpec, from repository: FollowedRepository?) {
        let copy = all.first { manifest in
            guard manifest.key.unit != nil else { return false }
            let spec = KustomizationSpec(of: manifest)
            guard spec.path == unit.path else { return false }
            if spec.source == unit.source { return true }
            // By another name it may be the same repository.
            let named = all.first { Self.isRepository($0, spec.source) }.map { FollowedRepository(GitRepositorySpec(of: $0)) }
            return named != nil && named == repository
        }
        take(all, without: copy?.key, source: nil)
    }

    private static func isRepository(_ manifest: Manifest, _ source: KustomizationSpec.SourceReference) -> Bool {
        manifest.groupVersionKind.groupKind == FluxKinds.gitRepository.groupKind && manifest.name == source.name
            && manifest.namespace == source.namespace
    }

    /// - Parameters:
    ///   - excess: a Kustomization that is left out.
    ///   - source: the repository that the agent follows, as it is called among the objects.
    private mutating func take(_ all: [Manifest], without excess: ObjectKey?, source: KustomizationSpec.SourceReference?) {
        old = all.filter(FluxKinds.isOld)
        for manifest in all.map(FluxKinds.served) {
            if manifest.key == excess {
                leave(manifest)
            } else if let source, Self.isRepository(manifest, source) {
                var marked = manifest
                var annotations = manifest.value[path: "metadata", "annotations"] ?? .null
                annotations[Self.agentSource] = "agent"
                marked.value["metadata"]?["annotations"] = annotations
                repository = GitRepositorySpec(of: manifest)
                manifests.append(marked)
            } else if manifest.label("app.kubernetes.io/part-of") == "flux",
                Self.isComponent(manifest) || FluxKinds.isOutdated(definition: manifest)
            {
                settings.take(manifest)
                lostFlags += FluxFlag.flags(of: manifest)
                leave(manifest)
            } else {
                manifests.append(manifest)
            }
        }
    }

    private static let controllers = [
        "source-controller", "kustomize-controller", "helm-controller", "notification-controller", "image-reflector-controller",
        "image-automation-controller", "source-watcher",
    ]

    /// Whether it is one of the objects that `flux install` makes to run Flux' controllers, by kind and name: people give the label to what
    /// is their own, too.
    private static func isComponent(_ manifest: Manifest) -> Bool {
        func isNamed(_ names: [String]) -> Bool {
            // A shard's controller has its name behind it, and a quota that of its namespace.
            names.contains { manifest.name == $0 || manifest.name.hasPrefix($0 + "-") }
        }
        switch (manifest.key.group, manifest.kind) {
        case ("apps", "Deployment"), ("", "Service"): return isNamed(controllers + ["webhook-receiver"])
        case ("networking.k8s.io", "NetworkPolicy"): return isNamed(["allow-egress", "allow-scraping", "allow-webhooks"])
        case ("", "ResourceQuota"): return isNamed(["critical-pods"])
        default: return false
        }
    }

    private mutating func leave(_ manifest: Manifest) {
        leftOut.append(PlannedException(manifest.key, .fluxItself, origin: manifest.origin))
    }
}

/// A repository and what is followed of it, by whatever name.
struct FollowedRepository: Hashable {
    /// Without a login.
    private let url: String
    private let reference: String

    init(url: String, reference: String) {
        self.url = RepositoryURL(url).plain
        self.reference = reference
    }

    init(_ spec: GitRepositorySpec) { self.init(url: spec.url, reference: spec.referenceName) }

    init(_ source: GitSource) { self.init(url: source.repository.url, reference: source.reference) }
}
