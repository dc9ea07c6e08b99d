internal import Diagnostics
internal import YAML

/// The key of a file's values: encrypted to each recipient of a group by itself, and where there are several groups split among them.
struct SOPSDataKey {
    /// Of each group the entries for age.
    private let groups: [[Value]]
    private let threshold: Int

    init(_ metadata: Value) {
        let own = metadata["age"]?.array ?? []
        groups = own.isEmpty ? (metadata["key_groups"]?.array ?? []).map { $0["age"]?.array ?? [] } : [own]
        let said = metadata["shamir_threshold"].flatMap { $0.int.map { Int(clamping: $0) } ?? $0.string.flatMap { Int($0) } } ?? 0
        threshold = groups.count == 1 ? 1 : said > 0 ? said : groups.count
    }

    /// - Parameter finding: makes an error of a cause and a remedy.
    func opened(
        with keyring: AgeKeyring, _ finding: (_ cause: String, _ remedy: String) -> Diagnostic
    ) throws(Diagnostics) -> [UInt8] {
        guard groups.contains(where: { !$0.isEmpty }) else {
            throw Diagnostics([finding("it is encrypted to no age key", "add an age recipient with `sops updatekeys`")])
        }
        let shares = groups.compactMap { share(of: $0, keyring) }
        guard shares.count >= threshold else { throw Diagnostics([finding(cause(shares.count, keyring), Self.remedy)]) }
        if groups.count == 1 { return shares[0] }
        guard let key = ShamirShares.combined(shares) else {
            throw Diagnostics([
                finding("the parts that its groups of keys have (sops.key_groups) do not belong together", "encrypt it anew with `sops`")
            ])
        }
        return key
    }

    private func share(of entries: [Value], _ keyring: AgeKeyring) -> [UInt8]? {
        for entry in entries {
            guard let file = try? AgeFile(Array((entry["enc"]?.string ?? "").utf8)) else { continue }
            if let key = try? file.opened(with: keyring.identities) { return key }
        }
        return nil
    }

    private static let remedy =
        "put the private key into the Secret that spec.decryption.secretRef names, under a name that ends in .agekey"

    private func cause(_ opened: Int, _ keyring: AgeKeyring) -> String {
        let recipients = groups.map { $0.compactMap { $0["recipient"]?.string }.joined(separator: ", ") }
        let own = keyring.identities.map(\.recipient).joined(separator: ", ")
        let keys = "the keys are those of \(own.isEmpty ? "nobody" : own)" + (keyring.note.map { "; \($0)" } ?? "")
        if groups.count == 1 { return "none of the keys opens it: it is encrypted to \(recipients[0]); \(keys)" }
        let parts = recipients.enumerated().map { "\($0 + 1): \($1.isEmpty ? "none of age" : $1)" }.joined(separator: "; ")
        return "of \(groups.count) groups of keys (sops.key_groups) \(threshold) have to open their part of its key, and \(opened) did: "
            + "they are \(parts); \(keys)"
    }
}
