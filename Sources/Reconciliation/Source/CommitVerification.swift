import CommitSignatures
import Cryptography
import Diagnostics
import Git
package import KubernetesModel

/// Which signatures a commit must have before it counts: a GitRepository's `spec.verify`.
package struct CommitVerification: Sendable {
    private let mode: GitRepositorySpec.Verification.Mode
    private let signers: TrustedSigners
    /// What is said besides of a commit that is not believed.
    private let remark: String

    /// - Parameters:
    ///   - data: of the Secret: OpenPGP keys in `*.asc` and SSH keys in `*.sshpub`, as Flux has them, or a file of ssh-keygen(1)'s
    ///     allowed signers in `allowed_signers`.
    ///   - remark: what is said besides of a commit that is not believed.
    /// - Throws: `Diagnostics` about every key that cannot be used.
    package init(_ spec: GitRepositorySpec.Verification, data: [String: [UInt8]], remark: String = "") throws {
        mode = spec.mode
        self.remark = remark
        var (signers, findings) = (TrustedSigners(), Diagnostics())
        for (name, bytes) in data.sorted(by: { $0.key < $1.key }) {
            let text = String(decoding: bytes, as: UTF8.self)
            let place = "Secret \(spec.secret), \(name)"
            do {
                if name.hasSuffix(".asc") {
                    try signers.openPGP.add(text, name: place)
                } else if name == "allowed_signers" {
                    try signers.ssh.add(text, name: place)
                } else if name.hasSuffix(".sshpub") {
                    for line in text.split(whereSeparator: \.isNewline) {
                        guard let key = OpenSSHPublicKey(line: line) else {
                            throw Diagnostic(
                                .error, "it is no public key of SSH", subject: place, remedy: "give a line `ssh-ed25519 AAAA…`")
                        }
                        signers.ssh.allow(key, name: key.comment.isEmpty ? name : key.comment)
                    }
                }
            } catch {
                findings.append(error, subject: place)
            }
        }
        if findings.isEmpty, signers.ssh.isEmpty, signers.openPGP.isEmpty {
            findings.append(
                Diagnostic(
                    .error, "the Secret \(spec.secret) of spec.verify has no key", remedy: "add *.asc, *.sshpub or allowed_signers to it"))
        }
        try findings.throwIfErrors()
        self.signers = signers
    }

    /// Who signed, for the status.
    func signers(of commit: CommitInfo, in repository: any RepositorySource) async throws(SourceProblem) -> String {
        var texts: [String] = []
        if mode != .head { texts.append(try await tag(of: commit, in: repository)) }
        if mode != .tag {
            let object = try await repository.object(commit.id)
            guard case .commit(let bytes) = object else { throw SourceProblem(.other, "\(commit.id) is no commit") }
            let signer = try check("commit \(commit.id.hex)", or: .unverified) { () throws(SignatureProblem) in
                try SignedObject(commit: bytes)
            }
            texts.append("commit '\(commit.id.hex)' with key '\(signer.fingerprint)' of \(signer.name)")
        }
        return "verified signature of " + texts.joined(separator: " and ")
    }

    private func tag(of commit: CommitInfo, in repository: any RepositorySource) async throws(SourceProblem) -> String {
        guard let id = try await repository.followedObject(), case .tag(let bytes) = try await repository.object(id) else {
            throw SourceProblem(.unsignedTag, "what is followed is no annotated tag, which alone can be signed (spec.verify.mode)")
        }
        guard String(decoding: bytes, as: UTF8.self).hasPrefix("object \(commit.id.hex)\n") else {
            throw SourceProblem(.unverifiedTag, "the tag \(id.hex) does not name the commit \(commit.id.hex) itself")
        }
        let signer = try check("tag \(id.hex)", or: .unverifiedTag) { () throws(SignatureProblem) in try SignedObject(tag: bytes) }
        return "tag '\(id.hex)' with key '\(signer.fingerprint)' of \(signer.name)"
    }

    private func check(
        _ what: String, or kind: SourceProblem.Kind, _ object: () throws(SignatureProblem) -> SignedObject
    ) throws(SourceProblem) -> Signer {
        do throws(SignatureProblem) {
            return try signers.verify(object())
        } catch {
            let isUnsignedTag = kind == .unverifiedTag && error.kind == .unsigned
            let why = remark.isEmpty ? "\(error)" : "\(error); \(remark)"
            throw SourceProblem(isUnsignedTag ? .unsignedTag : kind, "\(what) is not believed: \(why)")
        }
    }
}
