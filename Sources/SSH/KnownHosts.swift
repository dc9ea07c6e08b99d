package import Cryptography
internal import FileSystem

/// The contents of known_hosts files (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"): plain and hashed names, `[host]:port`, wildcards,
/// negations and `@revoked`. `@cert-authority` lines are passed over: certificates of hosts are not used here.
package struct KnownHosts: Sendable, Equatable {
    private enum Pattern: Sendable, Equatable {
        case name(String, isNegated: Bool)
        case hashed(salt: [UInt8], digest: [UInt8])
    }

    private struct Entry: Sendable, Equatable {
        let patterns: [Pattern]
        let key: OpenSSHPublicKey
        let isRevoked: Bool
    }

    /// What is known of one host.
    package struct Record: Sendable, Equatable {
        package let keys: [OpenSSHPublicKey]
        package let revoked: [OpenSSHPublicKey]
    }

    private var entries: [Entry] = []

    package init() {}

    /// Reads one file's text. Lines that are no entries are passed over, as ssh does.
    package init(text: String) {
        for line in text.split(whereSeparator: \.isNewline) {
            if let entry = Self.entry(line) { entries.append(entry) }
        }
    }

    /// Reads files; those that are not there count as empty.
    package init(files: [String]) throws(SSHError) {
        for path in files where Files.exists(path) {
            do throws(FileError) {
                entries += KnownHosts(text: String(decoding: try Files.read(path, limit: 16 << 20), as: UTF8.self)).entries
            } catch {
                throw SSHError(target: path, kind: .localFile(error.description))
            }
        }
    }

    /// Keys known and revoked for a host, looked up as ssh does: by `host` at port 22, by `[host]:port` elsewhere.
    package func record(host: String, port: Int) -> Record {
        let name = port == 22 ? host.lowercased() : "[\(host.lowercased())]:\(port)"
        let matching = entries.filter { Self.matches($0.patterns, name) }
        return Record(keys: matching.filter { !$0.isRevoked }.map(\.key), revoked: matching.filter(\.isRevoked).map(\.key))
    }

    /// The line to add to a known_hosts file for a confirmed key.
    package static func line(host: String, port: Int, key: OpenSSHPublicKey) -> String {
        (port == 22 ? host : "[\(host)]:\(port)") + " \(key.type) \(Base64.encode(key.blob))"
    }

    private static func entry(_ line: Substring) -> Entry? {
        var fields = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
        var isRevoked = false
        if let marker = fields.first, marker.hasPrefix("@") {
            guard marker == "@revoked" else { return nil }
            isRevoked = true
            fields.removeFirst()
        }
        guard fields.count >= 3, !fields[0].hasPrefix("#"), let key = OpenSSHPublicKey(line: "\(fields[1]) \(fields[2])") else {
            return nil
        }
        let patterns = fields[0].split(separator: ",").compactMap(pattern)
        return patterns.isEmpty ? nil : Entry(patterns: patterns, key: key, isRevoked: isRevoked)
    }

    private static func pattern(_ text: Substring) -> Pattern? {
        guard text.hasPrefix("|") else {
            return .name((text.hasPrefix("!") ? text.dropFirst() : text).lowercased(), isNegated: text.hasPrefix("!"))
        }
        let parts = text.split(separator: "|")
        guard parts.count == 3, parts[0] == "1", let salt = Base64.decode(parts[1]), let digest = Base64.decode(parts[2]) else {
            return nil
        }
        return .hashed(salt: salt, digest: digest)
    }

    private static func matches(_ patterns: [Pattern], _ name: String) -> Bool {
        var isMatch = false
        for pattern in patterns {
            switch pattern {
            case .name(let text, let isNegated):
                guard Wildcard.matches(name, pattern: text) else { continue }
                if isNegated { return false }
                isMatch = true
            case .hashed(let salt, let digest):
                if SHA1.hmac(of: Array(name.utf8), key: salt) == digest { isMatch = true }
            }
        }
        return isMatch
    }
}

/// The patterns of ssh_config(5): `*` for any characters, `?` for one.
enum Wildcard {
    static func matches(_ text: String, pattern: String) -> Bool {
        let text = Array(text.utf8)
        let pattern = Array(pattern.utf8)
        var (position, at) = (0, 0)
        var (star, resume): (Int?, Int) = (nil, 0)
        while position < text.count {
            if at < pattern.count, pattern[at] == UInt8(ascii: "*") {
                (star, resume) = (at, position)
                at += 1
            } else if at < pattern.count, pattern[at] == UInt8(ascii: "?") || pattern[at] == text[position] {
                position += 1
                at += 1
            } else if let back = star {
                resume += 1
                (position, at) = (resume, back + 1)
            } else {
                return false
            }
        }
        return pattern[at...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
