/// One command line that means the same whatever the user's login shell is.
///
/// sshd hands the line to the login shell, which may be fish or tcsh, so the line is always `sh -c '…'`. Inside single quotes fish reads
/// backslashes, tcsh reads `!` and newlines, and all of them the quote itself; a script that holds one of these (or anything beyond ASCII)
/// travels as octal escapes that the inner `sh` unfolds with `printf`.
package enum ShellLine {
    /// `script` as one line for any login shell.
    package static func anyShell(_ script: String) -> String {
        if script.utf8.allSatisfy({ isPlain($0) }) { return "sh -c '\(script)'" }
        var format = ""
        for byte in script.utf8 {
            if isPlain(byte) && byte != UInt8(ascii: "%") && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "$")
                && byte != UInt8(ascii: "`")
            {
                format.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let octal = String(byte, radix: 8)
                format += "\\" + String(repeating: "0", count: 3 - octal.count) + octal
            }
        }
        return "sh -c 'eval \"$(printf \"\(format)\")\"'"
    }

    /// One word of a POSIX shell command.
    package static func quoted(_ word: String) -> String {
        let isSafe = !word.isEmpty && word.utf8.allSatisfy { isWordByte($0) }
        if isSafe { return word }
        return "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }

    package static func quoted(_ words: some Sequence<String>) -> String { words.map { quoted($0) }.joined(separator: " ") }

    /// Whether all shells take the byte for itself inside single quotes.
    private static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x7F && byte != UInt8(ascii: "'") && byte != UInt8(ascii: "\\") && byte != UInt8(ascii: "!")
    }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "-_./:=,@+".utf8.contains(byte)
        }
    }
}
