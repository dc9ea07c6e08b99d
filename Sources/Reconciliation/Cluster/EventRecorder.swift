package import KubernetesModel
import YAML

/// Writes Kubernetes Events about what the agent does, beside its work: a slow or refusing server delays nothing and loses only Events.
package actor EventRecorder {
    package struct Event: Hashable, Sendable {
        package var object: ObjectKey
        package var apiVersion: String
        package var uid: String
        package var isWarning: Bool
        package var reason: String
        package var message: String
        /// The revision that it is about, as Flux names it; empty for none.
        package var revision = ""

        package init(
            _ reason: String, _ message: String, object: ObjectKey, apiVersion: String, uid: String = "", isWarning: Bool = false
        ) {
            self.object = object
            self.apiVersion = apiVersion
            self.uid = uid
            self.isWarning = isWarning
            self.reason = reason
            self.message = message
        }
    }

    /// How often an Event was told, in the ten minutes that began with the first time.
    private struct Telling {
        var end: Duration
        var times = 0
        /// A warning about its object was told since.
        var isContradicted = false
    }

    private let api: any ClusterAPI
    private let clock: any AgentClock
    private let node: String
    private let stream: AsyncStream<Event>
    private nonisolated let continuation: AsyncStream<Event>.Continuation
    private var told: [Event: Telling] = [:]
    private var count = 0

    package init(api: any ClusterAPI, clock: any AgentClock, node: String) {
        self.api = api
        self.clock = clock
        self.node = node
        (stream, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(256))
    }

    package nonisolated func record(_ event: Event) { continuation.yield(event) }

    package func run() async {
        for await event in stream {
            guard isNews(event, at: clock.now) else { continue }
            _ = try? await withTimeLimit(.seconds(10), clock: clock) { [api, manifest = manifest(of: event)] in
                _ = try await api.create(manifest)
            }
        }
    }

    /// The same again within ten minutes is no news. That something is well is, five times at most, after each warning that was told since:
    /// it is not kept back because it was well before.
    private func isNews(_ event: Event, at now: Duration) -> Bool {
        told = told.filter { $0.value.end > now }
        var same = event
        same.revision = ""
        var telling = told[same] ?? Telling(end: now + .seconds(600))
        guard telling.times == 0 || telling.isContradicted && telling.times < 5 else { return false }
        telling.times += 1
        telling.isContradicted = false
        told[same] = telling
        guard event.isWarning else { return true }
        for other in told.keys where other.object == event.object && !other.isWarning { told[other]?.isContradicted = true }
        return true
    }

    /// What an Event's name begins with. It has to be a DNS subdomain (RFC 1123), which the name of what it is about need not be: objects
    /// of RBAC are called `system:node` and the like.
    static func stem(of name: String) -> String {
        let text = name.lowercased().prefix(200).map { (character: Character) -> Character in
            character == "." || character.isASCII && (character.isLetter || character.isNumber) ? character : "-"
        }
        let labels = String(text).split(separator: ".").map { $0.split(separator: "-").joined(separator: "-") }.filter { !$0.isEmpty }
        return labels.isEmpty ? "event" : labels.joined(separator: ".")
    }

    private func manifest(of event: Event) -> Manifest {
        count += 1
        let time = clock.timestamp
        let namespace = event.object.namespace.isEmpty ? "default" : event.object.namespace
        let suffix = String(
            UInt64(bitPattern: time.secondsSinceEpoch) &* 1_000_000_000 &+ UInt64(time.nanoseconds) &+ UInt64(count), radix: 16)
        var involved: Value = [
            "apiVersion": .string(event.apiVersion), "kind": .string(event.object.kind), "name": .string(event.object.name),
        ]
        if !event.object.namespace.isEmpty { involved["namespace"] = .string(event.object.namespace) }
        if !event.uid.isEmpty { involved["uid"] = .string(event.uid) }
        var metadata: Value = ["namespace": .string(namespace), "name": .string("\(Self.stem(of: event.object.name)).\(suffix)")]
        if !event.revision.isEmpty {
            // That of an object which a unit applies is the unit's.
            let source = FluxKinds.gitRepository.group
            let group = event.object.group == source ? source : FluxKinds.kustomization.group
            metadata["annotations"] = .object(Object([.init(key: "\(group)/revision", value: .string(event.revision))]))
        }
        return Manifest([
            "apiVersion": "v1", "kind": "Event", "metadata": metadata,
            "involvedObject": involved,
            "reason": .string(event.reason), "message": .string(String(event.message.prefix(1000))),
            "type": event.isWarning ? "Warning" : "Normal",
            "source": ["component": "homelab-agent", "host": .string(node)],
            "firstTimestamp": .string(time.description), "lastTimestamp": .string(time.description), "count": 1,
        ])
    }
}
