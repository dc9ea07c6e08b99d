import ArgumentParser
import Diagnostics
import FileSystem
import HTTPNetworking
import KubernetesClient
import KubernetesModel
import Reconciliation

/// Which cluster a command speaks to: `--kubeconfig`, `--context`, else what kubectl would take.
struct ClusterOption: ParsableArguments {
    @Option(help: "The kubeconfig; KUBECONFIG or ~/.kube/config when it is not given.")
    var kubeconfig: String?

    @Option(help: "The kubeconfig's context; its current one when it is not given.")
    var context: String?

    /// A client whose connections end when nobody has it any more.
    static let client: ClusterFactory = { KubernetesClient($0, transport: try AsyncHTTPTransport(tls: $0.tls)) }

    /// Calls `body` with a client and ends its connections afterwards.
    func withCluster<T>(_ body: (KubernetesClient) async throws -> T) async throws -> T {
        var environment: [String: String] = ["HOME": Files.homeDirectory]
        environment["KUBECONFIG"] = Files.environment("KUBECONFIG")
        let paths = kubeconfig.map { [Files.expandingHome($0)] } ?? Kubeconfig.defaultPaths(environment: environment)
        let connection = try Kubeconfig.load(paths).connection(context: context)
        let transport = try AsyncHTTPTransport(tls: connection.tls)
        do {
            let announcing = AnnouncingTransport(transport, server: connection.server) { Console.standard.problem($0) }
            let result = try await body(KubernetesClient(connection, transport: announcing))
            await transport.shutdown()
            return result
        } catch {
            await transport.shutdown()
            throw (error as? ClusterError).flatMap { Self.explained($0, connection) } ?? error
        }
    }

    /// What a person does about an API that does not answer, or not to them; nil for every other error, and for another cluster's.
    private static func explained(_ error: ClusterError, _ connection: ClusterConnection) -> Diagnostic? {
        switch error.kind {
        case .unreachable where error.message.hasPrefix(connection.server), .timedOut where error.message.hasPrefix(connection.server):
            Diagnostic(
                .error, "the cluster's API does not answer", subject: connection.server,
                cause: error.message.split(separator: ": ", maxSplits: 1).last.map(String.init),
                remedy: "name another kubeconfig if it is not this cluster's; `homelab doctor` looks at its machines, and "
                    + "`homelab recover` brings it back")
        case .unauthorized:
            Diagnostic(
                .error, "the cluster and this kubeconfig do not know each other", subject: connection.server, cause: error.message,
                remedy: "`homelab kubeconfig --merge` brings its present one")
        default: nil
        }
    }
}
