package import Diagnostics

/// A command for a node: an argument vector, never a shell line put together by hand.
package struct RemoteCommand: Hashable, Sendable {
    package var argv: [String]
    /// Handed over on standard input: the only way by which a secret reaches a node.
    package var input: Input
    /// To be run as root.
    package var asRoot: Bool
    /// How long it may take; nil: as long as the connection lives.
    package var limit: Duration?

    package enum Input: Hashable, Sendable {
        case none
        case text(String)
        case secret(Secret)

        /// The bytes that are sent.
        package var bytes: [UInt8] {
            switch self {
            case .none: []
            case .text(let text): Array(text.utf8)
            case .secret(let secret): Array(secret.revealed.utf8)
            }
        }
    }

    package init(_ argv: [String], input: Input = .none, asRoot: Bool = true) {
        self.argv = argv
        self.input = input
        self.asRoot = asRoot
    }

    /// The same for what only looks at a machine, and is given up after two minutes: one whose disk hangs still keeps its connections. A
    /// Raspberry Pi that hashes its binaries from a slow card takes some ten seconds.
    package var asLook: RemoteCommand {
        var look = self
        look.limit = .seconds(120)
        return look
    }
}
