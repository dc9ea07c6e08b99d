/// A public key as people publish it (RFC 9580 section 10.1): the primary key, whose it is, and its subkeys, each with what vouches for it.
struct OpenPGPCertificate {
    /// A key that may sign, and until when.
    struct SigningKey {
        let key: OpenPGPPublicKey
        /// Seconds since 1970; nil for no end.
        let expires: Int?
        let isRevoked: Bool
    }

    let name: String
    let primary: OpenPGPPublicKey
    /// The primary key's own end and revocation, which hold for all subkeys.
    private(set) var standing: SigningKey
    private(set) var signingKeys: [SigningKey] = []

    /// Section 5.2.3.29.
    private static let signFlag: UInt8 = 0x02

    /// nil when the primary key vouches for nothing: anybody could have put such a thing together.
    init?(primary: OpenPGPPublicKey, following packets: ArraySlice<OpenPGPPacket>) {
        let groups = Self.groups(packets)
        var newest: OpenPGPSignature?
        var name: String?
        var isRevoked = false
        for group in groups where group.owner?.tag != OpenPGPPacket.publicSubkey {
            let form = primary.signedForm + Self.userForm(group.owner)
            let own = group.signatures.filter { primary.made($0, over: form) }
            if group.owner == nil, own.contains(where: { $0.kind == .keyRevocation }) { isRevoked = true }
            let vouching = own.filter { group.owner == nil ? $0.kind == .directKey : $0.isCertification }
            guard let last = vouching.max(by: { $0.created < $1.created }), !own.contains(where: { $0.kind == .certificationRevocation })
            else {
                continue
            }
            if newest.map({ $0.created < last.created }) ?? true { newest = last }
            if let owner = group.owner, owner.tag == OpenPGPPacket.userID, name == nil {
                name = String(decoding: owner.body, as: UTF8.self)
            }
        }
        guard let newest else { return nil }
        self.name = name ?? primary.hex
        self.primary = primary
        let flags = newest.keyFlags
        standing = SigningKey(key: primary, expires: newest.keyLifetime.map { primary.created + $0 }, isRevoked: isRevoked)
        if primary.isUsable, flags.map({ $0 & Self.signFlag != 0 }) ?? true { signingKeys.append(standing) }
        for group in groups where group.owner?.tag == OpenPGPPacket.publicSubkey {
            if let owner = group.owner, let key = OpenPGPPublicKey(owner.body), let signing = subkey(key, group.signatures) {
                signingKeys.append(signing)
            }
        }
    }

    /// A subkey that the primary key bound to itself for signing, and that agrees to be (section 5.2.1, types 0x18 and 0x19).
    private func subkey(_ key: OpenPGPPublicKey, _ signatures: [OpenPGPSignature]) -> SigningKey? {
        let form = primary.signedForm + key.signedForm
        let own = signatures.filter { primary.made($0, over: form) }
        guard key.isUsable, let binding = own.filter({ $0.kind == .subkeyBinding }).max(by: { $0.created < $1.created }),
            let flags = binding.keyFlags, flags & Self.signFlag != 0, let back = binding.embedded.flatMap({ OpenPGPSignature($0) }),
            back.kind == .primaryKeyBinding, key.made(back, over: form)
        else { return nil }
        return SigningKey(
            key: key, expires: binding.keyLifetime.map { key.created + $0 }, isRevoked: own.contains { $0.kind == .subkeyRevocation })
    }

    private struct Group {
        /// A user ID, user attribute or subkey; nil for the primary key.
        var owner: OpenPGPPacket?
        var signatures: [OpenPGPSignature] = []
    }

    /// Each packet that signatures are about, with those that follow it.
    private static func groups(_ packets: ArraySlice<OpenPGPPacket>) -> [Group] {
        var groups = [Group()]
        for packet in packets {
            if packet.tag == OpenPGPPacket.signature {
                if let signature = OpenPGPSignature(packet.body) { groups[groups.count - 1].signatures.append(signature) }
            } else {
                groups.append(Group(owner: packet))
            }
        }
        return groups
    }

    /// A user ID or attribute as what a certification begins with (section 5.2.4).
    private static func userForm(_ owner: OpenPGPPacket?) -> [UInt8] {
        guard let owner else { return [] }
        let count = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: owner.body.count >> $0) }
        return [owner.tag == OpenPGPPacket.userID ? 0xB4 : 0xD1] + count + owner.body
    }
}
