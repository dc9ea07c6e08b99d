internal import FileSystem

extension SSHSession {
    /// What is added to a file's name until all of it has arrived.
    package static let partSuffix = ".homelab-upload"

    /// Bytes that are read at a time: so few that they are still in the processor's cache when they are encrypted.
    private static let piece = 128 << 10

    /// Copies a file of this machine to the other: into a part file beside `remotePath`, which takes its name only when every byte has
    /// arrived. A part file that a lost connection left stays, for a further call to go on from.
    /// - Parameters:
    ///   - remotePath: must be writable for the login user, as must be its directory.
    ///   - offset: bytes that the part file holds already, which the caller has compared; 0 begins anew.
    ///   - sha256: 64 lower-case digits that the other side compares before the file gets its name; nil when the caller does.
    ///   - progress: bytes that are there so far and in all; called on the session's thread.
    package func upload(
        file: String, to remotePath: String, mode: UInt32 = 0o644, from offset: Int = 0, sha256: String? = nil, timeout: Duration? = nil,
        progress: (@Sendable (_ sent: Int, _ of: Int) -> Void)? = nil
    ) async throws(SSHError) {
        let reader: FileReader
        do throws(FileError) { reader = try FileReader(file, from: offset) } catch { throw failure(.localFile(error.description)) }
        var sent = offset
        let script = Self.receiving(remotePath, size: reader.size, mode: mode, goesOn: offset > 0, sha256: sha256)
        try await send(script, writing: remotePath, timeout: timeout) { () throws(SSHError) in
            do throws(FileError) {
                progress?(sent, reader.size)
                let chunk = try reader.next(limit: Self.piece)
                sent += chunk?.count ?? 0
                return chunk
            } catch {
                throw failure(.localFile(error.description))
            }
        }
        progress?(reader.size, reader.size)
    }

    /// Writes bytes into a file of the other machine in one step, as ``upload(file:to:mode:from:sha256:timeout:progress:)`` does.
    package func upload(_ bytes: [UInt8], to remotePath: String, mode: UInt32 = 0o644, timeout: Duration? = nil) async throws(SSHError) {
        var rest: [UInt8]? = bytes
        let script = Self.receiving(remotePath, size: bytes.count, mode: mode, goesOn: false, sha256: nil)
        try await send(script, writing: remotePath, timeout: timeout) { () throws(SSHError) in
            defer { rest = nil }
            return rest
        }
    }

    /// A cut connection ends the input early: the size decides whether the file is whole. What a full disk left makes room again. One line, since
    /// a login shell may be tcsh, which takes no others inside quotes.
    private static func receiving(_ path: String, size: Int, mode: UInt32, goesOn: Bool, sha256: String?) -> String {
        var commands = ["umask 077", "t=\(quote(path + partSuffix))"]
        if !goesOn { commands.append(#"rm -f "$t""#) }
        commands += [#"cat >>"$t" || { s=$?; rm -f "$t"; exit $s; }"#, #"[ "$(wc -c <"$t")" -eq \#(size) ] || exit 75"#]
        if let sha256 {
            commands += [
                #"sum=$(sha256sum <"$t" | cut -c 1-64)"#,
                #"[ "$sum" = \#(sha256) ] || { rm -f "$t"; echo "its sha256 is $sum, not \#(sha256)" >&2; exit 1; }"#,
            ]
        }
        let mode = "0" + String(mode, radix: 8)
        commands.append(#"chmod \#(mode) "$t" && mv -f "$t" \#(quote(path)) || { s=$?; rm -f "$t"; exit $s; }"#)
        return commands.joined(separator: "; ")
    }

    private func send(
        _ script: String, writing path: String, timeout: Duration?, input: () throws(SSHError) -> [UInt8]?
    ) async throws(SSHError) {
        var errors: [UInt8] = []
        let end = try await exchange("exec sh -c " + Self.quote(script), Limit(timeout), input: input) { piece in
            if case .errorOutput(let bytes) = piece { errors += bytes }
        }
        guard end.succeeded else {
            throw failure(.refused(Self.text(end, String(decoding: errors, as: UTF8.self), "writing \(path)")))
        }
    }
}
