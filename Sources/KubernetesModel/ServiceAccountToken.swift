package import Diagnostics

/// What the TokenRequest API gives for a ServiceAccount
/// (https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/).
package struct ServiceAccountToken: Hashable, Sendable {
    package var text: Secret
    /// From when it was given on.
    package var lifetime: Duration

    package init(text: Secret, lifetime: Duration) {
        self.text = text
        self.lifetime = lifetime
    }
}
