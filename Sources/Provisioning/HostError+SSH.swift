internal import Cryptography
internal import Diagnostics
package import SSH

extension HostError {
    /// An SSH failure in a node's terms; a cancellation stays one.
    /// - Parameter limit: of the command that failed, on a connection that was there.
    package static func translated(_ error: SSHError, node: String, within limit: Duration? = nil) -> any Error {
        let subject = "node \"\(node)\""
        switch error.kind {
        case .cancelled: return CancellationError()
        case .connectionLost(let why):
            return HostError(
                .connectionLost, node: node,
                Diagnostic(
                    .error, "the connection was lost", subject: subject, cause: why, remedy: "Run again: it goes on where it stopped."))
        case .timedOut where limit != nil: return silent(node: node, after: limit ?? .zero)
        case .unreachable, .timedOut:
            return HostError(
                .unreachable, node: node,
                Diagnostic(.error, "cannot be reached", subject: subject, cause: error.summary, remedy: error.advice))
        case .hostKeyUnknown(let offered):
            return HostError(
                .refused, node: node,
                Diagnostic(
                    .error, "its host key is not known", subject: subject,
                    cause: "it shows \(offered.type) \(offered.fingerprint)",
                    remedy: "Compare the fingerprint with what the machine itself says "
                        + "(`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`), then pin it in the inventory under this node:\n"
                        + "  hostKeys: [\"\(offered.type) \(Base64.encode(offered.blob))\"]\n"
                        + "For a machine that is in no inventory yet (adopt), confirm it on a terminal or put it into ~/.ssh/known_hosts."))
        case .hostKeyChanged(let offered, let expected):
            let known = expected.joined(separator: " or ")
            return HostError(
                .refused, node: node,
                Diagnostic(
                    .error, "its host key has changed, nothing is done on it", subject: subject,
                    cause: "it shows \(offered.type) \(offered.fingerprint), expected \(known.isEmpty ? "another one" : known)",
                    remedy: "If the machine was installed anew, replace the old key in the inventory (or in known_hosts) by\n"
                        + "  \(offered.type) \(Base64.encode(offered.blob))\notherwise somebody may be in between: do not connect."))
        case .hostKeyRevoked, .protocolMismatch, .refused, .localFile:
            return HostError(.refused, node: node, Diagnostic(.error, error.summary, subject: subject, remedy: error.advice))
        case .authenticationFailed:
            return HostError(
                .refused, node: node,
                Diagnostic(.error, loginRefused, subject: subject, cause: error.summary, remedy: error.advice))
        }
    }

    private static let loginRefused = "login was refused"

    /// Refused logins pass by themselves while a machine boots; all other refusals need a person.
    var isLoginRefused: Bool { kind == .refused && diagnostic.summary == Self.loginRefused }
}
