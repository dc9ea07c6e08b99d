import Cryptography
package import Diagnostics

/// The OpenPGP keys whose signatures are believed, as `gpg --armor --export` gives them.
package struct OpenPGPKeyring: Sendable {
    private var certificates: [OpenPGPCertificate] = []

    /// Nobody's.
    package init() {}

    package var isEmpty: Bool { certificates.isEmpty }

    /// Adds all keys of an armored file.
    /// - Parameter name: of the file, for messages.
    package mutating func add(_ text: String, name: String) throws(Diagnostic) {
        func problem(_ text: String) -> Diagnostic {
            Diagnostic(.error, text, subject: name, remedy: "export the key with: gpg --armor --export NAME")
        }
        let blocks = OpenPGPPacket.blocks(text, label: "PGPPUBLICKEYBLOCK")
        guard !blocks.isEmpty else { throw problem("it is no armored OpenPGP public key") }
        for block in blocks {
            guard let block, let packets = OpenPGPPacket.packets(block) else { throw problem("the OpenPGP key is damaged") }
            let starts = packets.indices.filter { packets[$0].tag == OpenPGPPacket.publicKey }
            guard starts.first == 0 else { throw problem("it does not begin with a public key") }
            for (start, end) in zip(starts, starts.dropFirst() + [packets.count]) {
                guard let primary = OpenPGPPublicKey(packets[start].body) else {
                    throw problem("a key is damaged, or not of version 4 of the format")
                }
                guard let certificate = OpenPGPCertificate(primary: primary, following: packets[(start + 1)..<end]) else {
                    throw problem("key \(primary.hex) has no user ID that it vouches for, or is of a kind that is not supported")
                }
                guard !certificate.signingKeys.isEmpty else {
                    throw problem("key \(primary.hex) has no part that signs with RSA, ECDSA or ed25519")
                }
                certificates.append(certificate)
            }
        }
    }

    /// The signer; a key counts as it was when it signed.
    func verify(_ armored: String, of payload: [UInt8]) throws(SignatureProblem) -> Signer {
        let damaged = SignatureProblem(.malformed, "the OpenPGP signature cannot be read")
        let blocks = OpenPGPPacket.blocks(armored, label: "PGPSIGNATURE")
        guard blocks.count == 1, let block = blocks[0], let packets = OpenPGPPacket.packets(block), packets.count == 1,
            packets[0].tag == OpenPGPPacket.signature, let signature = OpenPGPSignature(packets[0].body), signature.kind == .binary
        else { throw damaged }
        guard let hash = signature.hash, hash != .sha1 else {
            throw SignatureProblem(.unsupported, "the signature's hash is not safe; sign with SHA-256 or SHA-512")
        }
        for certificate in certificates {
            guard let signing = certificate.signingKeys.first(where: { signature.names($0.key) }) else { continue }
            guard signing.key.made(signature, over: payload) else {
                throw SignatureProblem(.wrong, "the signature by \(signing.key.hex) does not belong to this content")
            }
            let owner = "the key \(signing.key.hex) of \(certificate.name)"
            for key in [certificate.standing, signing] {
                if key.isRevoked { throw SignatureProblem(.notAllowed, "\(owner) is revoked") }
                if signature.created < key.key.created { throw SignatureProblem(.notAllowed, "\(owner) is younger than the signature") }
                if let end = key.expires, signature.created >= end {
                    throw SignatureProblem(.notAllowed, "\(owner) had expired when this was signed")
                }
            }
            return Signer(name: certificate.name, fingerprint: signing.key.hex)
        }
        throw SignatureProblem(.unknownKey, "it is signed with the OpenPGP key \(signature.issuer), which is none of the trusted ones")
    }
}
