package import Diagnostics
package import KubernetesModel

/// Tokens of a ServiceAccount of one cluster, which another cluster takes: asked for when one is needed, and anew before it ends.
/// Equal ones stand for one login, whichever of them has a token already.
package actor ServiceAccountCredential: Hashable {
    private struct Identity: Hashable {
        var namespace: String
        var name: String
        var audiences: [String]
    }

    private struct Held {
        var text: Secret
        var since: ContinuousClock.Instant
        /// When it is time for another.
        var renewal: ContinuousClock.Instant
        var end: ContinuousClock.Instant
    }

    private nonisolated let identity: Identity
    private let issuer: any ClusterAPI
    private let now: @Sendable () -> ContinuousClock.Instant
    private var held: Held?
    private var request: Task<Secret, any Error>?

    /// - Parameters:
    ///   - issuer: the cluster that has the ServiceAccount.
    ///   - audiences: what the other cluster wants to be named in a token.
    package init(
        namespace: String, name: String, audiences: [String], issuer: any ClusterAPI,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        identity = Identity(namespace: namespace, name: name, audiences: audiences)
        self.issuer = issuer
        self.now = now
    }

    package static func == (a: ServiceAccountCredential, b: ServiceAccountCredential) -> Bool { a.identity == b.identity }
    package nonisolated func hash(into hasher: inout Hasher) { hasher.combine(identity) }

    package nonisolated var account: ObjectKey {
        ObjectKey(group: "", kind: "ServiceAccount", namespace: identity.namespace, name: identity.name)
    }

    private nonisolated var subject: String { account.description }

    /// What a person does about a server that does not take the tokens.
    nonisolated var advice: String {
        " (it does not take the token of \(subject) for the \(identity.audiences.count == 1 ? "audience" : "audiences") "
            + "\(identity.audiences.joined(separator: ", ")): let it trust the issuer of that token, and name an audience that it expects)"
    }

    /// The token that is good for now; whoever asks while one is on its way gets that one.
    /// - Throws: `ClusterError` when there is none: never `notFound`, which would be said of what is asked for with it.
    package func token() async throws -> Secret {
        if let held, now() < held.renewal { return held.text }
        let task = request ?? Task { try await self.renewed() }
        request = task
        defer { if request == task { request = nil } }
        return try await task.value
    }

    /// The server refused it: its ServiceAccount was made anew, or the server has other keys now.
    /// - Returns: Whether another is worth the try; one that was given a moment ago would be refused as well.
    package func forget(_ refused: Secret) -> Bool {
        // Others may have replaced it already.
        guard let held, held.text == refused else { return true }
        guard now() - held.since > .seconds(10) else { return false }
        self.held = nil
        return true
    }

    private func renewed() async throws -> Secret {
        do {
            let token = try await issuer.requestToken(
                namespace: identity.namespace, serviceAccount: identity.name, audiences: identity.audiences)
            let start = now()
            held = Held(text: token.text, since: start, renewal: start + token.lifetime * 4 / 5, end: start + token.lifetime)
            return token.text
        } catch {
            // It is good to its end although no other can be had at the moment.
            if let old = held, now() < old.end {
                held?.renewal = now() + .seconds(10)
                return old.text
            }
            throw problem(error)
        }
    }

    private func problem(_ error: any Error) -> any Error {
        guard let error = error as? ClusterError else { return error }
        switch error.kind {
        case .unreachable, .serverFailure, .tooManyRequests: return error
        case .notFound:
            return ClusterError(
                .unauthorized, subject: subject, message: "there is no such ServiceAccount, whose token opens the other cluster")
        default: return ClusterError(.unauthorized, subject: subject, message: "no token of it can be had: \(error.message)")
        }
    }
}
