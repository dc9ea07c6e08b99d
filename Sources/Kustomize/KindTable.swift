import KubernetesModel
import YAML

/// What a build knows of kinds: which are cluster-scoped, and how the lists of each merge. The built-in knowledge is that of
/// Kubernetes 1.21, as in every kustomize 5; an `openapi` file can replace it.
final class KindTable {
    /// Kinds by API version.
    static let builtInKinds: [String: Set<String>] = [
        "admissionregistration.k8s.io/v1": ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"],
        "admissionregistration.k8s.io/v1beta1": ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"],
        "apiextensions.k8s.io/v1": ["CustomResourceDefinition"],
        "apiextensions.k8s.io/v1beta1": ["CustomResourceDefinition"],
        "apiregistration.k8s.io/v1": ["APIService"],
        "apiregistration.k8s.io/v1beta1": ["APIService"],
        "apps/v1": ["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"],
        "authentication.k8s.io/v1": ["TokenRequest", "TokenReview"],
        "authentication.k8s.io/v1beta1": ["TokenReview"],
        "authorization.k8s.io/v1": [
            "LocalSubjectAccessReview", "SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview",
        ],
        "authorization.k8s.io/v1beta1": [
            "LocalSubjectAccessReview", "SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview",
        ],
        "autoscaling/v1": ["HorizontalPodAutoscaler", "Scale"],
        "autoscaling/v2beta1": ["HorizontalPodAutoscaler"],
        "autoscaling/v2beta2": ["HorizontalPodAutoscaler"],
        "batch/v1": ["CronJob", "Job"],
        "batch/v1beta1": ["CronJob"],
        "certificates.k8s.io/v1": ["CertificateSigningRequest"],
        "certificates.k8s.io/v1beta1": ["CertificateSigningRequest"],
        "coordination.k8s.io/v1": ["Lease"],
        "coordination.k8s.io/v1beta1": ["Lease"],
        "discovery.k8s.io/v1": ["EndpointSlice"],
        "discovery.k8s.io/v1beta1": ["EndpointSlice"],
        "events.k8s.io/v1": ["Event"],
        "events.k8s.io/v1beta1": ["Event"],
        "extensions/v1beta1": ["Ingress"],
        "flowcontrol.apiserver.k8s.io/v1beta1": ["FlowSchema", "PriorityLevelConfiguration"],
        "networking.k8s.io/v1": ["Ingress", "IngressClass", "NetworkPolicy"],
        "networking.k8s.io/v1beta1": ["Ingress", "IngressClass"],
        "node.k8s.io/v1": ["RuntimeClass"],
        "node.k8s.io/v1beta1": ["RuntimeClass"],
        "policy/v1": ["PodDisruptionBudget"],
        "policy/v1beta1": ["Eviction", "PodDisruptionBudget", "PodSecurityPolicy"],
        "rbac.authorization.k8s.io/v1": ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"],
        "rbac.authorization.k8s.io/v1beta1": ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"],
        "scheduling.k8s.io/v1": ["PriorityClass"],
        "scheduling.k8s.io/v1beta1": ["PriorityClass"],
        "storage.k8s.io/v1": ["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"],
        "storage.k8s.io/v1beta1": ["CSIDriver", "CSINode", "CSIStorageCapacity", "StorageClass", "VolumeAttachment"],
        "v1": [
            "Binding", "ComponentStatus", "ConfigMap", "Endpoints", "Event", "LimitRange", "Namespace", "Node", "PersistentVolume",
            "PersistentVolumeClaim", "Pod", "PodTemplate", "ReplicationController", "ResourceQuota", "Secret", "Service", "ServiceAccount",
            "Status",
        ],
    ]

    /// The cluster-scoped ones among them; the others of known scope belong to a namespace.
    private static let clusterScoped: [String: Set<String>] = [
        "admissionregistration.k8s.io/v1": ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"],
        "admissionregistration.k8s.io/v1beta1": ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"],
        "apiextensions.k8s.io/v1": ["CustomResourceDefinition"],
        "apiextensions.k8s.io/v1beta1": ["CustomResourceDefinition"],
        "apiregistration.k8s.io/v1": ["APIService"],
        "apiregistration.k8s.io/v1beta1": ["APIService"],
        "certificates.k8s.io/v1": ["CertificateSigningRequest"],
        "certificates.k8s.io/v1beta1": ["CertificateSigningRequest"],
        "flowcontrol.apiserver.k8s.io/v1beta1": ["FlowSchema", "PriorityLevelConfiguration"],
        "networking.k8s.io/v1": ["IngressClass"],
        "networking.k8s.io/v1beta1": ["IngressClass"],
        "node.k8s.io/v1": ["RuntimeClass"],
        "node.k8s.io/v1beta1": ["RuntimeClass"],
        "policy/v1beta1": ["PodSecurityPolicy"],
        "rbac.authorization.k8s.io/v1": ["ClusterRole", "ClusterRoleBinding"],
        "rbac.authorization.k8s.io/v1beta1": ["ClusterRole", "ClusterRoleBinding"],
        "scheduling.k8s.io/v1": ["PriorityClass"],
        "scheduling.k8s.io/v1beta1": ["PriorityClass"],
        "storage.k8s.io/v1": ["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"],
        "storage.k8s.io/v1beta1": ["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"],
        "v1": ["ComponentStatus", "Namespace", "Node", "PersistentVolume"],
    ]

    private var scopes: [GroupVersionKind: Bool] = [:]
    /// The schemas of an `openapi` file.
    private var custom: [GroupVersionKind: MergeSchema]?
    private var builtIn: [GroupVersionKind: MergeSchema?] = [:]
    /// Whether kustomize would have loaded the built-in schemas by now: it does when it meets a kind it does not know by heart.
    /// From then on an `openapi` file adds to them; before, it takes their place.
    private var isBuiltInLoaded = false
    private var keepsBuiltIn = false

    init() {
        for (apiVersion, kinds) in Self.clusterScoped {
            for kind in kinds { scopes[GroupVersionKind(apiVersion: apiVersion, kind: kind)] = true }
        }
    }

    /// Kinds that nothing is known of count as namespaced.
    func isClusterScoped(_ type: GroupVersionKind) -> Bool {
        if let known = scopes[type] { return known }
        if !isBuiltInLoaded, Self.builtInKinds[type.apiVersion]?.contains(type.kind) != true { isBuiltInLoaded = true }
        return false
    }

    /// How lists of a type merge; nil for a type without schema, all of whose lists are replaced.
    func schema(_ type: GroupVersionKind) -> MergeSchema? {
        if let custom, !keepsBuiltIn || custom[type] != nil { return custom[type] }
        isBuiltInLoaded = true
        if let known = builtIn[type] { return known }
        let schema = MergeSchema.builtIn(apiVersion: type.apiVersion, kind: type.kind)
        builtIn[type] = .some(schema)
        return schema
    }

    /// Uses an OpenAPI document: its schemas instead of the built-in ones or besides them, its scopes besides them.
    func use(_ document: Value) {
        keepsBuiltIn = isBuiltInLoaded
        let document = OpenAPIDocument(document, keepsBuiltIn: keepsBuiltIn)
        custom = document.schemas
        for (type, isClusterScoped) in document.clusterScoped where scopes[type] == nil { scopes[type] = isClusterScoped }
    }
}
