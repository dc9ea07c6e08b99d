internal import Glibc

/// git's pkt-lines (gitprotocol-common) over two file descriptors, which a login's `git-receive-pack` has as standard input and output.
final class PacketStream {
    enum Packet: Equatable {
        case line([UInt8])
        case flush

        /// The line as text, without its line break.
        var text: String? {
            guard case .line(let bytes) = self else { return nil }
            return String(decoding: bytes.last == 10 ? bytes.dropLast() : bytes[...], as: UTF8.self)
        }
    }

    /// The largest payload of a side-band-64k packet: 65520 less four digits of length and the band's byte.
    static let bandLimit = 65515

    private let input: Int32
    private let output: Int32
    private var pending: [UInt8] = []

    init(input: Int32, output: Int32) {
        self.input = input
        self.output = output
    }

    /// nil at the end of the stream.
    func read() throws(GitError) -> Packet? {
        guard let digits = try readExactly(4, orEnd: true) else { return nil }
        guard let length = Int(String(decoding: digits, as: UTF8.self), radix: 16), length == 0 || (4...65520).contains(length) else {
            throw protocolError("a packet's length is no number")
        }
        if length == 0 { return .flush }
        guard let payload = try readExactly(length - 4, orEnd: false) else { throw protocolError("the stream ends inside a packet") }
        return .line(payload)
    }

    func write(_ text: String) throws(GitError) { try write(Array((text + "\n").utf8)) }

    func write(_ payload: [UInt8]) throws(GitError) {
        let length = String(payload.count + 4, radix: 16)
        try writeAll(Array((String(repeating: "0", count: 4 - length.count) + length).utf8) + payload)
    }

    func flush() throws(GitError) { try writeAll(Array("0000".utf8)) }

    /// Sends bytes on a side band, in as many packets as they need: 1 data, 2 messages for the person at the other end, 3 a fatal error.
    func write(_ bytes: some Collection<UInt8>, band: UInt8) throws(GitError) {
        var rest = Array(bytes)[...]
        while !rest.isEmpty {
            try write([band] + rest.prefix(Self.bandLimit))
            rest = rest.dropFirst(Self.bandLimit)
        }
    }

    /// What comes after the packets (a pack), as it arrives; nil at the end of the stream.
    func readRaw() throws(GitError) -> [UInt8]? {
        if !pending.isEmpty {
            defer { pending = [] }
            return pending
        }
        return try readSome()
    }

    private func readExactly(_ count: Int, orEnd: Bool) throws(GitError) -> [UInt8]? {
        while pending.count < count {
            guard let more = try readSome() else {
                if orEnd && pending.isEmpty { return nil }
                throw protocolError("the stream ends inside a packet")
            }
            pending += more
        }
        defer { pending.removeFirst(count) }
        return Array(pending.prefix(count))
    }

    private func readSome() throws(GitError) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = Glibc.read(input, &buffer, buffer.count)
            if count > 0 { return Array(buffer.prefix(count)) }
            if count == 0 { return nil }
            if errno != EINTR { throw protocolError(String(cString: strerror(errno))) }
        }
    }

    func writeRaw(_ bytes: [UInt8]) throws(GitError) { try writeAll(bytes) }

    private func writeAll(_ bytes: [UInt8]) throws(GitError) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(output, $0.baseAddress?.advanced(by: sent), bytes.count - sent) }
            if count > 0 { sent += count } else if errno != EINTR { throw protocolError(String(cString: strerror(errno))) }
        }
    }

    private func protocolError(_ message: String) -> GitError {
        GitError(.unreachable, operation: "talk to the git client", message: message)
    }
}
