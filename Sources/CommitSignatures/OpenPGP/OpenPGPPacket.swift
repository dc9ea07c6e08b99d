import Cryptography

/// A piece of an OpenPGP message (RFC 9580 section 4): its tag and what is in it.
struct OpenPGPPacket {
    let tag: UInt8
    let body: [UInt8]

    static let signature: UInt8 = 2
    static let publicKey: UInt8 = 6
    static let userID: UInt8 = 13
    static let publicSubkey: UInt8 = 14

    /// nil when the bytes end too early, or a length is one that only messages may have.
    static func packets(_ bytes: [UInt8]) -> [OpenPGPPacket]? {
        var reader = OpenPGPReader(bytes)
        var packets: [OpenPGPPacket] = []
        while let header = reader.byte() {
            guard header & 0x80 != 0 else { return nil }
            let count: Int?
            if header & 0x40 != 0 {
                count = reader.packetLength()
            } else {
                count = header & 3 == 3 ? nil : reader.number(bytes: 1 << Int(header & 3))
            }
            guard let count, let body = reader.bytes(count) else { return nil }
            packets.append(OpenPGPPacket(tag: header & 0x40 != 0 ? header & 0x3F : header >> 2 & 0xF, body: body))
        }
        return packets
    }

    /// The bytes of every block of this label (RFC 9580 section 6); the checksum behind them is of no use (section 6.1).
    static func blocks(_ text: String, label: String) -> [[UInt8]?] {
        var blocks: [[UInt8]?] = []
        var body: String?
        var isHeader = false
        for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
            let line = line.filter { $0 != " " && $0 != "\t" }
            if line == "-----BEGIN\(label)-----" {
                (body, isHeader) = ("", true)
            } else if line == "-----END\(label)-----" {
                if let body { blocks.append(Base64.decode(body)) }
                body = nil
            } else if isHeader {
                // `Version:` and the like, up to an empty line.
                if line.isEmpty { isHeader = false } else if !line.contains(":") { body = nil }
            } else if body != nil, !line.hasPrefix("=") {
                body? += line
            }
        }
        if body != nil { blocks.append(nil) }
        return blocks
    }
}

/// Reads OpenPGP's big-endian numbers and lengths; every read gives nil when the bytes end too early.
struct OpenPGPReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: some Collection<UInt8>) { rest = Array(bytes)[...] }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func byte() -> UInt8? { rest.popFirst() }

    mutating func bytes(_ count: Int) -> [UInt8]? {
        guard count <= rest.count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    mutating func number(bytes count: Int) -> Int? { bytes(count).map { $0.reduce(0) { $0 << 8 | Int($1) } } }

    /// A multiprecision integer (section 3.2): a count of bits and the bytes.
    mutating func integer() -> [UInt8]? { number(bytes: 2).flatMap { bytes(($0 + 7) / 8) } }

    /// A packet's length (section 4.2.1).
    mutating func packetLength() -> Int? {
        // 224 and more begin a body in pieces, which keys and signatures never have.
        guard let first = byte(), first < 224 || first == 255 else { return nil }
        return length(first)
    }

    /// A subpacket's length (section 5.2.3.7).
    mutating func subpacketLength() -> Int? { byte().flatMap { length($0) } }

    private mutating func length(_ first: UInt8) -> Int? {
        switch first {
        case ..<192: Int(first)
        case 255: number(bytes: 4)
        default: byte().map { (Int(first) - 192) << 8 + Int($0) + 192 }
        }
    }
}
