package import CEL
import YAML

/// What a Flux Receiver asks for: a webhook that has some objects looked at.
package struct ReceiverSpec: Hashable, Sendable {
    /// Who sends, which decides how the message proves itself.
    package enum Sender: String, Hashable, Sendable {
        /// By knowing the path alone.
        case generic
        case genericHMAC = "generic-hmac"
        /// Gitea and Forgejo too.
        case github
        case gitlab
        case bitbucket
        /// A registry that sends the token.
        case harbor
        case nexus
        /// Registries that know the path alone, as ``generic`` does.
        case dockerhub
        case quay
        case acr
        case cdevents

        /// Whether anything else than a JSON object cannot be from it.
        package var sendsJSON: Bool { [.nexus, .dockerhub, .quay, .acr, .cdevents].contains(self) }
    }

    package struct Resource: Hashable, Sendable {
        package var kind: GroupVersionKind
        package var namespace: String
        /// `*` for all that have the labels.
        package var name: String
        package var labels: [String: String]
        /// Which messages concern it, besides the Receiver's own filter.
        package var filter: CELExpression?

        /// What finds them in a list, where it is all with these labels.
        package var labelSelector: String { labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",") }
    }

    package var namespace: String
    package var name: String
    /// nil: of a type whose messages nobody here can check.
    package var sender: Sender?
    /// `push`, `Push Hook`, …; any with none given.
    package var events: [String]
    package var resources: [Resource] = []
    /// Holds the `token`, in the same namespace.
    package var secret: String
    /// Which of the resources a message concerns: `res` is the object's metadata, `req` the message.
    package var filter: CELExpression?
    package var isSuspended: Bool
    /// What is asked for and cannot be done.
    package var obstacles: [String] = []

    package init(of object: Manifest) {
        let spec = object.value["spec"]
        namespace = object.namespace
        name = object.name
        sender = Sender(rawValue: spec?["type"]?.string ?? "")
        events = (spec?["events"]?.array ?? []).compactMap(\.string)
        secret = spec?[path: "secretRef", "name"]?.string ?? ""
        isSuspended = spec?["suspend"]?.bool == true
        filter = expression(spec?["resourceFilter"], "spec.resourceFilter")
        for (index, item) in (spec?["resources"]?.array ?? []).enumerated() { add(item, "spec.resources[\(index)]") }
    }

    private mutating func expression(_ value: Value?, _ field: String) -> CELExpression? {
        guard let text = value?.string, !text.isEmpty else { return nil }
        do throws(ExpressionError) {
            return try CELExpression(text, variables: ["res", "req"], isCondition: true)
        } catch {
            obstacles.append("\(field): \(error.message), at \(error.line):\(error.column)")
            return nil
        }
    }

    private mutating func add(_ item: Value, _ field: String) {
        let kind = item["kind"]?.string ?? ""
        guard let apiVersion = item["apiVersion"]?.string ?? Self.apiVersions[kind] else {
            return obstacles.append("spec.resources: the apiVersion of a \(kind) has to be given")
        }
        let labels = (item["matchLabels"]?.object ?? Object()).map { ($0.key, $0.value.string ?? "") }
        let name = item["name"]?.string ?? ""
        if name == "*", labels.isEmpty { obstacles.append("spec.resources: the name * needs matchLabels") }
        resources.append(
            Resource(
                kind: GroupVersionKind(apiVersion: apiVersion, kind: kind), namespace: item["namespace"]?.string ?? namespace, name: name,
                labels: Dictionary(labels) { $1 }, filter: expression(item["filter"], field + ".filter")))
    }

    /// Of kinds that may be named without.
    private static let apiVersions = [
        "GitRepository": FluxKinds.gitRepository.apiVersion, "Kustomization": FluxKinds.kustomization.apiVersion,
        "OCIRepository": FluxKinds.gitRepository.apiVersion, "Bucket": FluxKinds.gitRepository.apiVersion,
        "HelmRepository": FluxKinds.gitRepository.apiVersion, "HelmChart": FluxKinds.gitRepository.apiVersion,
        "ExternalArtifact": FluxKinds.gitRepository.apiVersion, "ArtifactGenerator": "source.extensions.fluxcd.io/v1beta1",
        "HelmRelease": "helm.toolkit.fluxcd.io/v2", "ImageRepository": "image.toolkit.fluxcd.io/v1",
        "ImagePolicy": "image.toolkit.fluxcd.io/v1", "ImageUpdateAutomation": "image.toolkit.fluxcd.io/v1",
    ]

    /// Before the digest in a path.
    package static let pathPrefix = "/hook/"
}
