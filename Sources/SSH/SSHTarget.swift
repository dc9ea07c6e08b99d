package import Cryptography

/// Where to connect, as whom, proved how, and which host keys are believed.
package struct SSHTarget: Sendable {
    /// A name or an address (IPv6 without brackets).
    package var host: String
    package var port: Int
    package var user: String
    /// Tried in this order until the server is satisfied; methods the server does not offer are passed over.
    package var authentication: [SSHAuthentication]
    package var hostKeys: HostKeyPolicy
    /// Machines to go through, the nearest first; each is a connection of its own inside the one before.
    package var jump: [SSHTarget]

    package init(
        host: String, port: Int = 22, user: String, authentication: [SSHAuthentication], hostKeys: HostKeyPolicy, jump: [SSHTarget] = []
    ) {
        self.host = host
        self.port = port
        self.user = user
        self.authentication = authentication
        self.hostKeys = hostKeys
        self.jump = jump
    }

    /// `user@host`, with `:port` when it is not 22: how messages name the machine.
    package var label: String {
        let host = host.contains(":") ? "[\(host)]" : host
        return port == 22 ? "\(user)@\(host)" : "\(user)@\(host):\(port)"
    }
}

/// One way to prove who is connecting.
///
/// Providers are called on the session's own thread, which may block in them (a prompt on a terminal); nil gives the method up.
package enum SSHAuthentication: Sendable {
    /// Answers a prompt ("Passphrase for /root/.ssh/id_ed25519", "Password for root@node1", or the server's own words).
    package typealias SecretProvider = @Sendable (_ prompt: String) -> String?

    /// A private key file in OpenSSH or PEM format; the provider is asked only when the key is encrypted.
    case keyFile(String, passphrase: SecretProvider? = nil)
    /// The text of a private key; `name` says where it came from, for messages.
    case key(text: String, name: String, passphrase: SecretProvider? = nil)
    /// The keys of the ssh-agent at `$SSH_AUTH_SOCK` (or at `socket`).
    case agent(socket: String? = nil, AgentKeys = .all)
    case password(SecretProvider)
    /// The server asks what it likes (PAM); every prompt goes to the provider.
    case keyboardInteractive(SecretProvider)
}

/// Which of an agent's keys are tried: a server hangs up after a few wrong ones (MaxAuthTries), so the one that is meant goes first.
package enum AgentKeys: Sendable, Equatable {
    case all
    case only([OpenSSHPublicKey])
    case except([OpenSSHPublicKey])

    func includes(_ key: OpenSSHPublicKey) -> Bool {
        switch self {
        case .all: true
        case .only(let keys): keys.contains(key)
        case .except(let keys): !keys.contains(key)
        }
    }
}

/// Which host keys are believed. Pins come first: where there are any, nothing else counts.
package struct HostKeyPolicy: Sendable {
    /// Decides about a key nobody vouches for; only an operator at a terminal can.
    package typealias Confirmation = @Sendable (_ label: String, _ offered: OpenSSHPublicKey) -> Bool

    package var pinned: [OpenSSHPublicKey]
    /// Pins of which only `SHA256:…` is known, and not of what type the key is.
    package var fingerprints: [String]
    package var knownHosts: KnownHosts?
    package var confirm: Confirmation?

    package init(
        pinned: [OpenSSHPublicKey] = [], fingerprints: [String] = [], knownHosts: KnownHosts? = nil, confirm: Confirmation? = nil
    ) {
        self.pinned = pinned
        self.fingerprints = fingerprints
        self.knownHosts = knownHosts
        self.confirm = confirm
    }

    /// Exactly these keys, as the inventory pins them.
    package static func pinned(_ keys: [OpenSSHPublicKey], fingerprints: [String] = []) -> HostKeyPolicy {
        HostKeyPolicy(pinned: keys, fingerprints: fingerprints)
    }

    /// What known_hosts files say, and for a host they do not name the operator's word, if there is one to ask.
    package static func knownHosts(_ knownHosts: KnownHosts, confirm: Confirmation? = nil) -> HostKeyPolicy {
        HostKeyPolicy(knownHosts: knownHosts, confirm: confirm)
    }
}
