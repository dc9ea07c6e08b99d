extension TextForm {
    /// What is wrong with a text of this form, and what to write instead; nil when nothing is.
    func problem(with text: String) -> (what: String, remedy: String?)? {
        switch self {
        case .any: text.isEmpty ? ("it is empty", "write it, or leave the field out") : nil
        case .orEmpty: nil
        case .host: hostProblem(text)
        case .user:
            text.isEmpty || text.hasPrefix("-") || text.contains(where: \.isWhitespace)
                ? ("not a user's name", "write the name that SSH logs in with") : nil
        case .duration:
            Duration.seconds(text) == nil
                ? ("not a length of time up to a year", "write a number and s, m or h, such as 90s, 5m, 2h") : nil
        case .version:
            K3sVersion(text) == nil
                ? ("not an exact k3s version", "write it as k3s releases are named, vX.Y.Z+k3sN, such as v1.33.4+k3s1") : nil
        case .sha256:
            text.count == 64 && text.allSatisfy({ $0.isHexDigit && !$0.isUppercase })
                ? nil : ("not a sha256", "give the 64 hexadecimal digits in lower case that sha256sum prints")
        case .dnsLabel: NameRule.labelProblem(text).map { ($0, "use a-z, 0-9 and -, at most 63 characters (RFC 1123)") }
        case .address: IPAddress(text) == nil ? ("not an IP address", "write one such as 192.168.1.10 or fd00::10") : nil
        case .cidr: cidrProblem(text)
        case .mac:
            text.split(separator: ":", omittingEmptySubsequences: false).map(\.count) == Array(repeating: 2, count: 6)
                && text.allSatisfy({ $0.isHexDigit || $0 == ":" }) ? nil : ("not a hardware address", "write it as aa:bb:cc:dd:ee:ff")
        case .time: MaintenanceWindow.minutes(text) == nil ? ("not a time of day", "write HH:MM, in quotes") : nil
        case .hostKey:
            HostKey(text) == nil
                ? (
                    "not a host key",
                    "give a line of `ssh-keyscan HOST` without the host name (ssh-ed25519 AAAA…), or a fingerprint SHA256:…"
                ) : nil
        case .taint: Taint.problem(text)
        case .branch: NameRule.branchProblem(text).map { ("git has no branch of such a name", $0) }
        }
    }

    /// A name may be any that `~/.ssh/config` has; what cannot be one is a URL, a login, an address with a port.
    private func hostProblem(_ text: String) -> (what: String, remedy: String?)? {
        let own = "are fields of their own"
        if text.contains("/") { return ("a URL or path, not a host", "write only the name or address; user: and port: \(own)") }
        if text.contains("@") { return ("it names a user, too", "write only the name or address; user: and port: \(own)") }
        if text.isEmpty || text.hasPrefix("-") || text.contains(where: \.isWhitespace) {
            return ("not a name or address", "write a DNS name or an IP address")
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        if parts.count == 2, !parts[1].isEmpty, parts[1].allSatisfy({ $0.isASCII && $0.isNumber }) {
            return ("it names a port, too", "write only the name or address; user: and port: \(own)")
        }
        if text.contains(":"), IPAddress(text.prefix { $0 != "%" }) == nil {
            return ("not an IPv6 address", "write it without brackets and port; port: is a field of its own")
        }
        if text.allSatisfy({ $0 == "." || $0.isASCII && $0.isNumber }), IPAddress(text) == nil {
            return ("not an IP address", "write four numbers from 0 to 255 with dots between them, without leading zeros")
        }
        return nil
    }

    private func cidrProblem(_ text: String) -> (what: String, remedy: String?)? {
        guard let cidr = CIDR(text) else {
            return ("not an address range", "write it as \(text.contains(":") ? "fd42::/56" : "10.42.0.0/16")")
        }
        return cidr == cidr.network ? nil : ("it has host bits set", "write \(cidr.network)")
    }
}

/// Names as Kubernetes takes them.
enum NameRule {
    /// RFC 1123 label: nil when the text is one.
    static func labelProblem(_ text: String) -> String? {
        if text.isEmpty { return "it is empty" }
        if text.count > 63 { return "it has more than 63 characters" }
        if !text.allSatisfy({ $0.isASCII && ($0.isLowercase || $0.isNumber || $0 == "-") }) {
            return "it has characters other than a-z, 0-9 and -"
        }
        return text.hasPrefix("-") || text.hasSuffix("-") ? "it begins or ends with -" : nil
    }

    /// What a branch's name must not have (git-check-ref-format(1), with `--branch`): nil when the text is one.
    static func branchProblem(_ text: String) -> String? {
        let signs = text.unicodeScalars.contains { $0.value <= 0x20 || $0.value == 0x7F || "~^:?*[\\".unicodeScalars.contains($0) }
        if signs { return "leave out blanks and ~ ^ : ? * [ \\" }
        if text.contains("..") || text.contains("@{") { return "leave out .. and @{" }
        if text.hasPrefix("-") || text.hasSuffix(".") { return "let it not begin with - nor end with ." }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        if parts.contains(where: \.isEmpty) { return "put / between names only" }
        let isHidden = parts.contains { $0.hasPrefix(".") || $0.hasSuffix(".lock") }
        return isHidden ? "let no part of it begin with . nor end with .lock" : nil
    }

    /// A label or taint key: an optional DNS prefix and a name (Kubernetes, "Labels and Selectors").
    static func isQualifiedName(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= 2, let name = parts.last, isName(name, orEmpty: false) else { return false }
        guard parts.count == 2 else { return true }
        return parts[0].count <= 253
            && parts[0].split(separator: ".", omittingEmptySubsequences: false).allSatisfy { labelProblem(String($0)) == nil }
    }

    /// A label's value or the name part of a key: at most 63 of letters, digits, `-_.`, alphanumeric at both ends.
    static func isName(_ text: String, orEmpty: Bool) -> Bool {
        if text.isEmpty { return orEmpty }
        let plain = { (character: Character) in character.isASCII && (character.isLetter || character.isNumber) }
        guard text.count <= 63, let first = text.first, let last = text.last, plain(first), plain(last) else { return false }
        return text.allSatisfy { plain($0) || "-_.".contains($0) }
    }
}

extension Taint {
    /// nil unless the text is `key[=value]:Effect` with a key and value as Kubernetes takes them.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let effect = Effect(rawValue: String(text[text.index(after: colon)...])) else {
            return nil
        }
        let pair = text[..<colon].split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let value = pair.count == 2 ? pair[1] : ""
        guard let key = pair.first, NameRule.isQualifiedName(key), NameRule.isName(value, orEmpty: true) else { return nil }
        self.init(key: key, value: value, effect: effect)
    }

    fileprivate static func problem(_ text: String) -> (what: String, remedy: String?)? {
        if Taint(text) != nil { return nil }
        let effect = text.split(separator: ":").last.map(String.init) ?? ""
        if Effect(rawValue: effect) == nil, let nearest = Suggestion.nearest(to: effect, in: Effect.allCases.map(\.rawValue)) {
            return ("\"\(effect)\" is no effect", "did you mean \"\(nearest)\"?")
        }
        return ("not a taint", "write key=value:NoSchedule, key:PreferNoSchedule or key:NoExecute")
    }
}

extension HostKey {
    /// The types of keys OpenSSH servers have.
    static let types = [
        "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa",
        "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
    ]

    /// Takes `type base64 [comment]` and `SHA256:base64`; nil when it is neither, or the blob is of another type than it says.
    package init?(_ text: String) {
        if text.hasPrefix("SHA256:") {
            let body = text.dropFirst(7)
            guard body.count == 43, body.allSatisfy(Self.isBase64) else { return nil }
            self = .fingerprint(String(body))
            return
        }
        let words = text.split(whereSeparator: { $0 == " " || $0 == "\t" }).map(String.init)
        guard words.count >= 2, Self.types.contains(words[0]) else { return nil }
        let blob = words[1]
        guard blob.count % 4 == 0, let bytes = Self.bytes(base64: blob), bytes.count > 4 + words[0].utf8.count else { return nil }
        // RFC 4253 section 6.6: the blob begins with the type's name as a string with its length.
        let name = Array(words[0].utf8)
        guard bytes[0..<4].elementsEqual([0, 0, 0, UInt8(name.count)]), bytes[4..<4 + name.count].elementsEqual(name) else { return nil }
        self = .key(type: words[0], blob: blob)
    }

    private static func isBase64(_ character: Character) -> Bool {
        character.isASCII && (character.isLetter || character.isNumber || character == "+" || character == "/")
    }

    private static func bytes(base64: String) -> [UInt8]? {
        var result: [UInt8] = []
        var buffer: UInt32 = 0
        var bits = 0
        let body = base64.utf8.prefix { $0 != 61 }
        guard base64.utf8.count - body.count <= 2, base64.utf8.dropFirst(body.count).allSatisfy({ $0 == 61 }) else { return nil }
        for byte in body {
            let six: UInt8
            switch byte {
            case 65...90: six = byte - 65
            case 97...122: six = byte - 71
            case 48...57: six = byte + 4
            case 43: six = 62
            case 47: six = 63
            default: return nil
            }
            buffer = buffer << 6 | UInt32(six)
            bits += 6
            if bits >= 8 {
                bits -= 8
                result.append(UInt8(buffer >> UInt32(bits) & 255))
            }
        }
        return result
    }
}

extension MaintenanceWindow {
    /// `HH:MM` as minutes since midnight.
    static func minutes(_ text: String) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.count == 2 }), let hour = Int(parts[0]), let minute = Int(parts[1]),
            (0...23).contains(hour), (0...59).contains(minute)
        else { return nil }
        return hour * 60 + minute
    }
}
