/// The few ASN.1 DER forms (X.690) that keys and signatures consist of.
enum DER {
    /// A non-negative integer from big-endian bytes.
    static func integer(_ bytes: [UInt8]) -> [UInt8] {
        var digits = Array(bytes.drop { $0 == 0 })
        if digits.isEmpty || digits[0] & 0x80 != 0 { digits.insert(0, at: 0) }
        return element(tag: 0x02, digits)
    }

    static func sequence(_ elements: [[UInt8]]) -> [UInt8] { element(tag: 0x30, elements.flatMap { $0 }) }

    /// A bit string of whole bytes.
    static func bitString(_ bytes: [UInt8]) -> [UInt8] { element(tag: 0x03, [0] + bytes) }

    /// An object identifier from its encoded arcs.
    static func identifier(_ arcs: [UInt8]) -> [UInt8] { element(tag: 0x06, arcs) }

    static let null: [UInt8] = [0x05, 0x00]

    private static func element(tag: UInt8, _ contents: [UInt8]) -> [UInt8] {
        let count = contents.count
        if count < 0x80 { return [tag, UInt8(count)] + contents }
        var length: [UInt8] = []
        var rest = count
        while rest > 0 {
            length.insert(UInt8(rest & 0xff), at: 0)
            rest >>= 8
        }
        return [tag, 0x80 | UInt8(length.count)] + length + contents
    }
}
