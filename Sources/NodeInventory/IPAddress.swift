/// An IPv4 or IPv6 address, comparable as a number within its family.
package struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// 4 or 16 bytes, the highest first.
    package let bytes: [UInt8]

    package var isV4: Bool { bytes.count == 4 }

    package init(v4 number: UInt32) {
        bytes = [UInt8(number >> 24), UInt8(number >> 16 & 255), UInt8(number >> 8 & 255), UInt8(number & 255)]
    }

    /// The address after this one; nil after the last whose last byte can grow.
    package var next: IPAddress? {
        guard let last = bytes.last, last < 255 else { return nil }
        return IPAddress(bytes: bytes.dropLast() + [last + 1])
    }

    /// nil unless the text is an address: dotted decimal without leading zeros, or an IPv6 address (RFC 4291, no zone).
    package init?(_ text: some StringProtocol) {
        guard let bytes = text.contains(":") ? Self.v6(String(text)) : Self.v4(String(text)) else { return nil }
        self.bytes = bytes
    }

    private static func v4(_ text: String) -> [UInt8]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            guard part.allSatisfy({ $0.isASCII && $0.isNumber }), part == "0" || !part.hasPrefix("0"), let byte = UInt8(part) else {
                return nil
            }
            bytes.append(byte)
        }
        return bytes
    }

    private static func v6(_ text: String) -> [UInt8]? {
        var head: [UInt8] = []
        var tail: [UInt8]?
        var rest = Substring(text)
        if rest.hasPrefix("::") {
            tail = []
            rest = rest.dropFirst(2)
        } else if rest.hasPrefix(":") {
            return nil
        }
        while !rest.isEmpty {
            let end = rest.firstIndex(of: ":") ?? rest.endIndex
            let word = rest[..<end]
            let last = end == rest.endIndex
            var group: [UInt8]
            if last, word.contains("."), let v4 = v4(String(word)) {
                group = v4
            } else if (1...4).contains(word.count), word.allSatisfy(\.isHexDigit), let number = UInt16(word, radix: 16) {
                group = [UInt8(number >> 8), UInt8(number & 255)]
            } else {
                return nil
            }
            if tail == nil { head += group } else { tail?.append(contentsOf: group) }
            if last { break }
            rest = rest[rest.index(after: end)...]
            if rest.hasPrefix(":") {
                if tail != nil { return nil }
                tail = []
                rest = rest.dropFirst()
            } else if rest.isEmpty {
                return nil
            }
        }
        guard let tail else { return head.count == 16 ? head : nil }
        let gap = 16 - head.count - tail.count
        return gap >= 2 ? head + Array(repeating: 0, count: gap) + tail : nil
    }

    package var description: String {
        if isV4 { return bytes.map { String($0) }.joined(separator: ".") }
        let groups = stride(from: 0, to: 16, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) }
        // RFC 5952: the longest run of at least two zero groups becomes "::", the first one of equals.
        var best = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start > max(best.count, 1) { best = start..<end }
            start = max(end, start + 1)
        }
        let text = { (part: ArraySlice<UInt16>) in part.map { String($0, radix: 16) }.joined(separator: ":") }
        return best.isEmpty ? text(groups[...]) : text(groups[..<best.lowerBound]) + "::" + text(groups[best.upperBound...])
    }
}

/// A range of addresses, `10.42.0.0/16`.
package struct CIDR: Hashable, Sendable, CustomStringConvertible {
    package let address: IPAddress
    package let prefix: Int

    package init(_ address: IPAddress, prefix: Int) {
        self.address = address
        self.prefix = prefix
    }

    /// nil unless the text is `address/prefix`; host bits may be set (see `network`).
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPAddress(parts[0]), parts[1].allSatisfy({ $0.isASCII && $0.isNumber }),
            let prefix = Int(parts[1]), prefix <= address.bytes.count * 8
        else { return nil }
        self.init(address, prefix: prefix)
    }

    /// The same range with the host bits cleared.
    package var network: CIDR {
        let bytes = address.bytes.enumerated().map { index, byte in
            let bits = min(max(prefix - index * 8, 0), 8)
            return bits == 0 ? 0 : byte & (0xFF << (8 - UInt8(bits)))
        }
        return CIDR(IPAddress(bytes: bytes), prefix: prefix)
    }

    package func contains(_ other: IPAddress) -> Bool {
        other.bytes.count == address.bytes.count && CIDR(other, prefix: prefix).network.address == network.address
    }

    package func contains(_ other: CIDR) -> Bool { prefix <= other.prefix && contains(other.address) }

    package func overlaps(_ other: CIDR) -> Bool {
        prefix <= other.prefix ? contains(other.address) : other.contains(address)
    }

    package var description: String { "\(address)/\(prefix)" }
}

extension IPAddress {
    fileprivate init(bytes: [UInt8]) { self.bytes = bytes }
}
