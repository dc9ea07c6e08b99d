/// Text that must not be seen: printing it, in a log, a plan or an error, shows only that it is there.
package struct Secret: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    /// The clear text; to be read only where it is handed over (a password prompt's answer, a file's bytes).
    package let revealed: String

    package init(_ text: String) { revealed = text }

    package var description: String { "<secret>" }
    package var debugDescription: String { "<secret>" }
}
