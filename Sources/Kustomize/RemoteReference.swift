/// Tells URLs from paths.
enum RemoteReference {
    /// A file to be fetched as it is.
    static func isFile(_ text: String) -> Bool { text.hasPrefix("https://") || text.hasPrefix("http://") }

    /// Something that names a repository: a URL, `git::…`, `git@host:path`, or a path at a well-known host.
    static func isRepository(_ text: String) -> Bool {
        let schemes = ["https://", "http://", "ssh://", "git://", "file://", "git::"]
        if schemes.contains(where: text.hasPrefix) { return true }
        if let at = text.firstIndex(of: "@"), let colon = text.firstIndex(of: ":"), at < colon, !text[..<at].contains("/") { return true }
        return ["github.com/", "gitlab.com/", "bitbucket.org/"].contains(where: text.hasPrefix) || text.contains("?ref=")
    }
}
