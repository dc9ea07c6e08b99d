/// How a client proves who it is and whom it trusts; PEM texts, not paths. Nothing given means the system's roots and no client certificate.
package struct TLSOptions: Hashable, Sendable {
    package var trustRoots: String?
    package var clientCertificate: String?
    package var clientKey: String?
    package var insecureSkipVerify: Bool

    package init(trustRoots: String? = nil, clientCertificate: String? = nil, clientKey: String? = nil, insecureSkipVerify: Bool = false) {
        self.trustRoots = trustRoots
        self.clientCertificate = clientCertificate
        self.clientKey = clientKey
        self.insecureSkipVerify = insecureSkipVerify
    }
}
