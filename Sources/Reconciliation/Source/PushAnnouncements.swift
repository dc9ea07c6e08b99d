import Git
import KubernetesModel
import YAML

/// How a push to a repository on one server reaches the agents on the others at once: the agent beside the repository writes the new
/// commit into a ConfigMap, which the others watch.
struct PushAnnouncements: Sendable {
    static let name = "homelab-source"
    static let label = "homelab.dev/announcement"

    let api: any ClusterAPI
    let clock: any AgentClock
    let source: GitSource
    /// Counts the pushes that a git host told of.
    let pushes: Shared<Int>

    private static let kind = GroupVersionKind(group: "", version: "v1", kind: "ConfigMap")

    func run() async {
        if source.repository.localPath == nil { await listen() } else { await announce() }
    }

    private func listen() async {
        let follower = ObjectFollower(
            api: api, clock: clock, kind: Self.kind, namespace: HomelabNamespace.name, labelSelector: "\(Self.label)=source")
        // What was there when this agent started is no news; what comes while the watch is away is in the next list.
        let heard = Shared<(isListed: Bool, data: Value?)>((false, nil))
        await follower.run { change in
            let before = heard.value
            switch change {
            case .all(let list): heard.update { $0 = (true, list.first { $0.name == Self.name }?.value["data"]) }
            case .present(let announcement): heard.update { $0 = (true, announcement.value["data"]) }
            case .gone, .failed: return
            }
            let data = heard.value.data
            guard before.isListed, data != before.data, let commit = data?["commit"]?.string,
                commit != source.state.value.commit?.id.hex
            else { return }
            source.wake()
            if data?["pushed"] != nil { pushes.update { $0 += 1 } }
        }
    }

    /// Tells the other agents of a push that a git host told this one of.
    func tell() async throws {
        _ = try await api.apply(
            Self.manifest(["commit": "", "pushed": .string(clock.timestamp.microseconds)]),
            options: ApplyOptions(fieldManager: "homelab-announcement"))
    }

    private func announce() async {
        let bell = Bell()
        source.state.attach(bell)
        defer { source.state.detach(bell) }
        // What was there when this agent started is no news: the others look for themselves when they start.
        var announced = source.state.value.commit?.id
        var backoff = Backoff(first: .seconds(1), limit: .seconds(60))
        var retryAt: Duration?
        while !Task.isCancelled {
            await bell.wait(until: retryAt, clock: clock)
            guard let commit = source.state.value.commit?.id, commit != announced else {
                retryAt = nil
                continue
            }
            do {
                _ = try await api.apply(
                    Self.manifest(["commit": .string(commit.hex)]), options: ApplyOptions(fieldManager: "homelab-announcement"))
                announced = commit
                retryAt = nil
                backoff.reset()
            } catch {
                retryAt = clock.now + backoff.failed()
            }
        }
    }

    private static func manifest(_ data: Value) -> Manifest {
        Manifest([
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": [
                "namespace": .string(HomelabNamespace.name), "name": .string(name),
                "labels": .object(Object([.init(key: label, value: "source")])),
            ],
            "data": data,
        ])
    }
}
