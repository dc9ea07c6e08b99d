import Synchronization

/// The names of groups and kinds, of which a cluster has a few hundred and its objects many thousands: each is in memory once.
enum SharedText {
    private static let known = Mutex<Set<String>>([])
    /// What a manifest says is its kind need not be one.
    private static let limit = 4096

    static func of(_ text: some StringProtocol) -> String {
        // Shorter ones take no memory of their own.
        let text = String(text)
        guard text.utf8.count > 15 else { return text }
        return known.withLock { known in
            if let index = known.firstIndex(of: text) { return known[index] }
            if known.count < limit { known.insert(text) }
            return text
        }
    }
}
