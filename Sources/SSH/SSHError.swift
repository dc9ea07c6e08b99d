package import Cryptography

/// Why a connection or what was done over it failed: on which machine, the cause, what to do next.
package struct SSHError: Error, Sendable, CustomStringConvertible {
    package enum Kind: Sendable, Equatable {
        /// No connection: the name is unknown, nothing answers, or the port is closed.
        case unreachable(Unreachable)
        /// Nobody vouches for the machine's key.
        case hostKeyUnknown(offered: OpenSSHPublicKey)
        /// The machine shows another key than the one pinned or known: a reinstalled machine, or somebody in between.
        /// What was expected is told as `type SHA256:…`, or without the type where only the fingerprint is pinned.
        case hostKeyChanged(offered: OpenSSHPublicKey, expected: [String])
        /// known_hosts marks the machine's key as revoked.
        case hostKeyRevoked(offered: OpenSSHPublicKey)
        /// The server accepted none of the methods. The hint is what is known to be wrong with them, and empty for nothing.
        case authenticationFailed(tried: [String], hint: String)
        /// Both sides speak SSH, but nothing in common; the text says what is missing and where to get it.
        case protocolMismatch(String)
        /// The connection ended or went silent after it had been made.
        case connectionLost(String)
        /// The caller's own limit passed.
        case timedOut(after: Duration)
        /// The caller cancelled.
        case cancelled
        /// The server refused one request (a channel, a command) while the connection goes on.
        case refused(String)
        /// A file of this machine (a key, known_hosts, an upload's source) cannot be used.
        case localFile(String)
    }

    package enum Unreachable: Sendable, Equatable {
        case unknownName, refused, noRoute, noAnswer(after: Duration)
        /// A jump host could not reach it.
        case throughJump(String)
        case other(String)
    }

    /// What the caller does next.
    package enum Recovery: Sendable, Equatable {
        /// The same call may succeed later.
        case retry
        /// Somebody has to change something first.
        case stop
    }

    /// The machine, as `user@host:port`.
    package let target: String
    package let kind: Kind

    package init(target: String, kind: Kind) {
        self.target = target
        self.kind = kind
    }

    package var recovery: Recovery {
        switch kind {
        case .unreachable(.unknownName): .stop
        case .unreachable, .connectionLost, .timedOut: .retry
        case .hostKeyUnknown, .hostKeyChanged, .hostKeyRevoked, .authenticationFailed, .protocolMismatch, .cancelled, .refused, .localFile:
            .stop
        }
    }

    /// The machine and the cause in one sentence.
    package var summary: String {
        switch kind {
        case .unreachable(let reason): "\(target): \(Self.text(reason))"
        case .hostKeyUnknown(let offered): "\(target): nobody vouches for its host key \(offered.type) \(offered.fingerprint)"
        case .hostKeyChanged(let offered, let expected):
            "\(target): its host key changed: it shows \(offered.type) \(offered.fingerprint), expected "
                + expected.joined(separator: " or ")
        case .hostKeyRevoked(let offered): "\(target): its host key \(offered.fingerprint) is marked as revoked in known_hosts"
        case .authenticationFailed(let tried, _):
            tried.isEmpty
                ? "\(target): login refused, with nothing to log in with"
                : "\(target): login refused (tried \(tried.joined(separator: ", ")))"
        case .protocolMismatch(let text): "\(target): no common ground with its SSH server: \(text)"
        case .connectionLost(let text): "\(target): the connection was lost: \(text)"
        case .timedOut(let limit): "\(target): no end after \(Self.text(limit))"
        case .cancelled: "\(target): cancelled"
        case .refused(let text): "\(target): \(text)"
        case .localFile(let text): text
        }
    }

    /// What to do next.
    package var advice: String {
        switch kind {
        case .unreachable(.unknownName): "check the name, or give the machine's address"
        case .unreachable(.refused): "check that the SSH server runs on it and that the port is right"
        case .unreachable: "check that the machine is on and connected, and that no firewall is in between"
        case .hostKeyUnknown(let offered):
            "compare the fingerprint with what the machine itself says (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then pin it: "
                + "\(offered.type) \(Base64.encode(offered.blob))"
        case .hostKeyChanged:
            "if the machine was reinstalled, replace the old key by the new one; if not, do not connect: somebody may be in between"
        case .hostKeyRevoked: "the machine needs new host keys before anybody connects to it"
        case .authenticationFailed(_, ""):
            target.hasPrefix("root@")
                ? "check that the key is in /root/.ssh/authorized_keys there and that its sshd lets root log in (PermitRootLogin)"
                : "check the user name, and that the key is in that user's ~/.ssh/authorized_keys there"
        case .authenticationFailed(_, let hint): hint
        case .protocolMismatch:
            "change the server's settings, or use a homelab that was built with libssh2 1.11 or later (README: Hardened SSH servers)"
        case .connectionLost: "try again; what was begun is taken up where it stopped"
        case .timedOut: "try again, or see what the machine is busy with"
        case .cancelled: "run it again to go on"
        case .refused: "see what its sshd logged: journalctl -u ssh, or /var/log/auth.log, or /var/log/messages"
        case .localFile: "put the file in order and run it again"
        }
    }

    package var description: String { "\(summary); \(advice)" }

    private static func text(_ reason: Unreachable) -> String {
        switch reason {
        case .unknownName: "no address is known for this name"
        case .refused: "connection refused"
        case .noRoute: "no route to it"
        case .noAnswer(let limit): "no answer within \(text(limit))"
        case .throughJump(let text), .other(let text): text
        }
    }

    /// How a believed key is told.
    package static func words(_ key: OpenSSHPublicKey) -> String { "\(key.type) \(key.fingerprint)" }

    static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        return seconds < 10 && attoseconds != 0 ? "\(seconds * 1000 + attoseconds / 1_000_000_000_000_000) ms" : "\(seconds) s"
    }
}
