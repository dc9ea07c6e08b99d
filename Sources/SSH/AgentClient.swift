internal import Cryptography
internal import Glibc

/// A client of ssh-agent (draft-ietf-sshm-ssh-agent): lists keys and has it sign, with SHA-2 for RSA keys, which libssh2 1.10's own
/// client cannot ask for. Blocks the calling thread for at most five seconds a message (an agent that asks its user has a minute).
final class AgentClient {
    private let descriptor: Int32

    /// nil when nothing answers at the socket.
    init?(socket path: String) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard bytes.count < room else { return nil }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        guard descriptor >= 0 else { return nil }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        guard status == 0 else {
            close(descriptor)
            return nil
        }
    }

    deinit { close(descriptor) }

    /// The agent's keys in its order; security-key types, whose signatures carry more than libssh2 passes on, are left out.
    func keys() -> [OpenSSHPublicKey] {
        guard let answer = ask([11], seconds: 5) else { return [] }
        var reader = WireReader(answer)
        guard reader.byte() == 12, let count = reader.number() else { return [] }
        var keys: [OpenSSHPublicKey] = []
        for _ in 0..<count {
            guard let blob = reader.string(), let comment = reader.text() else { break }
            guard let key = OpenSSHPublicKey(blob: blob, comment: comment) else { continue }
            if ["ssh-ed25519", "ssh-rsa"].contains(key.type) || key.type.hasPrefix("ecdsa-sha2-nistp") { keys.append(key) }
        }
        return keys
    }

    /// The bare signature, without the algorithm name around it.
    func signature(of message: UnsafeRawBufferPointer, key: OpenSSHPublicKey) throws(CryptographyError) -> [UInt8] {
        var request = WireWriter()
        request.write(byte: 13)
        request.write(string: key.blob)
        request.write(string: message)
        request.write(key.type == "ssh-rsa" ? 2 : 0)  // 2: SSH_AGENT_RSA_SHA2_256
        guard let answer = ask(request.bytes, seconds: 60) else { throw CryptographyError("the ssh-agent does not answer") }
        var reader = WireReader(answer)
        guard reader.byte() == 14, let envelope = reader.string() else { throw CryptographyError("the ssh-agent refused to sign") }
        var inner = WireReader(envelope)
        guard inner.string() != nil, let signature = inner.string() else { throw CryptographyError("the ssh-agent's signature is damaged") }
        return signature
    }

    private func ask(_ message: [UInt8], seconds: Int) -> [UInt8]? {
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var frame = WireWriter()
        frame.write(string: message)
        var sent = 0
        while sent < frame.bytes.count {
            let count = frame.bytes[sent...].withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return nil }
            sent += count
        }
        guard let header = receive(4) else { return nil }
        var reader = WireReader(header)
        guard let size = reader.number(), size <= 1 << 20 else { return nil }
        return receive(Int(size))
    }

    private func receive(_ count: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: max(1, count))
        while bytes.count < count {
            let got = recv(descriptor, &buffer, count - bytes.count, 0)
            guard got > 0 else { return nil }
            bytes += buffer[..<got]
        }
        return bytes
    }
}
