package import Diagnostics
package import HTTP

/// Where an API server is and how to prove who we are: one context of a kubeconfig.
package struct ClusterConnection: Hashable, Sendable {
    package enum Credentials: Hashable, Sendable {
        /// A client certificate, or nobody.
        case none
        case token(Secret)
        /// Read again for each request, as tokens in files are rotated.
        case tokenFile(String)
        case basic(user: String, password: Secret)
        /// Of another cluster, whose tokens this one takes.
        case serviceAccount(ServiceAccountCredential)
    }

    /// `https://192.168.1.10:6443`, without a slash at the end.
    package var server: String
    package var tls: TLSOptions
    package var credentials: Credentials
    /// The context's namespace; `default` where it names none.
    package var namespace: String
    /// What the user calls it, for messages.
    package var context: String

    package init(
        server: String, tls: TLSOptions, credentials: Credentials = .none, namespace: String = "default", context: String = ""
    ) {
        self.server = server
        self.tls = tls
        self.credentials = credentials
        self.namespace = namespace
        self.context = context
    }
}
