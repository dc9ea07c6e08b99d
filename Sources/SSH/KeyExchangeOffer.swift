internal import Cryptography

/// What a server offers in its first, unencrypted messages (RFC 4253 sections 4.2 and 7.1): the way to say what was missing when the
/// key exchange found nothing in common.
struct KeyExchangeOffer: Equatable {
    /// `SSH-2.0-OpenSSH_9.2p1 …`, empty when the server sent none.
    let banner: String
    let keyExchange: [String]
    let hostKeys: [String]
    /// From server to client, as libssh2 needs both directions alike.
    let ciphers: [String]
    let macs: [String]

    /// Reads the bytes as they came; lists are empty when the message is not complete.
    init(_ bytes: [UInt8]) {
        var rest = bytes[...]
        var banner = ""
        while banner.isEmpty, let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            let line = String(decoding: rest[..<end].filter { $0 != UInt8(ascii: "\r") }, as: UTF8.self)
            rest = rest[(end + 1)...]
            if line.hasPrefix("SSH-") { banner = line }
        }
        self.banner = banner
        var reader = WireReader(Array(rest))
        var lists: [[String]] = []
        if !banner.isEmpty, reader.number() != nil, reader.byte() != nil, reader.byte() == 20, reader.raw(16) != nil {
            while lists.count < 6, let list = reader.text() { lists.append(list.split(separator: ",").map(String.init)) }
        }
        let isComplete = lists.count == 6
        keyExchange = isComplete ? lists[0] : []
        hostKeys = isComplete ? lists[1] : []
        ciphers = isComplete ? lists[3] : []
        macs = isComplete ? lists[5] : []
    }

    /// In words what of the offer a client cannot do, given what it can; nil when everything has a match.
    func mismatch(keyExchange: [String], hostKeys: [String], ciphers: [String], macs: [String]) -> String? {
        var missing: [String] = []
        for (what, offered, able) in [
            ("key exchanges", self.keyExchange, keyExchange), ("host key types", self.hostKeys, hostKeys),
            ("ciphers", self.ciphers, ciphers), ("message codes", self.macs, macs),
        ] where !offered.isEmpty && Set(offered).isDisjoint(with: able) {
            missing.append("\(what) \(offered.joined(separator: ", "))")
        }
        return missing.isEmpty ? nil : "it offers only the " + missing.joined(separator: "; and only the ")
    }
}
