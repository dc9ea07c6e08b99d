import Diagnostics
import FileSystem
import HTTP
import HTTPNetworking
import NodeInventory
import Reconciliation

/// Hears from a git host that there was a push.
enum WebhookListener {
    /// Bytes of a message: GitHub's have at most 25 MB, and a push of an ordinary size some ten thousand.
    private static let bodyLimit = 8 << 20

    /// nil when the configuration has no webhook.
    static func start(
        _ configuration: AgentConfiguration, _ agent: Agent, log: @escaping @Sendable (String) -> Void
    ) async throws -> HTTPServer? {
        guard let listen = configuration.webhookListen, let file = configuration.webhookSecretFile else { return nil }
        let place = try ListenAddress.read(listen, field: "webhookListen")
        var limits = HTTPServer.Limits()
        limits.body = bodyLimit
        limits.connections = 16
        return try await HTTPServer(host: place.host, port: place.port, limits: limits) { request in
            // Read each time, so that a new secret counts at once.
            let secret = (try? Files.readText(file, limit: 64 << 10)).map { String($0.prefix { !$0.isNewline }) } ?? ""
            let receivers = await agent.answer(toReceiver: request)
            let answer = receivers ?? Webhook(secret: Secret(secret)).answer(to: request)
            if !answer.complaint.isEmpty { log(answer.complaint) }
            if answer.isPush {
                do {
                    try await agent.hearOfPush()
                } catch {
                    log("the other agents do not hear of a push: \(error)")
                }
            }
            return HTTPResponse(status: answer.status, headers: [("content-type", "text/plain")], body: Array(answer.body.utf8))
        }
    }
}
