package import Diagnostics

/// `host:port` to listen on; a host with colons may stand in brackets.
package struct ListenAddress: Hashable, Sendable {
    package let host: String
    package let port: Int

    /// nil unless the host is an address or a name and the port one that there is; port 0 lets the system choose.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]), (0...65535).contains(port) else {
            return nil
        }
        let host = text[..<colon].filter { $0 != "[" && $0 != "]" }
        let isName = host.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == ".") }
        guard host.isEmpty || isName || IPAddress(host) != nil else { return nil }
        self.host = host
        self.port = port
    }

    /// - Throws: `Diagnostic` that names the field.
    package static func read(_ text: String, field: String) throws(Diagnostic) -> ListenAddress {
        guard let address = ListenAddress(text) else {
            throw Diagnostic(.error, "\(field): \(text) is no address with a port", remedy: "for instance 127.0.0.1:9797")
        }
        return address
    }
}
