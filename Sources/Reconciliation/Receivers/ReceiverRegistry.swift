import Cryptography
package import KubernetesModel
import YAML

/// The token of a Receiver: a Secret in its namespace.
struct ReceiverToken: Hashable, Sendable {
    static let kind = GroupVersionKind(group: "", version: "v1", kind: "Secret")

    let key: ObjectKey

    init(_ spec: ReceiverSpec) { key = ObjectKey(group: "", kind: "Secret", namespace: spec.namespace, name: spec.secret) }

    /// nil when there is no such Secret, or no token in it.
    func read(_ api: any ClusterAPI) async throws -> (token: String, version: String)? {
        guard !key.name.isEmpty, let secret = try await api.get(Self.kind, namespace: key.namespace, name: key.name),
            let bytes = secret.value[path: "data", "token"]?.string.flatMap({ Base64.decode($0) })
        else { return nil }
        return (String(decoding: bytes, as: UTF8.self), secret.resourceVersion)
    }
}

extension ReceiverSpec {
    /// Where messages to the Receiver go, as Flux computes it.
    package func path(token: String) -> String { Self.pathPrefix + SHA256.hex(of: token + name + namespace) }
}

/// Gives each Flux Receiver its path, and says whether messages to it are heard. They are answered by `ReceiverHook`.
actor ReceiverRegistry {
    private struct Entry {
        var object: Manifest
        var written: Value?
        /// Of the version of the Secret.
        var token: (text: String, version: String)?
    }

    private let api: any ClusterAPI
    private let clock: any AgentClock
    private let namespaces: NamespaceFollowers
    private var entries: [ObjectKey: Entry] = [:]
    private nonisolated let bell = Bell()

    init(api: any ClusterAPI, clock: any AgentClock, namespaces: NamespaceFollowers) {
        self.api = api
        self.clock = clock
        self.namespaces = namespaces
    }

    /// Until cancelled, also while the cluster does not know the kind.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.follow() }
            group.addTask { await self.show() }
        }
        for key in entries.keys { await namespaces.leave(Self.follower(key)) }
    }

    private func follow() async {
        while !Task.isCancelled {
            await ObjectFollower(api: api, clock: clock, kind: FluxKinds.receiver, namespace: "", labelSelector: nil)
                .run { await self.take($0) }
            try? await clock.sleep(for: .seconds(60))
        }
    }

    private func take(_ change: ObjectFollower.Change) async {
        switch change {
        case .all(let list):
            let present = Set(list.map(\.key))
            for key in entries.keys where !present.contains(key) { await remove(key) }
            for object in list { entries[object.key, default: Entry(object: object)].object = object }
        case .present(let object): entries[object.key, default: Entry(object: object)].object = object
        case .gone(let object): await remove(object.key)
        case .failed: return
        }
        bell.ring()
    }

    private func remove(_ key: ObjectKey) async {
        entries[key] = nil
        await namespaces.leave(Self.follower(key))
    }

    /// No unit has such a name.
    private static func follower(_ key: ObjectKey) -> Ownership { Ownership(namespace: key.namespace, name: "receiver/\(key.name)") }

    // MARK: Status

    private func show() async {
        var retryAt: Duration?
        while !Task.isCancelled {
            await bell.wait(until: retryAt, clock: clock)
            retryAt = nil
            for key in entries.keys.sorted() {
                do {
                    try await show(key)
                } catch {
                    retryAt = clock.now + .seconds(5)
                }
            }
        }
    }

    private func show(_ key: ObjectKey) async throws {
        guard let object = entries[key]?.object else { return }
        let spec = ReceiverSpec(of: object)
        // A suspended one is left as it is, and so is one that is nobody's here, which a unit tells.
        guard !spec.isSuspended else { return }
        guard spec.sender != nil else { return try await disown(object) }
        let secret = ReceiverToken(spec)
        await namespaces.follow([secret.key: ReceiverToken.kind], for: Self.follower(key), .token, bell)
        // It may have been deleted meanwhile.
        guard entries[key] != nil else { return await namespaces.leave(Self.follower(key)) }
        // The bell rings when it has been looked for.
        guard let versions = await namespaces.versions(of: [secret.key: ReceiverToken.kind]) else { return }
        if entries[key]?.token?.version != versions[secret.key] {
            let found = try await secret.read(api)
            entries[key]?.token = found.map { ($0.token, $0.version) }
        }
        let status = Self.status(of: object, spec, token: entries[key]?.token?.text, now: clock.timestamp)
        guard status != entries[key]?.written else { return }
        _ = try await api.mergePatch(
            FluxKinds.receiver, namespace: key.namespace, name: key.name, patch: ["status": status], subresource: "status")
        entries[key]?.written = status
    }

    /// What an agent said of a type that it did not serve would keep its unit from being ready for ever.
    private func disown(_ object: Manifest) async throws {
        guard object.condition("Stalled")?.reason == "InvalidSpec" || entries[object.key]?.written != nil else { return }
        _ = try await api.mergePatch(
            FluxKinds.receiver, namespace: object.namespace, name: object.name, patch: ["status": nil], subresource: "status")
        entries[object.key]?.written = nil
    }

    static func status(of object: Manifest, _ spec: ReceiverSpec, token: String?, now: Timestamp) -> Value {
        let generation = object.generation ?? 0
        func condition(_ type: String, _ status: String, _ reason: String, _ message: String) -> FluxCondition {
            FluxCondition(type, status, reason, message, generation: generation)
        }
        var conditions = FluxConditions(object.value[path: "status", "conditions"])
        var path: String?
        if !spec.obstacles.isEmpty {
            let message = spec.obstacles.joined(separator: "; ")
            conditions.set(
                [condition("Ready", "False", "InvalidSpec", message), condition("Stalled", "True", "InvalidSpec", message)], now: now)
        } else if let token {
            path = spec.path(token: token)
            conditions.set([condition("Ready", "True", "Succeeded", "Receiver initialized for path: \(path ?? "")")], now: now)
        } else {
            conditions.set(
                [condition("Ready", "False", "TokenNotFound", "the Secret \(spec.namespace)/\(spec.secret) has no token")], now: now)
        }
        var status: Value = [
            "conditions": conditions.value, "observedGeneration": .int(generation), "webhookPath": path.map { .string($0) } ?? .null,
        ]
        if let requested = object.annotation(FluxKinds.requestedAt) { status["lastHandledReconcileAt"] = .string(requested) }
        return status
    }
}
