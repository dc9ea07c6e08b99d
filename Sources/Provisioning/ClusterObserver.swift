internal import Diagnostics
package import NodeInventory
package import NodePlanning
internal import YAML

/// Asks the running cluster about its nodes, through a server: so the operator's machine needs no way to the API but SSH.
package struct ClusterObserver: Sendable {
    private let recorder: RunRecorder

    package init(recorder: RunRecorder) { self.recorder = recorder }

    /// What a server told.
    package struct Look: Sendable {
        package var facts: ClusterFacts
        /// The cluster's CA as kubeconfigs hold it (base64): tells whether a kubeconfig is of this very cluster.
        package var certificateAuthority: String?
    }

    /// Facts from the first server whose API answers; `unavailable` says why none did, and is nil when there is no server yet.
    package func look(_ spec: ClusterSpec, _ nodes: NodeObservations) async throws -> Look {
        var reasons: [String] = []
        for server in spec.nodes where server.role == .server && server.state != .absent {
            switch nodes.observed[server.name] {
            case .facts(let facts):
                let unit = facts.units[NodeRole.server.unit]?.active ?? "absent"
                guard !facts.keepsClusterElsewhere, facts.k3s.datastore != nil || unit == "active" else { continue }
                guard unit == "active", let host = nodes.hosts[server.name] else {
                    reasons.append("\(server.name): its k3s is \(unit)")
                    continue
                }
                do {
                    return try await ask(host)
                } catch is CancellationError {
                    throw CancellationError()
                } catch {
                    let problem = FactGatherer.diagnostic(error, node: server.name)
                    reasons.append("\(server.name): \(problem.cause ?? problem.summary)")
                }
            case .unreachable(let reason): reasons.append("\(server.name): \(reason)")
            case nil: continue
            }
        }
        let isThereAServer = nodes.observed.contains { name, observation in
            spec.node(named: name)?.role == .server && observation.facts?.k3s.datastore != nil
        }
        return Look(facts: isThereAServer ? ClusterFacts(unavailable: reasons.joined(separator: "; ")) : .none)
    }

    /// One round trip for the nodes and, asked for at the same time, what the bootstrap tokens are for; the tokens themselves stay on the
    /// server.
    func ask(_ host: any Host) async throws -> Look {
        let kubectl = "\(NodeLayout.k3s) kubectl --request-timeout=10s"
        let command = RemoteCommand([
            "sh", "-c",
            """
            {
            \(kubectl) get secrets -n kube-system --field-selector type=bootstrap.kubernetes.io/token -o go-template='\(Self.printedTokens)'
            printf -- '-- ca\\n'
            sed -n 's/.*certificate-authority-data: *//p' \(NodeLayout.kubeconfig) | head -n 1
            printf -- '-- members\\n'
            \(Self.members)
            } | {
            \(kubectl) get nodes -o json || exit 1
            printf '\\n-- tokens\\n'
            cat
            }
            """,
        ])
        let result = try await host.run(command.asLook)
        guard result.succeeded else {
            throw Diagnostic(.error, "the API does not answer", subject: "node \"\(host.name)\"", cause: recorder.scrub(result.complaint))
        }
        let text = result.output
        guard let split = text.range(ofSubstring: "\n-- tokens\n"),
            let end = text[split.upperBound...].range(ofSubstring: "-- ca\n"),
            let last = text[end.upperBound...].range(ofSubstring: "-- members\n")
        else {
            throw Diagnostic(.error, "the API's answer was cut off", subject: "node \"\(host.name)\"")
        }
        let nodes = try JSONReader.value(String(text[..<split.lowerBound]))
        let tokens = Self.tokens(printed: text[split.upperBound..<end.lowerBound])
        let authority = String(text[end.upperBound..<last.lowerBound]).trimmingLineBreaks
        let members = try? JSONReader.value(String(text[last.upperBound...]))
        return Look(
            facts: ClusterFacts(nodes: nodes, tokens: tokens, members: members), certificateAuthority: authority.isEmpty ? nil : authority)
    }

    /// Whether a server's own API, and with it its etcd, is ready.
    static let readyz = RemoteCommand([NodeLayout.k3s, "kubectl", "get", "--raw", "/readyz", "--request-timeout=5s"])

    /// Bootstrap tokens' descriptions by their ids.
    static func tokens(printed: Substring) -> [String: String] {
        var tokens: [String: String] = [:]
        for line in printed.split(separator: "\n") where line.hasPrefix("bootstrap-token-") {
            let words = line.dropFirst("bootstrap-token-".count).split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
            tokens[String(words[0])] = words.count == 2 ? String(words[1].dropFirst().dropLast()) : ""
        }
        return tokens
    }

    /// A line for each Secret: its name and, in quotes, its description.
    private static let printedTokens = """
        {{range .items}}{{.metadata.name}} {{with .data.description}}{{base64decode . | printf "%q"}}{{end}}{{"\\n"}}{{end}}
        """

    /// As etcd itself lists them, whatever the Nodes' annotations say; nil where it cannot be asked.
    static func members(_ server: any Host) async throws -> [EtcdMember]? {
        let answer = try await server.run(RemoteCommand(["sh", "-c", members]))
        guard answer.succeeded, let list = try? JSONReader.value(answer.output) else { return nil }
        return ClusterFacts(nodes: .null, tokens: [:], members: list).members
    }

    /// Prints what etcd calls its members, where etcd is: the supervisor tells servers (`/db/info`), who show the server token. It goes to
    /// kubectl over its standard input and nowhere else.
    static let members = """
        server=\(NodeLayout.dataDirectory)/server
        if [ -d $server/db/etcd/member ]; then
        {
        printf 'apiVersion: v1\\nkind: Config\\ncurrent-context: own\\ncontexts: [{name: own, context: {cluster: own, user: own}}]\\n'
        printf 'clusters: [{name: own, cluster: {server: "https://127.0.0.1:6443", certificate-authority: %s}}]\\n' $server/tls/server-ca.crt
        printf 'users: [{name: own, user: {username: server, password: "%s"}}]\\n' "$(sed 's/.*://' $server/token)"
        } | \(NodeLayout.k3s) kubectl --kubeconfig=/dev/stdin --request-timeout=5s get --raw /db/info 2>/dev/null
        fi
        """
}
