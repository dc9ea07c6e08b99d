package import Diagnostics
package import NodePlanning
internal import SSH

/// A file on its way to a node. When the very file is there already, from an earlier run, nothing is sent; what an interrupted transfer
/// left is compared and gone on from.
package struct FileUpload: Hashable, Sendable {
    /// Who compares the sha256 of all that arrived, before anything uses it: once is enough, and it costs a slow node seconds.
    package enum Verification: Hashable, Sendable {
        /// The transfer, before the file gets its name.
        case onArrival
        /// The step that moves the file into place, on a copy that the login user cannot change any more.
        case atInstallation
    }

    /// On this machine.
    package var source: String
    /// On the node, in a folder the login user may write to.
    package var destination: String
    package var mode: UInt32
    /// 64 lower-case digits.
    package var sha256: String
    package var verification: Verification

    package init(
        source: String, destination: String, mode: UInt32, sha256: String, verification: Verification = .onArrival
    ) {
        self.source = source
        self.destination = destination
        self.mode = mode
        self.sha256 = sha256
        self.verification = verification
    }

    /// What an earlier transfer left on the node.
    package enum Remains: Hashable, Sendable {
        case nothing
        case whole
        /// So many bytes with this sha256, in the part file.
        case part(size: Int, sha256: String)

        /// Reads what ``FileUpload/survey(size:)`` printed.
        package init(_ output: String) {
            let words = output.split(whereSeparator: \.isWhitespace).map(String.init)
            if words == ["whole"] {
                self = .whole
            } else if words.count == 3, words[0] == "part", let size = Int(words[1]), size > 0 {
                self = .part(size: size, sha256: words[2])
            } else {
                self = .nothing
            }
        }
    }

    /// Finds out what is there; another size is told without reading anything. The part is copied first: a connection that is not yet known
    /// to be dead may still be writing to the old one.
    package func survey(size: Int) -> RemoteCommand {
        RemoteCommand(
            [
                "sh", "-c",
                """
                umask 077; f=\(ShellLine.quoted(destination)); t=$f\(SSHSession.partSuffix)
                if [ -f "$f" ] && [ "$(wc -c <"$f")" -eq \(size) ] && [ "$(sha256sum <"$f" | cut -c 1-64)" = \(sha256) ]; then
                echo whole; exit 0
                fi
                [ -s "$t" ] || exit 0
                if cat "$t" >"$t.new" && mv -f "$t.new" "$t"; then
                echo "part $(wc -c <"$t") $(sha256sum <"$t" | cut -c 1-64)"
                else
                rm -f "$t" "$t.new"
                fi
                """,
            ], asRoot: false)
    }

    /// Exits 0 when the whole file is there, `damaged` when another content is, 1 when there is none.
    package var check: RemoteCommand {
        RemoteCommand(
            [
                "sh", "-c",
                """
                f=\(ShellLine.quoted(destination)); [ -f "$f" ] || exit 1
                [ "$(sha256sum < "$f" | cut -c 1-64)" = \(sha256) ] || exit \(Self.damaged)
                """,
            ], asRoot: false)
    }

    /// What a transfer that was refused means for a person; `reason` is the node's own words.
    package func failure(_ reason: String, node: String) -> Diagnostic {
        let isFull = reason.contains("No space left")
        return Diagnostic(
            .error, isFull ? "the disk is full" : "cannot bring \(destination) to the node", subject: "node \"\(node)\"", cause: reason,
            remedy: isFull ? "Free space for \(destination) (`df -h`), then run again." : "Put right what the node says, then run again.")
    }

    package static let damaged: Int32 = 82
}
