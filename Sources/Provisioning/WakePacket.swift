internal import Glibc
package import NodeInventory

/// Wake-on-LAN: the magic packet, six bytes of ones and sixteen times the sleeping machine's hardware address, broadcast by UDP.
package struct WakePacket: Hashable, Sendable {
    package let bytes: [UInt8]

    /// nil unless the text is six pairs of hexadecimal digits.
    package init?(mac: String) {
        let pairs = mac.split(separator: ":", omittingEmptySubsequences: false).map { UInt8($0, radix: 16) }
        guard pairs.count == 6 else { return nil }
        let address = pairs.compactMap { $0 }
        guard address.count == 6 else { return nil }
        bytes = [UInt8](repeating: 0xFF, count: 6) + (0..<16).flatMap { _ in address }
    }

    /// Sends it to every network of this machine and to `networks`, to the discard port 9.
    /// - Returns: the addresses it went to; what the system refused (a network that is not attached) is left out.
    package func send(to networks: [CIDR]) -> [String] {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | O_CLOEXEC, 0)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_BROADCAST, &yes, socklen_t(MemoryLayout<Int32>.size))
        var reached: [String] = []
        let targets = Self.ownBroadcasts() + networks.compactMap(\.broadcast) + ["255.255.255.255"]
        for target in targets where !reached.contains(target) {
            guard let address = ProbeAddress(target, port: 9) else { continue }
            let sent = address.withPointer { sendto(descriptor, bytes, bytes.count, 0, $0, $1) }
            if sent == bytes.count { reached.append(target) }
        }
        return reached
    }

    /// The broadcast addresses of this machine's own networks, by their masks: an interface need not have been given one.
    private static func ownBroadcasts() -> [String] {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return [] }
        defer { freeifaddrs(list) }
        var found: [String] = []
        var next = list
        while let entry = next?.pointee {
            next = entry.ifa_next
            guard entry.ifa_flags & UInt32(IFF_BROADCAST) != 0, entry.ifa_flags & UInt32(IFF_UP) != 0,
                let address = bytes(of: entry.ifa_addr), let mask = bytes(of: entry.ifa_netmask), mask.last.map({ $0 < 254 }) == true
            else { continue }
            found.append(zip(address, mask).map { String($0 | ~$1) }.joined(separator: "."))
        }
        return found
    }

    /// The four bytes of an IPv4 address; nil for any other.
    private static func bytes(of address: UnsafeMutablePointer<sockaddr>?) -> [UInt8]? {
        guard let address, address.pointee.sa_family == sa_family_t(AF_INET) else { return nil }
        let number = address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { $0.pointee.sin_addr.s_addr }
        return withUnsafeBytes(of: number, Array.init)
    }
}

extension CIDR {
    /// The address that means all machines of an IPv4 range.
    fileprivate var broadcast: String? {
        guard address.isV4, prefix < 31 else { return nil }
        return network.address.bytes.enumerated().map { index, byte in
            let bits = min(max(prefix - index * 8, 0), 8)
            return String(bits == 8 ? byte : byte | 0xFF >> UInt8(bits))
        }.joined(separator: ".")
    }
}
