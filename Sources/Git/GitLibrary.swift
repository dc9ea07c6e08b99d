internal import CGitSupport
internal import CLibgit2

/// libgit2, started once for the process and never stopped.
enum GitLibrary {
    static let isReady: Bool = git_libgit2_init() > 0 && homelab_git_trust_owners() == 0

    /// A URL as it may be shown: without user name and password.
    static func redacted(_ url: String) -> String {
        guard let scheme = url.firstRange(of: "://"), let at = url[scheme.upperBound...].firstIndex(of: "@") else { return url }
        let host = url[scheme.upperBound...].firstIndex(of: "/") ?? url.endIndex
        guard at < host, url[scheme.upperBound..<at].contains(":") || url.hasPrefix("http") else { return url }
        return String(url[..<scheme.upperBound] + url[url.index(after: at)...])
    }
}
