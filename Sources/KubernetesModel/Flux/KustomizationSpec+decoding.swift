import CEL
import YAML

extension KustomizationSpec {
    /// Reads a Kustomization object. The API server has checked the types; what is missing has Flux' default.
    package init(of object: Manifest) {
        let spec = object.value["spec"] ?? .null
        let reference = spec["sourceRef"] ?? .null
        self.init(
            source: SourceReference(
                kind: reference["kind"]?.string ?? "GitRepository",
                namespace: reference["namespace"]?.string ?? object.namespace, name: reference["name"]?.string ?? ""),
            path: Self.normalised(spec["path"]?.string ?? ""))
        readTimes(spec)
        prune = spec["prune"]?.bool ?? false
        wait = spec["wait"]?.bool ?? false
        force = spec["force"]?.bool ?? false
        isSuspended = spec["suspend"]?.bool ?? false
        deletionPolicy = spec["deletionPolicy"]?.string.flatMap(DeletionPolicy.init(rawValue:)) ?? .mirrorPrune
        readBuild(spec)
        dependsOn = (spec["dependsOn"]?.array ?? []).map {
            Ownership(namespace: $0["namespace"]?.string ?? object.namespace, name: $0["name"]?.string ?? "")
        }
        healthChecks = (spec["healthChecks"]?.array ?? []).map { check in
            let kind = GroupVersionKind(apiVersion: check["apiVersion"]?.string ?? "", kind: check["kind"]?.string ?? "")
            healthCheckKinds.insert(kind)
            return ObjectKey(
                group: kind.group, kind: kind.kind, namespace: check["namespace"]?.string ?? "", name: check["name"]?.string ?? "")
        }
        readHealthExpressions(spec)
        readReadyExpressions(spec, object.namespace)
        readVariables(spec["postBuild"] ?? .null)
        readDecryption(spec["decryption"])
        readIgnoreRules(spec)
        serviceAccount = spec["serviceAccountName"]?.string
        readKubeconfig(spec["kubeConfig"])
        reportsDrift = object.annotation("homelab.dev/drift")?.lowercased() == "report"
        readPruneBudget(object.annotation(Self.pruneBudget) ?? "")
        readLimits(spec)
    }

    /// `./clusters/home/` and `clusters/home` are the same directory.
    package static func normalised(_ path: String) -> String {
        path.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    }

    private mutating func readTimes(_ spec: Value) {
        func duration(_ field: String) -> Duration? {
            guard let text = spec[field]?.string else { return nil }
            let length = Duration(goText: text)
            if length == nil { obstacles.append("spec.\(field) \(text) is no duration; 10m and 1h30m are some") }
            return length
        }
        // The pattern of the definition takes 0s, too.
        interval = max(.seconds(1), duration("interval") ?? interval)
        retryInterval = duration("retryInterval").map { max(.seconds(1), $0) }
        timeout = duration("timeout")
    }

    private mutating func readBuild(_ spec: Value) {
        targetNamespace = spec["targetNamespace"]?.string ?? ""
        namePrefix = spec["namePrefix"]?.string ?? ""
        nameSuffix = spec["nameSuffix"]?.string ?? ""
        patches = (spec["patches"]?.array ?? []).map { item in
            Patch(
                patch: item["patch"]?.string ?? "", target: item["target"].map(Self.target))
        }
        images = (spec["images"]?.array ?? []).map { item in
            func text(_ field: String) -> String { item[field]?.string ?? "" }
            return Image(name: text("name"), newName: text("newName"), newTag: text("newTag"), digest: text("digest"))
        }
        components = (spec["components"]?.array ?? []).compactMap(\.string)
        ignoresMissingComponents = spec["ignoreMissingComponents"]?.bool ?? false
        commonLabels = Self.texts(spec[path: "commonMetadata", "labels"])
        commonAnnotations = Self.texts(spec[path: "commonMetadata", "annotations"])
        buildMetadata = (spec["buildMetadata"]?.array ?? []).compactMap(\.string)
    }

    private static func target(_ value: Value) -> PatchTarget {
        func text(_ field: String) -> String { value[field]?.string ?? "" }
        return PatchTarget(
            group: text("group"), version: text("version"), kind: text("kind"), name: text("name"), namespace: text("namespace"),
            labelSelector: text("labelSelector"), annotationSelector: text("annotationSelector"))
    }

    private mutating func readIgnoreRules(_ spec: Value) {
        ignoreRules = (spec["ignore"]?.array ?? []).map { rule in
            IgnoreRule(paths: (rule["paths"]?.array ?? []).compactMap(\.string), target: rule["target"].map(Self.target))
        }
        let forbidden = ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace"]
        for path in ignoreRules.flatMap(\.paths) where !path.hasPrefix("/") || path == "/" || forbidden.contains(path) {
            obstacles.append("spec.ignore: \(path) is no JSON pointer to a field that can be left alone; /spec/replicas is one")
        }
    }

    private mutating func readPruneBudget(_ text: String) {
        for word in text.split(whereSeparator: { $0 == "," || $0 == " " }) {
            if let count = Int(word), count >= 0 {
                pruneCount = count
            } else if word.hasSuffix("%"), let percent = Int(word.dropLast()), (0...100).contains(percent) {
                prunePercent = percent
            } else {
                warnings.append("\(Self.pruneBudget): \(word) is neither a number of objects nor a percentage such as 80%")
            }
        }
    }

    private mutating func readVariables(_ postBuild: Value) {
        variables = Self.texts(postBuild["substitute"])
        variableSources = (postBuild["substituteFrom"]?.array ?? []).map {
            VariableSource(
                kind: $0["kind"]?.string ?? "", name: $0["name"]?.string ?? "", isOptional: $0["optional"]?.bool ?? false)
        }
        alwaysSubstitutes = postBuild["substituteStrategy"]?.string == "Always"
    }

    private mutating func readDecryption(_ decryption: Value?) {
        guard let decryption else { return }
        isDecrypting = true
        decryptionSecret = decryption[path: "secretRef", "name"]?.string
        let provider = decryption["provider"]?.string ?? ""
        if provider != "sops" { obstacles.append("spec.decryption.provider \(provider) is not known; there is sops") }
    }

    private mutating func readKubeconfig(_ value: Value?) {
        guard let value else { return }
        if value["secretRef"] != nil, value["configMapRef"] != nil {
            obstacles.append("spec.kubeConfig names a Secret and a ConfigMap; it takes one of them, secretRef here")
        } else if let secret = value[path: "secretRef", "name"]?.string, !secret.isEmpty {
            kubeconfig = .secret(secret, key: value[path: "secretRef", "key"]?.string ?? "")
        } else if let name = value[path: "configMapRef", "name"]?.string, !name.isEmpty {
            kubeconfig = .configMap(name)
        } else {
            obstacles.append("spec.kubeConfig names nothing; it takes secretRef: {name: SECRET} or configMapRef: {name: CONFIGMAP}")
        }
    }

    private mutating func readLimits(_ spec: Value) {
        if source.kind != "GitRepository" {
            let instead = FluxKinds.substitute(for: GroupKind(group: FluxKinds.gitRepository.group, kind: source.kind))
            obstacles.append("spec.sourceRef.kind \(source.kind) is not handled yet; there is GitRepository: \(instead)")
        }
    }

    private static func texts(_ value: Value?) -> [String: String] {
        var result: [String: String] = [:]
        for member in value?.object ?? Object() { result[member.key] = member.value.string ?? "" }
        return result
    }
}
