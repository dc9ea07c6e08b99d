/// The URL of a repository over http or https, and the login that may stand in it (RFC 3986, `userinfo`), apart from each other.
package struct RepositoryURL: Hashable, Sendable {
    /// Without the login: for requests, and for people. Any other URL as it is.
    package let plain: String
    /// nil where there is none, or an empty one.
    package let user: String?
    package let password: String?

    package init(_ url: String) {
        guard let scheme = ["https://", "http://"].first(where: { url.hasPrefix($0) }) else {
            (plain, user, password) = (url, nil, nil)
            return
        }
        let rest = url.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard let at = authority.lastIndex(of: "@") else {
            (plain, user, password) = (url, nil, nil)
            return
        }
        plain = scheme + rest[rest.index(after: at)...]
        let parts = authority[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(Self.decoded)
        user = parts[0].isEmpty ? nil : parts[0]
        password = parts.count < 2 || parts[1].isEmpty ? nil : parts[1]
    }

    /// With the bytes that `%41` and the like stand for.
    private static func decoded(_ text: Substring) -> String {
        var (bytes, rest) = ([UInt8](), text.utf8[...])
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let code = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) {
                bytes.append(code)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
