import Cryptography
package import Diagnostics
package import HTTP

/// What a git host sends after a push, and how it proves that it did. The message's content is not used: it only says that a look is due.
package struct Webhook: Sendable {
    package struct Answer: Sendable {
        package var status: Int
        package var body: String
        /// Whether a look is due.
        package var isPush = false
        /// One line for the log; empty for none.
        package var complaint = ""
    }

    package static let path = "/hook"

    private let secret: Secret

    package init(secret: Secret) { self.secret = secret }

    package func answer(to request: HTTPRequest) -> Answer {
        let path = request.url.split(separator: "?", maxSplits: 1).first.map(String.init) ?? "/"
        guard path == Self.path else { return Answer(status: 404, body: "there is \(Self.path)\n") }
        guard request.method == "POST" else { return Answer(status: 405, body: "a webhook is a POST\n") }
        guard !secret.revealed.isEmpty else {
            return Answer(status: 503, body: "this server has no secret for it\n", complaint: "webhook refused: its secret is empty")
        }
        guard let proof = Proof(request.headers) else {
            return Answer(
                status: 401, body: "the message is not signed\n",
                complaint: "webhook refused: no signature; give the webhook of the git host the secret of agent.webhook")
        }
        guard proof.isRight(for: request.body, secret) else {
            return Answer(
                status: 401, body: "the signature is wrong\n",
                complaint: "webhook refused: the \(proof.header) is wrong; compare the git host's secret with agent.webhook.secret")
        }
        return Answer(status: 202, body: "looking\n", isPush: true)
    }

    /// How the host shows that it knows the secret.
    struct Proof {
        let header: String
        private let value: String

        /// GitHub; Gitea, Forgejo and Gogs; Flux' `generic-hmac`; GitLab, which sends the secret itself.
        static let headers = [
            "X-Hub-Signature-256", "X-Gitea-Signature", "X-Forgejo-Signature", "X-Gogs-Signature", "X-Signature", "X-Gitlab-Token",
        ]

        init?(_ headers: [(name: String, value: String)], among known: [String] = Self.headers) {
            for header in known {
                guard let value = headers.first(where: { $0.name.lowercased() == header.lowercased() })?.value else { continue }
                (self.header, self.value) = (header, value)
                return
            }
            return nil
        }

        func isRight(for body: [UInt8], _ secret: Secret) -> Bool {
            let key = Array(secret.revealed.utf8)
            if header == "X-Gitlab-Token" || header == "Authorization" {
                // As codes of the secret, so that neither its length nor its beginning shows in the time.
                return HMACSHA256.isValid(HMACSHA256.code(for: Array(value.utf8), key: key), for: key, key: key)
            }
            let parts = value.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            // Without a name, Nexus means SHA-1 and all others SHA-256.
            let unnamed: HMACHash = header == "X-Nexus-Webhook-Signature" ? .sha1 : .sha256
            guard let hash = parts.count == 2 ? HMACHash(rawValue: String(parts[0])) : unnamed else { return false }
            return Hex.decode(String(parts[parts.count - 1])).map { hash.isValid($0, for: body, key: key) } ?? false
        }
    }
}
