package import Foundation
import Glibc

/// A real sshd of this machine on a loopback port, serving the user who runs the tests, with keys of its own.
package final class LoopbackServer {
    package let directory: URL
    package let port: Int
    private var process: pid_t = 0

    /// - Parameters:
    ///   - hostKeys: types of the host keys to make.
    ///   - settings: further lines of sshd_config, which come first and so win.
    package init(hostKeys: [String] = ["ed25519"], settings: String = "") throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("sshd-" + UUID().uuidString)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        if getuid() == 0 { try? FileManager.default.createDirectory(atPath: "/run/sshd", withIntermediateDirectories: false) }
        port = try Loopback.freePort()
        for type in hostKeys { try makeKey("host_\(type)", type: type) }
        let lines = [
            settings, "Port \(port)", "ListenAddress 127.0.0.1", "UsePAM no", "StrictModes no", "PidFile none", "PermitRootLogin yes",
            "PasswordAuthentication no", "KbdInteractiveAuthentication no", "MaxSessions 50",
            "AuthorizedKeysFile \(directory.path)/authorized_keys", "Subsystem sftp internal-sftp",
        ]
        let configuration = (lines + hostKeys.map { "HostKey \(directory.path)/host_\($0)" }).joined(separator: "\n") + "\n"
        try configuration.write(to: directory.appendingPathComponent("sshd_config"), atomically: true, encoding: .utf8)
        process = try Loopback.spawn("/usr/sbin/sshd", ["-D", "-E", directory.path + "/log", "-f", directory.path + "/sshd_config"])
        for _ in 0..<6000 {
            if let socket = try? Loopback.connect(port) {
                close(socket)
                return
            }
            usleep(10_000)
        }
        throw Loopback.Failure(text: "sshd did not start: \(log)")
    }

    deinit {
        if process > 0 {
            kill(process, SIGTERM)
            waitpid(process, nil, 0)
        }
        try? FileManager.default.removeItem(at: directory)
    }

    package var log: String { (try? String(contentsOf: directory.appendingPathComponent("log"), encoding: .utf8)) ?? "" }

    /// A key pair in the server's directory; `authorized` lets it log in.
    @discardableResult
    package func makeKey(_ name: String, type: String, passphrase: String = "", authorized: Bool = false, format: String? = nil) throws
        -> String
    {
        let path = directory.appendingPathComponent(name).path
        var arguments = ["-q", "-t", type, "-N", passphrase, "-C", name, "-f", path]
        if type == "rsa" { arguments += ["-b", "2048"] }
        if let format { arguments += ["-m", format] }
        try Loopback.run("/usr/bin/ssh-keygen", arguments)
        if authorized {
            let file = directory.appendingPathComponent("authorized_keys")
            let before = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
            try (before + publicLine(name) + "\n").write(to: file, atomically: true, encoding: .utf8)
        }
        return path
    }

    /// The public line of a key made here.
    package func publicLine(_ name: String) throws -> String {
        try String(contentsOf: directory.appendingPathComponent(name + ".pub"), encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

/// Sockets and programs for the tests.
package enum Loopback {
    package struct Failure: Error {
        package let text: String
    }

    /// Starts a program. Foundation's Process takes a daemon that closes inherited descriptors, as sshd does, for ended.
    package static func spawn(_ program: String, _ arguments: [String]) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for descriptor in 0...2 as ClosedRange<Int32> { posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0) }
        var pid: pid_t = 0
        let words = ([program] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        let status = posix_spawn(&pid, program, &actions, nil, words, nil)
        if status != 0 { throw Failure(text: "\(program): \(String(cString: strerror(status)))") }
        return pid
    }

    package static func run(_ program: String, _ arguments: [String]) throws {
        let pid = try spawn(program, arguments)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        if status != 0 { throw Failure(text: "\(program) \(arguments) gave \(status)") }
    }

    /// A listening socket on a port the system chooses.
    package static func listen() throws -> (socket: Int32, port: Int) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = loopback(0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, size) == 0 && Glibc.listen(descriptor, 16) == 0 ? getsockname(descriptor, address, &size) : -1
            }
        }
        guard status == 0 else { throw Failure(text: "listening failed: \(String(cString: strerror(errno)))") }
        return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }

    package static func freePort() throws -> Int {
        let (socket, port) = try listen()
        close(socket)
        return port
    }

    package static func connect(_ port: Int) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = loopback(port)
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if status == 0 { return descriptor }
        close(descriptor)
        throw Failure(text: "nothing listens on \(port)")
    }

    private static func loopback(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }
}

/// A TCP relay on loopback that can stop forwarding without closing anything (a dead link, as seen from both ends), or be a slow line.
package final class Relay: @unchecked Sendable {
    package let port: Int
    private let listener: Int32
    private let bytesPerSecond: Int?
    private let lock = NSLock()
    private var isStalled = false
    private var carried = 0
    private var sockets: [Int32] = []

    /// - Parameter bytesPerSecond: what passes in each direction; none: all there is.
    package init(to target: Int, bytesPerSecond: Int? = nil) throws {
        (listener, port) = try Loopback.listen()
        self.bytesPerSecond = bytesPerSecond
        if bytesPerSecond != nil {
            // As an Ethernet's: with loopback's own segments the sender's buffer would hold megabytes.
            for (level, option, value) in [(Int32(IPPROTO_TCP), TCP_MAXSEG, 1400), (SOL_SOCKET, SO_RCVBUF, 64 << 10)] {
                var value = Int32(value)
                setsockopt(listener, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
            }
        }
        let listener = listener
        Foundation.Thread.detachNewThread { [weak self] in
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0, let self, let server = try? Loopback.connect(target) else { return }
                self.lock.withLock { self.sockets += [client, server] }
                for (from, to) in [(client, server), (server, client)] {
                    Foundation.Thread.detachNewThread { self.carry(from, to) }
                }
            }
        }
    }

    /// From now on nothing passes.
    package func stall() { lock.withLock { isStalled = true } }

    /// What came while nothing passed passes now.
    package func resume() { lock.withLock { isStalled = false } }

    /// Ends the connections that are there now; new ones pass.
    package func cut() {
        for socket in lock.withLock({ sockets }) { shutdown(socket, 2) }
        lock.withLock { sockets = [] }
    }

    /// Bytes that passed in both directions.
    package var total: Int { lock.withLock { carried } }

    private func carry(_ from: Int32, _ to: Int32) {
        var buffer = [UInt8](repeating: 0, count: bytesPerSecond.map { max(1, $0 / 100) } ?? 65536)
        while true {
            let count = recv(from, &buffer, buffer.count, 0)
            if count <= 0 { break }
            if let bytesPerSecond { usleep(UInt32(count * 1_000_000 / bytesPerSecond)) }
            while lock.withLock({ isStalled }) { usleep(100_000) }
            lock.withLock { carried += count }
            var sent = 0
            while sent < count {
                let step = buffer[sent..<count].withUnsafeBytes { send(to, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                if step <= 0 { return }
                sent += step
            }
        }
        shutdown(to, 2)
    }

    /// Stops listening; connections end with the process.
    package func stop() { shutdown(listener, 2) }
}
