import CEL
import Diagnostics
package import HTTP
package import KubernetesModel
import YAML

/// Answers a git host's message to a Flux Receiver, on whichever server it comes in: what the Receiver names is asked to be looked at, as
/// `flux reconcile` would ask.
package struct ReceiverHook: Sendable {
    private let api: any ClusterAPI
    private let clock: any AgentClock

    package init(api: any ClusterAPI, clock: any AgentClock) {
        self.api = api
        self.clock = clock
    }

    /// nil when the request is not for a Receiver's path.
    package func answer(to request: HTTPRequest) async -> Webhook.Answer? {
        let path = request.url.split(separator: "?", maxSplits: 1).first.map(String.init) ?? "/"
        guard path.hasPrefix(ReceiverSpec.pathPrefix) else { return nil }
        let unknown = Webhook.Answer(status: 404, body: "there is no such Receiver\n")
        // A stranger who does not even know how such a path looks costs the API server nothing.
        guard path.count == ReceiverSpec.pathPrefix.count + 64 else { return unknown }
        guard request.method == "POST" else { return Webhook.Answer(status: 405, body: "a webhook is a POST\n") }
        do {
            let receivers = try await api.list(FluxKinds.receiver, namespace: "", labelSelector: nil).items
            guard let object = receivers.first(where: { $0.value[path: "status", "webhookPath"]?.string == path }) else { return unknown }
            let spec = ReceiverSpec(of: object)
            guard !spec.isSuspended, object.condition("Ready")?.status == "True" else {
                return Webhook.Answer(status: 503, body: "the Receiver is suspended or not ready\n")
            }
            guard let token = try await ReceiverToken(spec).read(api)?.token, spec.path(token: token) == path else { return unknown }
            if let refusal = Self.refusal(of: request, spec, Secret(token)) {
                return Webhook.Answer(
                    status: 400, body: refusal + "\n", complaint: "webhook of \(object.key) refused: \(refusal)")
            }
            let problems = await ask(for: spec, request)
            guard problems.isEmpty else {
                return Webhook.Answer(
                    status: 500, body: "not everything could be asked for\n",
                    complaint: "webhook of \(object.key): \(problems.joined(separator: "; "))")
            }
            return Webhook.Answer(status: 200, body: "looking\n")
        } catch let error as ClusterError where error.kind == .unknownKind {
            return unknown
        } catch {
            return Webhook.Answer(status: 500, body: "the cluster cannot be asked\n", complaint: "webhook \(path.prefix(14))…: \(error)")
        }
    }

    /// Why a message is not believed; nil when it proves itself.
    static func refusal(of request: HTTPRequest, _ spec: ReceiverSpec, _ token: Secret) -> String? {
        let (proofs, eventHeaders): ([String], [String]) =
            switch spec.sender {
            case .generic, .dockerhub, .quay, .acr: ([], [])
            case .genericHMAC: (["X-Signature"], [])
            case .github:
                (
                    ["X-Hub-Signature-256", "X-Gitea-Signature", "X-Forgejo-Signature", "X-Hub-Signature"],
                    ["X-GitHub-Event", "X-Gitea-Event"]
                )
            case .gitlab: (["X-Gitlab-Token"], ["X-Gitlab-Event"])
            case .bitbucket: (["X-Hub-Signature-256", "X-Hub-Signature"], ["X-Event-Key"])
            case .harbor: (["Authorization"], [])
            case .nexus: (["X-Nexus-Webhook-Signature"], [])
            case .cdevents: ([], ["Ce-Type"])
            case nil: ([], [])
            }
        if spec.sender == nil { return "the Receiver's type is not handled" }
        if !proofs.isEmpty {
            guard let proof = Webhook.Proof(request.headers, among: proofs) else {
                return "the message has no \(proofs.joined(separator: " or "))"
            }
            guard proof.isRight(for: request.body, token) else { return "the \(proof.header) is wrong" }
        }
        if spec.sender?.sendsJSON == true, (try? JSONReader.value(request.body))?.object == nil { return "the message is no JSON object" }
        guard !spec.events.isEmpty, !eventHeaders.isEmpty else { return nil }
        let names = eventHeaders.map { $0.lowercased() }
        let event = request.headers.first { names.contains($0.name.lowercased()) }?.value ?? ""
        let isWanted = spec.events.contains { $0.lowercased() == event.lowercased() }
        return isWanted ? nil : "the event '\(event.prefix(60))' is none of spec.events"
    }

    // MARK: What is asked for

    /// Gives what went wrong.
    private func ask(for spec: ReceiverSpec, _ request: HTTPRequest) async -> [String] {
        var problems: [String] = []
        let message = (try? JSONReader.value(request.body)) ?? [:]
        let isForeign = spec.resources.contains { $0.namespace != spec.namespace }
        let keepsToNamespace: Bool
        do {
            keepsToNamespace = isForeign ? try await FluxSettings.inForce(api).receiversKeepToNamespace : false
        } catch {
            return ["how Flux was told to run is not known: \(error)"]
        }
        for resource in spec.resources {
            if keepsToNamespace, resource.namespace != spec.namespace {
                problems.append(
                    "\(resource.kind.kind)/\(resource.namespace)/\(resource.name) is in another namespace, and Flux ran with "
                        + "--no-cross-namespace-refs")
                continue
            }
            do {
                for object in try await objects(of: resource) where try Self.concerns(message, object, [spec.filter, resource.filter]) {
                    // Two messages within a second ask for two looks.
                    let annotations: Value = .object(
                        Object([.init(key: FluxKinds.requestedAt, value: .string(clock.timestamp.microseconds))]))
                    _ = try await api.mergePatch(
                        resource.kind, namespace: object.namespace, name: object.name, patch: ["metadata": ["annotations": annotations]],
                        subresource: nil)
                }
            } catch let error as ClusterError where error.kind == .unknownKind && FluxKinds.isForeign(resource.kind.groupKind) {
                // Nobody here would look at it.
            } catch {
                problems.append("\(resource.kind.kind)/\(resource.namespace)/\(resource.name): \(error)")
            }
        }
        return problems
    }

    private func objects(of resource: ReceiverSpec.Resource) async throws -> [Manifest] {
        if resource.name == "*" {
            return try await api.list(resource.kind, namespace: resource.namespace, labelSelector: resource.labelSelector).items
        }
        guard let object = try await api.get(resource.kind, namespace: resource.namespace, name: resource.name) else {
            throw ClusterError(.notFound, subject: resource.name, message: "there is none")
        }
        return [object]
    }

    private static func concerns(_ message: Value, _ object: Manifest, _ filters: [CELExpression?]) throws -> Bool {
        let filters = filters.compactMap(\.self)
        guard !filters.isEmpty else { return true }
        let res: Value = [
            "apiVersion": .string(object.groupVersionKind.apiVersion), "kind": .string(object.kind),
            "metadata": object.value["metadata"] ?? .null,
        ]
        let variables = Object([.init(key: "res", value: res), .init(key: "req", value: message)])
        return try filters.allSatisfy { try $0.holds(for: variables) }
    }
}
