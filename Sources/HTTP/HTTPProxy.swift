/// A proxy that stands between a client and every host it speaks to.
package struct HTTPProxy: Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        /// Tunnels by CONNECT (RFC 9110, 9.3.6).
        case http
        /// Version 5 (RFC 1928), without a login.
        case socks
    }

    package var kind: Kind
    package var host: String
    package var port: Int
    /// nil where nobody has to log in.
    package var login: Login?

    package struct Login: Hashable, Sendable {
        package var username: String
        package var password: String

        package init(username: String, password: String) {
            self.username = username
            self.password = password
        }
    }

    /// - Parameter address: `http://HOST:PORT` or `socks5://HOST:PORT`; the port may be left out.
    /// - Returns: nil for anything else.
    package init?(address: String, login: Login? = nil) {
        let parts = address.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count >= 3, parts[1].isEmpty, parts.dropFirst(3).allSatisfy(\.isEmpty) else { return nil }
        switch parts[0] {
        case "http:": kind = .http
        case "socks5:": kind = .socks
        default: return nil
        }
        let usual = kind == .http ? 80 : 1080
        let colon = parts[2].hasSuffix("]") ? nil : parts[2].lastIndex(of: ":")
        guard let port = colon.map({ Int(parts[2][parts[2].index(after: $0)...]) }) ?? usual, (1...65535).contains(port) else { return nil }
        host = String(parts[2][..<(colon ?? parts[2].endIndex)])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard !host.isEmpty, !host.contains("@") else { return nil }
        self.port = port
        self.login = login
    }

    package var description: String { "\(kind == .http ? "http" : "socks5")://\(host):\(port)" }
}
