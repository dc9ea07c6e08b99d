package import Diagnostics

/// How SSH proves who the user is: identity files (by the agent where it holds them), what else the agent holds, the password.
package struct Login: Hashable, Sendable {
    /// Private key files on the operator's machine; `~` is the operator's home. Empty and nothing else given: OpenSSH's defaults.
    package var identityFiles: [String] = []
    /// The passphrase of the identity files.
    package var passphrase: SecretReference?
    /// Ask the operator's SSH agent.
    package var agent: Bool = true
    package var password: SecretReference?

    package init() {}
}

/// A host on the way to a node.
package struct JumpHost: Hashable, Sendable {
    package var host: String
    /// As the inventory writes them; nil leaves them to the operator's `~/.ssh/config`.
    package var writtenPort: Int?
    package var writtenUser: String?
    package var login: Login
    package var hostKeys: [HostKey]
    package var location: SourceLocation

    package var port: Int { writtenPort ?? 22 }
    package var user: String { writtenUser ?? "root" }

    package init(host: String, port: Int? = nil, user: String? = nil, location: SourceLocation) {
        self.host = host
        writtenPort = port
        writtenUser = user
        login = Login()
        hostKeys = []
        self.location = location
    }
}

extension JumpHost {
    /// `user@host:port`, user and port as far as they are written; nil for anything else.
    package init?(_ text: String, location: SourceLocation) {
        let halves = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let address = halves.last, let target = Endpoint(address, defaultPort: 22), halves.first?.isEmpty == false else { return nil }
        // One that is written does not depend on the default.
        let isWritten = Endpoint(address, defaultPort: 23)?.port == target.port
        self.init(
            host: target.host, port: isWritten ? target.port : nil, user: halves.count == 2 ? halves[0] : nil, location: location)
    }

    /// The same as text.
    package var text: String {
        let port = writtenPort.map { ":\($0)" } ?? ""
        let name = host.contains(":") && !port.isEmpty ? "[\(host)]" : host
        return (writtenUser.map { $0 + "@" } ?? "") + name + port
    }
}

/// A pinned host key as in known_hosts: `ssh-ed25519 AAAA…`, or only its fingerprint `SHA256:…`.
package enum HostKey: Hashable, Sendable, CustomStringConvertible {
    /// `blob` is the base64 text of the key.
    case key(type: String, blob: String)
    /// The base64 text behind `SHA256:`.
    case fingerprint(String)

    package var description: String {
        switch self {
        case .key(let type, let blob): type + " " + blob
        case .fingerprint(let text): "SHA256:" + text
        }
    }
}

/// Where a secret is; the inventory never holds one itself.
package enum SecretReference: Hashable, Sendable, CustomStringConvertible {
    /// A file on the machine that runs homelab; its last line break is not part of the secret.
    case file(String)
    case environment(String)
    /// The operator is asked.
    case prompt

    package var description: String {
        switch self {
        case .file(let path): "file \(path)"
        case .environment(let name): "environment variable \(name)"
        case .prompt: "prompt"
        }
    }
}
