package import Diagnostics

/// A command for a node: an argument vector, never a shell line put together by hand.
package struct RemoteCommand: Hashable, Sendable {
    package var argv: [String]
    /// Handed over on standard input: the only way by which a secret reaches a node.
    package var input: Input
    /// To be run as root.
    package var asRoot: Bool

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
}
