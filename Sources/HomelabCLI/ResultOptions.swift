import ArgumentParser
import KubernetesClient
import KubernetesModel
import Reconciliation
import YAML

/// `-o` and `--watch`: how a command shows its result, and whether it goes on.
struct ResultOptions: ParsableArguments {
    enum Format: String, ExpressibleByArgument, CaseIterable, Sendable { case text, wide, json, yaml }

    @Option(name: .shortAndLong, help: "text, wide, json or yaml.")
    var output = Format.text

    @Flag(name: .shortAndLong, help: "Show it again whenever it changes, until interrupted; json as one line each.")
    var watch = false

    /// Objects whose changes may change a result.
    struct Followed: Sendable {
        var kind: GroupVersionKind
        var namespace = ""
        var labelSelector: String?

        static let units = [Followed(kind: FluxKinds.kustomization), Followed(kind: FluxKinds.gitRepository)]

        static func all(_ kind: String) -> Followed { Followed(kind: GroupVersionKind(group: "", version: "v1", kind: kind)) }
    }

    /// Looks, and shows what is found; with `--watch` again and again.
    @discardableResult
    func show<Result: CommandResult>(
        of cluster: ClusterOption, following followed: [Followed], _ look: (KubernetesClient) async throws -> Result
    ) async throws -> Result {
        try await cluster.withCluster { api in
            let first = try await look(api)
            Console.standard.raw(text(first, .standard, isFirst: true))
            guard watch else { return first }
            Console.endWhenAbandoned()
            return await follow(followed, api, first, look) { Console.standard.raw(text($0, .standard, isFirst: false)) }
        }
    }

    /// A result as it is printed, with the end of its last line.
    func text(_ result: some CommandResult, _ console: Console, isFirst: Bool) -> String {
        switch output {
        case .json: JSONWriter.text(result.value, pretty: !watch) + "\n"
        case .yaml: (isFirst ? "" : "---\n") + YAMLWriter.text(documents: result.documents)
        case .text, .wide: screen(result.text(console, isWide: output == .wide), console, isFirst: isFirst, isLog: type(of: result).isLog)
        }
    }

    /// A terminal shows the newest result in the place of the one before; elsewhere a blank line parts them.
    private func screen(_ text: String, _ console: Console, isFirst: Bool, isLog: Bool) -> String {
        let line = text.isEmpty || text.hasSuffix("\n") ? text : text + "\n"
        guard watch, !isLog else { return line }
        return console.isTerminal ? "\u{1B}[H\u{1B}[2J" + line : (isFirst ? "" : "\n") + line
    }

    /// What is watched makes it look at once, what is not (the fields of other kinds, files) is seen with the next look.
    func follow<API: ClusterAPI, Result: CommandResult>(
        _ followed: [Followed], _ api: API, _ first: Result, _ look: (API) async throws -> Result, _ show: (Result) -> Void
    ) async -> Result {
        let (bell, clock) = (Bell(), SystemClock())
        return await withTaskGroup(of: Void.self) { group in
            for objects in followed {
                let follower = ObjectFollower(
                    api: api, clock: clock, kind: objects.kind, namespace: objects.namespace, labelSelector: objects.labelSelector)
                group.addTask { await follower.run { _ in bell.ring() } }
            }
            defer { group.cancelAll() }
            var shown = first
            var problem = ""
            while !Task.isCancelled {
                await bell.wait(until: clock.now + Self.pause, clock: clock)
                do {
                    // Changes come in swarms.
                    try await Task.sleep(for: .milliseconds(200))
                    let result = try await look(api)
                    if let news = result.news(since: shown) { show(news) }
                    (shown, problem) = (result, "")
                } catch {
                    if Task.isCancelled { break }
                    let description = String(describing: error)
                    if description != problem { Console.standard.problem(description) }
                    problem = description
                }
            }
            return shown
        }
    }

    private static let pause: Duration = .seconds(5)
}
