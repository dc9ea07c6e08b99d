package import Cryptography
package import Diagnostics

/// Whose SSH signatures are believed: the ALLOWED SIGNERS file of ssh-keygen(1), as git's `gpg.ssh.allowedSignersFile` names it.
package struct AllowedSigners: Hashable, Sendable {
    private struct Entry: Hashable {
        var principals: String
        var key: OpenSSHPublicKey
        /// Patterns; nil where every purpose is allowed.
        var namespaces: [String]?
        /// Seconds since 1970.
        var validAfter: Int64?
        var validBefore: Int64?

        func obstacle(at time: Int64) -> String? {
            if let namespaces, !AllowedSignersLine.matches("git", namespaces) { return "is not allowed for git" }
            if let validAfter, time < validAfter { return "was not valid yet when this was signed" }
            if let validBefore, time > validBefore { return "was not valid any more when this was signed" }
            return nil
        }
    }

    private var entries: [Entry] = []

    /// Nobody.
    package init() {}

    package var isEmpty: Bool { entries.isEmpty }

    /// - Parameter name: of the file, for messages.
    /// - Throws: every line that cannot be used; a signer who was left out silently would be missed too late.
    package init(_ text: String, name: String) throws(Diagnostics) { try add(text, name: name) }

    /// Adds the signers of another such file.
    package mutating func add(_ text: String, name: String) throws(Diagnostics) {
        var findings = Diagnostics()
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            var line = AllowedSignersLine(line)
            if line.isComment { continue }
            do throws(AllowedSignersLine.Problem) {
                entries.append(try Self.entry(&line))
            } catch {
                findings.append(
                    Diagnostic(
                        .error, error.summary, at: SourceLocation(file: name, line: index + 1), remedy: error.remedy))
            }
        }
        try findings.throwIfErrors()
    }

    /// One trusted key, whoever holds it.
    package mutating func allow(_ key: OpenSSHPublicKey, name: String) { entries.append(Entry(principals: name, key: key)) }

    private static func entry(_ line: inout AllowedSignersLine) throws(AllowedSignersLine.Problem) -> Entry {
        guard let principals = line.word(), !principals.isEmpty else {
            throw AllowedSignersLine.Problem("the line names no principal", "write: name@example.org ssh-ed25519 AAAA…")
        }
        if let key = OpenSSHPublicKey(line: line.rest) { return Entry(principals: principals, key: key) }
        var options = line.options()
        guard let key = OpenSSHPublicKey(line: line.rest) else {
            throw AllowedSignersLine.Problem("the line has no public key", "write: name@example.org ssh-ed25519 AAAA…")
        }
        var entry = Entry(principals: principals, key: key)
        if options.removeValue(forKey: "cert-authority") != nil {
            throw AllowedSignersLine.Problem("cert-authority is not supported", "list the keys of the signers themselves")
        }
        entry.namespaces = options.removeValue(forKey: "namespaces").map { $0.split(separator: ",").map(String.init) }
        for (name, field) in [("valid-after", \Entry.validAfter), ("valid-before", \Entry.validBefore)] {
            guard let text = options.removeValue(forKey: name) else { continue }
            guard let time = AllowedSignersLine.time(text) else {
                throw AllowedSignersLine.Problem(
                    "\(name)=\(text) is no time", "write YYYYMMDD, or YYYYMMDDHHMM[SS], in UTC with a Z behind it")
            }
            entry[keyPath: field] = time
        }
        if let unknown = options.keys.sorted().first {
            throw AllowedSignersLine.Problem(
                "the option \(unknown) is unknown", "there are namespaces, valid-after and valid-before (ssh-keygen(1))")
        }
        return entry
    }

    /// Who signed a commit, by its own time, as git checks it.
    /// - Parameter commit: as git stores it, without the object's header.
    package func verify(commit: [UInt8]) throws(SignatureProblem) -> Signer {
        try TrustedSigners(ssh: self).verify(SignedObject(commit: commit))
    }

    func verify(_ armored: String, of payload: [UInt8], at time: Int64) throws(SignatureProblem) -> Signer {
        let signature = try SSHSignature(armored: armored)
        let fingerprint = signature.key.fingerprint
        guard signature.namespace == "git" else {
            throw SignatureProblem(.notAllowed, "the signature was made for \"\(signature.namespace)\", not for git")
        }
        let known = entries.filter { $0.key == signature.key }
        guard !known.isEmpty else {
            throw SignatureProblem(.unknownKey, "it is signed with the key \(fingerprint), which is none of the allowed signers'")
        }
        try signature.verify(payload)
        var reasons: [String] = []
        for entry in known {
            guard let reason = entry.obstacle(at: time) else { return Signer(name: entry.principals, fingerprint: fingerprint) }
            reasons.append(reason)
        }
        throw SignatureProblem(.notAllowed, "the key \(fingerprint) of \(known[0].principals) \(reasons[0])")
    }
}
