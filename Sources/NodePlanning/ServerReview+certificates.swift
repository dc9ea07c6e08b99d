package import Diagnostics

extension [ServerReview.Certificate] {
    /// From so many days before its end on a certificate is warned of: k3s renews it by itself at a start in its last 120 days (90 before May
    /// 2025, docs.k3s.io/cli/certificate), so one that is nearer to its end belongs to a k3s that has not been started for long.
    package static var nearDays: Int { 30 }

    /// What there is to say of the certificates on a node, `now` in seconds since 1970; nil when all of them last.
    package func finding(on node: String, at now: Int) -> Diagnostic? {
        let soon = filter { $0.notAfter - now < Self.nearDays * 86400 }.sorted { $0.notAfter < $1.notAfter }
        guard let first = soon.first else { return nil }
        let days = (first.notAfter - now) / 86400
        let others = soon.count == 1 ? "" : " and \(soon.count - 1) more"
        let hasEnded = first.notAfter < now
        return Diagnostic(
            hasEnded ? .error : .warning,
            hasEnded ? "certificates have expired" : "certificates expire in \(days) day\(days == 1 ? "" : "s")",
            subject: "node \"\(node)\"",
            cause: first.path + others,
            remedy: "`homelab certs rotate` renews them; a k3s that starts renews those with less than 120 days left")
    }
}
