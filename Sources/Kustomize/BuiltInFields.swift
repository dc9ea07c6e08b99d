/// The places where kustomize's transformers work without being told (its "default configuration").
enum BuiltInFields {
    static let namespace = [
        FieldSpec("metadata/name", kind: "Namespace", creates: true),
        FieldSpec("spec/service/namespace", group: "apiregistration.k8s.io", kind: "APIService", creates: true),
        FieldSpec(
            "spec/conversion/webhook/clientConfig/service/namespace", group: "apiextensions.k8s.io", kind: "CustomResourceDefinition"),
    ]

    static let replicas = ["Deployment", "ReplicationController", "ReplicaSet", "StatefulSet"].map {
        FieldSpec("spec/replicas", kind: $0, creates: true)
    }

    static let images = [
        FieldSpec("spec/containers[]/image"), FieldSpec("spec/initContainers[]/image"),
        FieldSpec("spec/template/spec/containers[]/image"), FieldSpec("spec/template/spec/initContainers[]/image"),
        FieldSpec("spec/volumes[]/image/reference"), FieldSpec("spec/template/spec/volumes[]/image/reference"),
    ]

    private static func templates(_ key: String, workloads: [(group: String, kind: String)]) -> [FieldSpec] {
        workloads.map { FieldSpec("spec/template/metadata/\(key)", group: $0.group, kind: $0.kind, creates: true) }
            + ["spec/jobTemplate/metadata/\(key)", "spec/jobTemplate/spec/template/metadata/\(key)"].map {
                FieldSpec($0, group: "batch", kind: "CronJob", creates: true)
            }
    }

    private static func controller(_ key: String) -> FieldSpec {
        FieldSpec("spec/template/metadata/\(key)", version: "v1", kind: "ReplicationController", creates: true)
    }

    static let commonAnnotations =
        [FieldSpec("metadata/annotations", creates: true), controller("annotations")]
        + templates(
            "annotations", workloads: [("", "Deployment"), ("", "ReplicaSet"), ("", "DaemonSet"), ("", "StatefulSet"), ("batch", "Job")])

    private static let claimTemplates = FieldSpec(
        "spec/volumeClaimTemplates[]/metadata/labels", group: "apps", kind: "StatefulSet", creates: true)

    static let templateLabels =
        [FieldSpec("metadata/labels", creates: true), controller("labels")]
        + templates(
            "labels", workloads: [("", "Deployment"), ("", "ReplicaSet"), ("", "DaemonSet"), ("apps", "StatefulSet"), ("batch", "Job")])
        + [claimTemplates]

    static let commonLabels: [FieldSpec] =
        [
            FieldSpec("spec/selector", version: "v1", kind: "Service", creates: true),
            FieldSpec("spec/selector", version: "v1", kind: "ReplicationController", creates: true),
            FieldSpec("spec/selector/matchLabels", kind: "Deployment", creates: true),
            FieldSpec("spec/selector/matchLabels", kind: "ReplicaSet", creates: true),
            FieldSpec("spec/selector/matchLabels", kind: "DaemonSet", creates: true),
            FieldSpec("spec/selector/matchLabels", group: "apps", kind: "StatefulSet", creates: true),
            FieldSpec("spec/selector/matchLabels", group: "batch", kind: "Job"),
            FieldSpec("spec/jobTemplate/spec/selector/matchLabels", group: "batch", kind: "CronJob"),
            FieldSpec("spec/selector/matchLabels", group: "policy", kind: "PodDisruptionBudget"),
            FieldSpec("spec/podSelector/matchLabels", group: "networking.k8s.io", kind: "NetworkPolicy"),
            FieldSpec("spec/ingress/from/podSelector/matchLabels", group: "networking.k8s.io", kind: "NetworkPolicy"),
            FieldSpec("spec/egress/to/podSelector/matchLabels", group: "networking.k8s.io", kind: "NetworkPolicy"),
        ] + affinity(of: "Deployment") + affinity(of: "StatefulSet") + templateLabels

    private static func affinity(of kind: String) -> [FieldSpec] {
        let preferred = "preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels"
        let required = "requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels"
        return [
            "affinity/podAffinity/\(preferred)", "affinity/podAffinity/\(required)", "affinity/podAntiAffinity/\(preferred)",
            "affinity/podAntiAffinity/\(required)", "topologySpreadConstraints/labelSelector/matchLabels",
        ].map { FieldSpec("spec/template/spec/" + $0, group: "apps", kind: kind) }
    }

    // MARK: Name references

    private static let podTemplates: [(path: String, kind: String, version: String)] = [
        ("spec/", "Pod", "v1"), ("template/spec/", "PodTemplate", ""), ("spec/template/spec/", "Deployment", ""),
        ("spec/template/spec/", "ReplicaSet", ""), ("spec/template/spec/", "DaemonSet", ""), ("spec/template/spec/", "StatefulSet", ""),
        ("spec/template/spec/", "Job", ""), ("spec/jobTemplate/spec/template/spec/", "CronJob", ""),
    ]

    private static func inPods(_ paths: [String]) -> [FieldSpec] {
        podTemplates.flatMap { pod in paths.map { FieldSpec(pod.path + $0, version: pod.version, kind: pod.kind) } }
    }

    /// The workloads for which kustomize lists accounts, claims and priorities: not all that have pods.
    private static func inWorkloads(_ path: String) -> [FieldSpec] {
        [FieldSpec("spec/" + path, kind: "Pod")]
            + ["StatefulSet", "Deployment", "ReplicationController", "Job", "DaemonSet"].map {
                FieldSpec("spec/template/spec/" + path, kind: $0)
            } + [FieldSpec("spec/jobTemplate/spec/template/spec/" + path, kind: "CronJob")]
    }

    private static let rbac = "rbac.authorization.k8s.io"
    private static let resourceNames = [
        FieldSpec("rules/resourceNames", kind: "Role"), FieldSpec("rules/resourceNames", kind: "ClusterRole"),
    ]

    static let nameReferences: [NameReference] =
        ["Deployment", "ReplicationController", "ReplicaSet", "StatefulSet"].map {
            NameReference(
                target: TypeSelector(kind: $0), referrers: [FieldSpec("spec/scaleTargetRef/name", kind: "HorizontalPodAutoscaler")])
        } + [
            NameReference(target: TypeSelector(version: "v1", kind: "ConfigMap"), referrers: configMapReferrers),
            NameReference(target: TypeSelector(version: "v1", kind: "Secret"), referrers: secretReferrers),
            NameReference(target: TypeSelector(version: "v1", kind: "Service"), referrers: serviceReferrers),
            NameReference(
                target: TypeSelector(group: rbac, kind: "Role"), referrers: [FieldSpec("roleRef/name", group: rbac, kind: "RoleBinding")]),
            NameReference(
                target: TypeSelector(group: rbac, kind: "ClusterRole"),
                referrers: [
                    FieldSpec("roleRef/name", group: rbac, kind: "RoleBinding"),
                    FieldSpec("roleRef/name", group: rbac, kind: "ClusterRoleBinding"),
                ]),
            NameReference(
                target: TypeSelector(version: "v1", kind: "ServiceAccount"),
                referrers: [
                    FieldSpec("subjects", group: rbac, kind: "RoleBinding"), FieldSpec("subjects", group: rbac, kind: "ClusterRoleBinding"),
                ] + inWorkloads("serviceAccountName")),
            NameReference(
                target: TypeSelector(version: "v1", kind: "PersistentVolumeClaim"),
                referrers: inWorkloads("volumes/persistentVolumeClaim/claimName")),
            NameReference(
                target: TypeSelector(version: "v1", kind: "PersistentVolume"),
                referrers: [
                    FieldSpec("spec/volumeName", kind: "PersistentVolumeClaim"), FieldSpec("rules/resourceNames", kind: "ClusterRole"),
                ]),
            NameReference(
                target: TypeSelector(group: "storage.k8s.io", version: "v1", kind: "StorageClass"),
                referrers: [
                    FieldSpec("spec/storageClassName", kind: "PersistentVolume"),
                    FieldSpec("spec/storageClassName", kind: "PersistentVolumeClaim"),
                    FieldSpec("spec/volumeClaimTemplates/spec/storageClassName", kind: "StatefulSet"),
                ]),
            NameReference(
                target: TypeSelector(group: "scheduling.k8s.io", version: "v1", kind: "PriorityClass"),
                referrers: inWorkloads("priorityClassName")),
            NameReference(
                // As kustomize has it, whereby no class is ever one: Ingresses keep the name they give.
                target: TypeSelector(group: "networking.k8s.io/v1", version: "v1", kind: "IngressClass"),
                referrers: [FieldSpec("spec/ingressClassName", kind: "Ingress")]),
            NameReference(
                target: TypeSelector(group: "admissionregistration.k8s.io", kind: "ValidatingAdmissionPolicy"),
                referrers: [FieldSpec("spec/policyName", group: "admissionregistration.k8s.io", kind: "ValidatingAdmissionPolicyBinding")]),
        ]

    private static let configMapReferrers =
        inPods([
            "volumes/configMap/name", "containers/env/valueFrom/configMapKeyRef/name", "initContainers/env/valueFrom/configMapKeyRef/name",
            "containers/envFrom/configMapRef/name", "initContainers/envFrom/configMapRef/name", "volumes/projected/sources/configMap/name",
        ]) + [
            FieldSpec("spec/configSource/configMap", kind: "Node"),
            FieldSpec("metadata/annotations/nginx.ingress.kubernetes.io\\/fastcgi-params-configmap", kind: "Ingress"),
        ] + resourceNames

    private static let secretReferrers =
        inPods([
            "volumes/secret/secretName", "containers/env/valueFrom/secretKeyRef/name", "initContainers/env/valueFrom/secretKeyRef/name",
            "containers/envFrom/secretRef/name", "initContainers/envFrom/secretRef/name", "imagePullSecrets/name",
            "volumes/projected/sources/secret/name",
        ])
        + [
            "spec/tls/secretName", "metadata/annotations/ingress.kubernetes.io\\/auth-secret",
            "metadata/annotations/nginx.ingress.kubernetes.io\\/auth-secret",
            "metadata/annotations/nginx.ingress.kubernetes.io\\/auth-tls-secret",
        ].map { FieldSpec($0, kind: "Ingress") }
        + ["secretName", "adminSecretName", "userSecretName", "secretRef"].map { FieldSpec("parameters/" + $0, kind: "StorageClass") }
        + [
            FieldSpec("imagePullSecrets/name", kind: "ServiceAccount"), FieldSpec("spec/azureFile/secretName", kind: "PersistentVolume"),
            FieldSpec(
                "spec/template/spec/containers/env/valueFrom/secretKeyRef/name", group: "serving.knative.dev", version: "v1",
                kind: "Service"),
        ] + resourceNames

    private static let serviceReferrers =
        [FieldSpec("spec/serviceName", group: "apps", kind: "StatefulSet")]
        + [
            "spec/rules/http/paths/backend/serviceName", "spec/backend/serviceName", "spec/rules/http/paths/backend/service/name",
            "spec/defaultBackend/service/name",
        ].map { FieldSpec($0, kind: "Ingress") }
        + [FieldSpec("spec/service/name", group: "apiregistration.k8s.io", kind: "APIService")]
        + ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"].map {
            FieldSpec("webhooks/clientConfig/service", group: "admissionregistration.k8s.io", kind: $0)
        }

    // MARK: Variables

    static let variableReferences: [FieldSpec] =
        [
            ("spec/", "Pod"), ("spec/template/spec/", "Deployment"), ("spec/template/spec/", "ReplicaSet"),
            ("spec/template/spec/", "DaemonSet"), ("spec/template/spec/", "StatefulSet"), ("spec/template/spec/", "Job"),
            ("spec/jobTemplate/spec/template/spec/", "CronJob"),
        ].flatMap { path, kind in
            ["containers", "initContainers"].flatMap { list in
                ["args", "command", "env/value", "volumeMounts/mountPath"].map { FieldSpec("\(path)\(list)/\($0)", kind: kind) }
            }
        }
        + ["DaemonSet", "Deployment", "Job", "ReplicaSet"].map { FieldSpec("spec/template/spec/volumes/nfs/server", kind: $0) }
        + [
            FieldSpec("spec/jobTemplate/spec/template/volumes/nfs/server", kind: "CronJob"),
            FieldSpec("spec/volumes/nfs/server", kind: "Pod"),
            FieldSpec("spec/volumeClaimTemplates/spec/nfs/server", kind: "StatefulSet"),
            FieldSpec("spec/nfs/server", kind: "PersistentVolume"),
            FieldSpec("spec/template/metadata/annotations", kind: "Deployment"), FieldSpec("spec/rules/host", kind: "Ingress"),
            FieldSpec("spec/tls/hosts", kind: "Ingress"), FieldSpec("spec/tls/secretName", kind: "Ingress"),
            FieldSpec("spec/ports/port", kind: "Service"), FieldSpec("spec/ports/targetPort", kind: "Service"),
            FieldSpec("metadata/labels"), FieldSpec("metadata/annotations"),
        ]
}
