internal import HTTP
internal import NIOSSL

/// What a TLS connection that could not be made is about, in words: BoringSSL's own are codes, with the place in its source.
struct TLSFailure {
    let kind: HTTPError.Kind
    let detail: String

    /// nil when the error is none of TLS.
    init?(_ error: any Error) {
        switch error {
        case is NIOSSLExtraError:
            (kind, detail) = (.untrusted, "the server's certificate is for another name")
        case is NIOSSLError, is BoringSSLError:
            let text = "\(error)"
            if text.contains("CERTIFICATE_VERIFY_FAILED") {
                (kind, detail) = (.untrusted, "nobody who is trusted vouches for the server's certificate")
            } else if text.contains("ALERT_CERTIFICATE_REQUIRED") {
                (kind, detail) = (.refused, "the server wants a certificate of its client, and is shown none")
            } else if Self.complaints.contains(where: { text.contains($0) }) {
                (kind, detail) = (.refused, "the server does not believe the certificate that it is shown")
            } else {
                (kind, detail) = (.untrusted, "the TLS connection could not be made: \(Self.codes(in: text) ?? text)")
            }
        default: return nil
        }
    }

    /// Of a client's certificate (RFC 8446, 6.2).
    private static let complaints = [
        "ALERT_UNKNOWN_CA", "ALERT_BAD_CERTIFICATE", "ALERT_UNSUPPORTED_CERTIFICATE", "ALERT_CERTIFICATE_REVOKED",
        "ALERT_CERTIFICATE_EXPIRED", "ALERT_CERTIFICATE_UNKNOWN", "ALERT_ACCESS_DENIED",
    ]

    private static func codes(in text: String) -> String? {
        let codes = text.split(separator: "OPENSSL_internal:").dropFirst().map { $0.prefix { !$0.isWhitespace && $0 != "]" } }
        return codes.isEmpty ? nil : codes.joined(separator: ", ")
    }
}
