/// What a type's schema says of its lists: which are merged element by element in a strategic merge, and by which keys.
/// Everything else a schema says makes no difference to a merge.
final class MergeSchema: Sendable {
    /// The keys of a list that is merged, none for a list of plain values; nil for a list that is replaced, and for no list.
    let mergeKeys: [String]?
    let fields: [String: MergeSchema]
    let element: MergeSchema?

    init(fields: [String: MergeSchema] = [:]) {
        self.fields = fields
        mergeKeys = nil
        element = nil
    }

    init(listMergedBy keys: [String]?, of element: MergeSchema? = nil) {
        fields = [:]
        mergeKeys = keys
        self.element = element
    }

    private init(mergeKeys: [String]?, fields: [String: MergeSchema], element: MergeSchema?) {
        self.mergeKeys = mergeKeys
        self.fields = fields
        self.element = element
    }

    /// This schema where the other says nothing.
    func overlaid(by other: MergeSchema) -> MergeSchema {
        MergeSchema(
            mergeKeys: other.mergeKeys ?? mergeKeys, fields: fields.merging(other.fields) { $0.overlaid(by: $1) },
            element: other.element.map { element?.overlaid(by: $0) ?? $0 } ?? element)
    }

    func with(_ more: [String: MergeSchema]) -> MergeSchema { MergeSchema(fields: fields.merging(more) { $1 }) }
}

/// The lists of Kubernetes 1.21's types, the schema built into every kustomize 5.
extension MergeSchema {
    static func builtIn(apiVersion: String, kind: String) -> MergeSchema? {
        guard let kinds = KindTable.builtInKinds[apiVersion], kinds.contains(kind) else { return nil }
        return specific(apiVersion: apiVersion, kind: kind) ?? plainObject
    }

    private static func specific(apiVersion: String, kind: String) -> MergeSchema? {
        switch (apiVersion, kind) {
        case (_, "MutatingWebhookConfiguration"), (_, "ValidatingWebhookConfiguration"): plainObject.with(["webhooks": byName()])
        case (_, "APIService"), ("v1", "Namespace"), ("v1", "PersistentVolumeClaim"), (_, "PodDisruptionBudget"): withConditions
        case ("apps/v1", "DaemonSet"), ("apps/v1", "Deployment"), ("apps/v1", "ReplicaSet"), ("batch/v1", "Job"),
            ("v1", "ReplicationController"):
            withConditions.with(["spec": object(["template": podTemplate])])
        case ("apps/v1", "StatefulSet"):
            withConditions.with(["spec": object(["template": podTemplate, "volumeClaimTemplates": replaced(of: withConditions)])])
        case (_, "CronJob"):
            plainObject.with(["spec": object(["jobTemplate": plainObject.with(["spec": object(["template": podTemplate])])])])
        case ("v1", "Pod"): plainObject.with(["spec": podSpec, "status": object(["conditions": byType, "podIPs": merged(by: "ip")])])
        case ("v1", "PodTemplate"): plainObject.with(["template": podTemplate])
        case ("v1", "Service"): withConditions.with(["spec": object(["ports": merged(by: "port", "protocol")])])
        case ("v1", "ServiceAccount"): plainObject.with(["secrets": byName()])
        case ("v1", "ComponentStatus"): plainObject.with(["conditions": byType])
        case ("v1", "Node"):
            plainObject.with(["spec": object(["podCIDRs": values]), "status": object(["addresses": byType, "conditions": byType])])
        case (_, "CSINode"): plainObject.with(["spec": object(["drivers": byName()])])
        default: nil
        }
    }

    /// A type by its name in Kubernetes' OpenAPI documents, as far as it holds lists that are merged.
    static func builtIn(definition: String) -> MergeSchema? {
        switch definition {
        case "io.k8s.api.core.v1.PodTemplateSpec": podTemplate
        case "io.k8s.api.core.v1.PodSpec": podSpec
        case "io.k8s.api.core.v1.Container": container
        case "io.k8s.api.core.v1.EphemeralContainer": ephemeralContainer
        case "io.k8s.api.core.v1.PersistentVolumeClaim": withConditions
        case "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": plainObject.fields["metadata"]
        default: nil
        }
    }

    private static func object(_ fields: [String: MergeSchema]) -> MergeSchema { MergeSchema(fields: fields) }
    private static func merged(by keys: String..., of element: MergeSchema? = nil) -> MergeSchema {
        MergeSchema(listMergedBy: keys, of: element)
    }
    private static func replaced(of element: MergeSchema) -> MergeSchema { MergeSchema(listMergedBy: nil, of: element) }
    private static func byName(of element: MergeSchema? = nil) -> MergeSchema { MergeSchema(listMergedBy: ["name"], of: element) }

    private static let byType = merged(by: "type")
    private static let values = MergeSchema(listMergedBy: [])
    private static let plainObject = object(["metadata": object(["finalizers": values, "ownerReferences": merged(by: "uid")])])
    private static let withConditions = plainObject.with(["status": object(["conditions": byType])])
    private static let podTemplate = plainObject.with(["spec": podSpec])

    private static let container = object([
        "env": byName(), "ports": merged(by: "containerPort", "protocol"), "volumeDevices": merged(by: "devicePath"),
        "volumeMounts": merged(by: "mountPath"),
    ])

    private static let ephemeralContainer = object([
        "env": byName(), "volumeDevices": merged(by: "devicePath"), "volumeMounts": merged(by: "mountPath"),
    ])

    private static let podSpec = object([
        "containers": byName(of: container),
        "initContainers": byName(of: container),
        "ephemeralContainers": byName(of: ephemeralContainer),
        "hostAliases": merged(by: "ip"),
        "imagePullSecrets": byName(),
        "topologySpreadConstraints": merged(by: "topologyKey", "whenUnsatisfiable"),
        "volumes": byName(of: object(["ephemeral": object(["volumeClaimTemplate": plainObject])])),
    ])
}
