package import Diagnostics

/// The private keys that files are opened with.
package struct AgeKeyring: Sendable {
    package private(set) var identities: [AgeIdentity] = []
    /// Where keys are written of kinds that are not known here: `Secret/flux-system/sops-age age.agekey, line 3`.
    package private(set) var unknown: [String] = []

    package init() {}

    /// Takes in the keys of a key file: one a line, with comments. One of another kind does not keep the others from opening what they
    /// open.
    /// - Throws: the lines that are none, by number; never what they say.
    package mutating func add(file text: Secret, name: String) throws(Diagnostics) {
        var problems = Diagnostics()
        for (number, line) in text.revealed.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let line = line.filter { !$0.isWhitespace }
            if line.isEmpty || line.hasPrefix("#") { continue }
            if let identity = AgeIdentity(line) {
                identities.append(identity)
            } else if ["AGE-SECRET-KEY-PQ-1", "AGE-PLUGIN-"].contains(where: line.uppercased().hasPrefix) {
                unknown.append("\(name), line \(number + 1)")
            } else {
                problems.append(
                    Diagnostic(
                        .error, "line \(number + 1) is no age key", subject: name,
                        remedy: "`age-keygen` makes keys that begin with AGE-SECRET-KEY-1; SSH keys are not known"))
            }
        }
        try problems.throwIfErrors()
    }

    /// What the keys are left out for; nil where none is.
    package var note: String? {
        guard !unknown.isEmpty else { return nil }
        return "age keys of kinds that are not known here, post-quantum or of a plug-in, are left out: " + unknown.joined(separator: "; ")
    }
}
