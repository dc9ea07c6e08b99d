import YAML

/// How an object does, in the words of kstatus.
package enum HealthStatus: String, Hashable, Sendable, CaseIterable {
    case current = "Current"
    case inProgress = "InProgress"
    case failed = "Failed"
    case terminating = "Terminating"
    case notFound = "NotFound"
    case unknown = "Unknown"
}

/// A status and the sentence that explains it; the message is empty where there is nothing to add.
package struct Health: Hashable, Sendable, CustomStringConvertible {
    package var status: HealthStatus
    package var message: String

    package init(_ status: HealthStatus, _ message: String = "") {
        self.status = status
        self.message = message
    }

    package static func current(_ message: String = "") -> Health { Health(.current, message) }
    package static func inProgress(_ message: String) -> Health { Health(.inProgress, message) }
    package static func failed(_ message: String) -> Health { Health(.failed, message) }

    package var isCurrent: Bool { status == .current }

    package var description: String { message.isEmpty ? status.rawValue : "\(status.rawValue): \(message)" }
}

/// What an object's health depends on besides the object itself. What is not known is left at its default.
package struct HealthContext: Hashable, Sendable {
    /// Without it nothing is judged by its age.
    package var now: Timestamp?
    /// The StorageClasses whose volumes wait for their first pod (`volumeBindingMode: WaitForFirstConsumer`).
    package var classesWaitingForConsumer: Set<String>
    package var defaultStorageClass: String?
    /// Whether something in the cluster gives Services of type LoadBalancer an address; if so, they are waited for.
    package var servesLoadBalancers: Bool

    package init(
        now: Timestamp? = nil, classesWaitingForConsumer: Set<String> = [], defaultStorageClass: String? = nil,
        servesLoadBalancers: Bool = false
    ) {
        self.now = now
        self.classesWaitingForConsumer = classesWaitingForConsumer
        self.defaultStorageClass = defaultStorageClass
        self.servesLoadBalancers = servesLoadBalancers
    }

    /// An address that a Service of type LoadBalancer has got tells that somebody gives them.
    package mutating func take(service: Manifest) {
        guard service.value[path: "spec", "type"]?.string == "LoadBalancer",
            service.value[path: "status", "loadBalancer", "ingress"]?.array?.isEmpty == false
        else { return }
        servesLoadBalancers = true
    }

    /// What the cluster's StorageClass objects say.
    package mutating func take(storageClasses: [Manifest]) {
        classesWaitingForConsumer = Set(
            storageClasses.filter { $0.value["volumeBindingMode"]?.string == "WaitForFirstConsumer" }.map(\.name))
        defaultStorageClass = storageClasses.first { $0.annotation("storageclass.kubernetes.io/is-default-class") == "true" }?.name
    }
}

/// The health of an object as it is in the cluster: kstatus' generic rules, then the kind's own, then its `Ready` condition;
/// an object that says nothing of itself is current.
///
/// Source of the rules: fluxcd/cli-utils `pkg/kstatus/status`; where ours differ, the kind's file says why.
package func health(of manifest: Manifest, in context: HealthContext = HealthContext()) -> Health {
    if let settled = genericHealth(of: manifest) { return settled }
    if let rule = healthRules[manifest.key.groupKind] { return rule(manifest, context) }
    return readyConditionHealth(of: manifest)
}

/// A kind's own rule.
typealias HealthRule = @Sendable (Manifest, HealthContext) -> Health

private let healthRules: [GroupKind: HealthRule] = [
    GroupKind(group: "apps", kind: "Deployment"): deploymentHealth,
    GroupKind(group: "apps", kind: "StatefulSet"): statefulSetHealth,
    GroupKind(group: "apps", kind: "DaemonSet"): daemonSetHealth,
    GroupKind(group: "apps", kind: "ReplicaSet"): replicaSetHealth,
    GroupKind(group: "batch", kind: "Job"): jobHealth,
    GroupKind(group: "batch", kind: "CronJob"): cronJobHealth,
    GroupKind(group: "", kind: "PersistentVolumeClaim"): persistentVolumeClaimHealth,
    GroupKind(group: "", kind: "PersistentVolume"): persistentVolumeHealth,
    GroupKind(group: "", kind: "Service"): serviceHealth,
    GroupKind(group: "networking.k8s.io", kind: "Ingress"): ingressHealth,
    GroupKind(group: "", kind: "Pod"): podHealth,
    GroupKind(group: "", kind: "Namespace"): namespaceHealth,
    GroupKind(group: "", kind: "Node"): nodeHealth,
    GroupKind(group: "apiextensions.k8s.io", kind: "CustomResourceDefinition"): customResourceDefinitionHealth,
    GroupKind(group: "autoscaling", kind: "HorizontalPodAutoscaler"): horizontalPodAutoscalerHealth,
    GroupKind(group: "apiregistration.k8s.io", kind: "APIService"): apiServiceHealth,
    GroupKind(group: "policy", kind: "PodDisruptionBudget"): podDisruptionBudgetHealth,
    GroupKind(group: "kustomize.toolkit.fluxcd.io", kind: "Kustomization"): fluxHealth,
    GroupKind(group: "helm.toolkit.fluxcd.io", kind: "HelmRelease"): fluxHealth,
    GroupKind(group: "source.toolkit.fluxcd.io", kind: "GitRepository"): fluxHealth,
    GroupKind(group: "source.toolkit.fluxcd.io", kind: "OCIRepository"): fluxHealth,
    GroupKind(group: "source.toolkit.fluxcd.io", kind: "HelmRepository"): fluxHealth,
    GroupKind(group: "source.toolkit.fluxcd.io", kind: "HelmChart"): fluxHealth,
    GroupKind(group: "source.toolkit.fluxcd.io", kind: "Bucket"): fluxHealth,
    GroupKind(group: "source.toolkit.fluxcd.io", kind: "ExternalArtifact"): fluxHealth,
    GroupKind(group: "image.toolkit.fluxcd.io", kind: "ImageRepository"): fluxHealth,
    GroupKind(group: "image.toolkit.fluxcd.io", kind: "ImagePolicy"): fluxHealth,
    GroupKind(group: "image.toolkit.fluxcd.io", kind: "ImageUpdateAutomation"): fluxHealth,
    GroupKind(group: "notification.toolkit.fluxcd.io", kind: "Receiver"): fluxHealth,
]
