/// Why a commit or tag is not taken for one that a trusted person signed.
package struct SignatureProblem: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        case unsigned
        /// It cannot be read.
        case malformed
        /// A kind of signature or key that is not checked here.
        case unsupported
        /// Nobody who is trusted has such a key.
        case unknownKey
        /// The key is known, and not allowed for this: expired, revoked, for another purpose.
        case notAllowed
        /// The signature does not belong to these bytes.
        case wrong
    }

    package let kind: Kind
    package let description: String

    package init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}

/// Who signed.
package struct Signer: Hashable, Sendable, CustomStringConvertible {
    /// The principals of an allowed signer, or the user ID of an OpenPGP key.
    package let name: String
    /// `SHA256:…` of an SSH key, or the hexadecimal fingerprint of an OpenPGP key.
    package let fingerprint: String

    package init(name: String, fingerprint: String) {
        self.name = name
        self.fingerprint = fingerprint
    }

    package var description: String { "\(name) with key \(fingerprint)" }
}

/// Whose signatures are believed.
package struct TrustedSigners: Sendable {
    package var ssh: AllowedSigners
    package var openPGP: OpenPGPKeyring

    package init(ssh: AllowedSigners = AllowedSigners(), openPGP: OpenPGPKeyring = OpenPGPKeyring()) {
        self.ssh = ssh
        self.openPGP = openPGP
    }

    package func verify(_ object: SignedObject) throws(SignatureProblem) -> Signer {
        switch object.signature {
        case .ssh(let text): try ssh.verify(text, of: object.payload, at: object.time)
        case .openPGP(let text): try openPGP.verify(text, of: object.payload)
        }
    }
}
