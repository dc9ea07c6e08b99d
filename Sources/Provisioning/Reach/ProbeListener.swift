internal import Glibc

/// The waiting end of the probes between nodes: accepts TCP connections and sends datagrams back, until its output is closed or the
/// time is over. Runs on a node, started over SSH; blocks its thread.
package struct ProbeListener {
    package struct Port: Hashable, Sendable {
        package let transport: String
        package let number: Int

        /// `tcp:6443`, or `udp:0` for a free port that the system chooses; nil for anything else.
        package init?(_ text: String) {
            let parts = text.split(separator: ":").map(String.init)
            guard parts.count == 2, ["tcp", "udp"].contains(parts[0]), let number = Int(parts[1]),
                (parts[0] == "udp" ? 0...65535 : 1...65535).contains(number)
            else { return nil }
            transport = parts[0]
            self.number = number
        }
    }

    private var sockets: [(descriptor: Int32, isStream: Bool)] = []
    private let say: (String) -> Void

    /// Opens the ports and tells of each `tcp:6443 open`, `tcp:6443 taken` or what the system says, then `ready`. Of a port that the system
    /// chose it tells `udp:0 open 40123`.
    package init(_ ports: [Port], address: String, say: @escaping (String) -> Void) {
        self.say = say
        for port in ports {
            let name = "\(port.transport):\(port.number)"
            guard let target = ProbeAddress(address, port: port.number) else {
                say("\(name) \(address) is no address")
                continue
            }
            let isStream = port.transport == "tcp"
            let descriptor = socket(target.family, Int32((isStream ? SOCK_STREAM : SOCK_DGRAM).rawValue) | O_CLOEXEC | O_NONBLOCK, 0)
            var yes: Int32 = 1
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
            let isBound = target.withPointer { bind(descriptor, $0, $1) } == 0 && (!isStream || listen(descriptor, 64) == 0)
            guard isBound else {
                say("\(name) \(errno == EADDRINUSE ? "taken" : String(cString: strerror(errno)))")
                close(descriptor)
                continue
            }
            sockets.append((descriptor, isStream))
            say(port.number == 0 ? "\(name) open \(Self.chosenPort(descriptor))" : "\(name) open")
        }
        say("ready")
    }

    private static func chosenPort(_ descriptor: Int32) -> Int {
        var address = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutablePointer(to: &address) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        guard status == 0 else { return 0 }
        // The port has the same place in the addresses of both families.
        return withUnsafeBytes(of: &address) { Int(UInt16(bigEndian: $0.load(fromByteOffset: 2, as: UInt16.self))) }
    }

    /// - Parameter seconds: at the latest then it ends, whoever forgot it.
    package func run(seconds: Int) {
        let end = time(nil) + seconds
        var buffer = [UInt8](repeating: 0, count: 65536)
        while time(nil) < end {
            var polled = sockets.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
            // The other side of the SSH channel went away: nobody is interested any more.
            polled.append(pollfd(fd: 1, events: 0, revents: 0))
            guard poll(&polled, nfds_t(polled.count), 1000) > 0 else { continue }
            if polled[sockets.count].revents & Int16(POLLERR | POLLHUP) != 0 { break }
            for (index, socket) in sockets.enumerated() where polled[index].revents != 0 {
                socket.isStream ? accept(socket.descriptor) : echo(socket.descriptor, &buffer)
            }
        }
        for socket in sockets { close(socket.descriptor) }
    }

    private func accept(_ descriptor: Int32) {
        let connection = Glibc.accept(descriptor, nil, nil)
        if connection >= 0 { close(connection) }
    }

    private func echo(_ descriptor: Int32, _ buffer: inout [UInt8]) {
        var sender = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        withUnsafeMutablePointer(to: &sender) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                let count = recvfrom(descriptor, &buffer, buffer.count, 0, pointer, &size)
                // Only a few bytes go back: the way there is what is measured, and nobody shall use this as an amplifier.
                if count > 0 { sendto(descriptor, buffer, min(count, 16), 0, pointer, size) }
            }
        }
    }
}

/// A numeric address with a port as the socket calls want it.
struct ProbeAddress {
    private let storage: sockaddr_storage
    private let size: socklen_t
    let family: Int32

    init?(_ address: String, port: Int) {
        var hints = addrinfo()
        hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(address, String(port), &hints, &list) == 0, let first = list?.pointee, let pointer = first.ai_addr else {
            return nil
        }
        defer { freeaddrinfo(list) }
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) { $0.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: Int(first.ai_addrlen))) }
        self.storage = storage
        size = first.ai_addrlen
        family = first.ai_family
    }

    func withPointer<T>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> T) -> T {
        withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, size) }
        }
    }
}
