internal import CLibssh2
package import Cryptography
internal import Glibc
internal import Synchronization

extension SSHSession {
    /// Connects, checks the host key and logs in, through jump hosts if there are any.
    /// - Parameter timeout: for each machine on the way, name look-up and login included; a prompt's time counts.
    /// - Throws: every kind of ``SSHError`` that can come before a command.
    package static func connect(to target: SSHTarget, timeout: Duration = .seconds(20)) async throws(SSHError) -> SSHSession {
        let (session, limit) = try await reach(target, timeout: timeout)
        do throws(SSHError) {
            try await session.logIn(limit)
        } catch {
            await session.close()
            throw error
        }
        return session
    }

    /// The key a machine shows, without logging in: for an operator to compare and pin.
    /// - Throws: every kind of ``SSHError`` that can come before a login, on the jump hosts after it, too.
    package static func offeredHostKey(
        host: String, port: Int = 22, jump: [SSHTarget] = [], timeout: Duration = .seconds(10)
    ) async throws(SSHError) -> OpenSSHPublicKey {
        let target = SSHTarget(host: host, port: port, user: "nobody", authentication: [], hostKeys: .pinned([]), jump: jump)
        do throws(SSHError) {
            await (try reach(target, timeout: timeout)).0.close()
        } catch {
            if error.target == target.label, case .hostKeyUnknown(let offered) = error.kind { return offered }
            throw error
        }
        throw SSHError(target: target.label, kind: .protocolMismatch("it showed no host key"))
    }

    /// A session up to the checked host key. A fingerprint does not tell of what type its key is, so that a server with several keys is
    /// asked for each of them before it is said that its key changed.
    private static func reach(_ target: SSHTarget, timeout: Duration) async throws(SSHError) -> (SSHSession, Limit) {
        var others = OtherHostKeys()
        do throws(SSHError) {
            return try await reach(target, hostKeyType: nil, timeout: timeout) { others = $0 }
        } catch {
            guard case .hostKeyChanged(let offered, let expected) = error.kind, error.target == target.label else { throw error }
            for type in others.types {
                do throws(SSHError) {
                    return try await reach(target, hostKeyType: type, timeout: timeout) { _ in }
                } catch let next {
                    guard case .hostKeyChanged = next.kind, next.target == target.label else { throw next }
                }
            }
            guard others.hasUncheckedRSA else { throw error }
            let note = " (if that is its RSA key: libssh2 \(libraryVersion) cannot check that, 1.11 can; pin another of its keys)"
            let words = expected.dropLast() + expected.suffix(1).map { $0 + note }
            throw SSHError(target: target.label, kind: .hostKeyChanged(offered: offered, expected: Array(words)))
        }
    }

    /// - Parameters:
    ///   - hostKeyType: the only type of key to ask for; nil: the believed ones first.
    ///   - others: told what other keys the server has when the one it showed has not the pinned fingerprint.
    private static func reach(
        _ target: SSHTarget, hostKeyType: String?, timeout: Duration, others: (OtherHostKeys) -> Void
    ) async throws(SSHError) -> (SSHSession, Limit) {
        var target = target
        var tunnel: Tunnel?
        if var last = target.jump.last {
            // The last jump is reached through the ones before it.
            last.jump = Array(target.jump.dropLast())
            let carrier = try await connect(to: last, timeout: timeout)
            do throws(SSHError) {
                tunnel = try await Tunnel.open(through: carrier, to: target, limit: Limit(timeout))
            } catch {
                await carrier.close()
                throw error
            }
            target.jump = []
        }
        let session = SSHSession(target: target)
        let limit = Limit(timeout)
        do throws(SSHError) {
            try await session.shakeHands(tunnel, hostKeyType: hostKeyType, limit)
        } catch {
            if !target.hostKeys.fingerprints.isEmpty { others(await session.otherHostKeys) }
            await session.close()
            throw error
        }
        return (session, limit)
    }

    private func shakeHands(_ tunnel: Tunnel?, hostKeyType: String?, _ limit: Limit) async throws(SSHError) {
        let socket: Int32
        if let tunnel {
            self.tunnel = tunnel
            socket = tunnel.takeSocket()
        } else {
            do throws(SSHError.Unreachable) {
                socket = try Dialer.connect(host: target.host, port: target.port, timeout: limit.duration)
            } catch {
                throw failure(Task.isCancelled ? .cancelled : .unreachable(error))
            }
        }
        guard let handle = SessionHandle(socket: socket) else { throw failure(.connectionLost("no memory left")) }
        self.handle = handle
        preferHostKeys(handle, only: hostKeyType)
        preferCiphers(handle)
        let result: Int
        do throws(SSHError) {
            result = try await drive(.session, limit) { Int(libssh2_session_handshake($0.session, $0.socket)) }
        } catch {
            throw explained(error, handle, limit)
        }
        guard result == 0 else { throw explained(failure(.protocolMismatch(handle.lastError.text)), handle, limit) }
        try checkHostKey(handle)
    }

    /// Before the key exchange is through, an ended connection and a silent one have causes of their own.
    private func explained(_ error: SSHError, _ handle: SessionHandle, _ limit: Limit) -> SSHError {
        let offer = KeyExchangeOffer(handle.heard)
        switch error.kind {
        case .timedOut where offer.banner.isEmpty: return failure(.unreachable(.noAnswer(after: limit.duration)))
        case .connectionLost, .protocolMismatch:
            if let mismatch = offer.mismatch(
                keyExchange: algorithms(handle, LIBSSH2_METHOD_KEX), hostKeys: algorithms(handle, LIBSSH2_METHOD_HOSTKEY),
                ciphers: algorithms(handle, LIBSSH2_METHOD_CRYPT_CS), macs: algorithms(handle, LIBSSH2_METHOD_MAC_CS))
            {
                return failure(.protocolMismatch("\(mismatch), and this homelab's libssh2 \(Self.libraryVersion) has none of these"))
            }
            if !handle.heard.isEmpty, offer.banner.isEmpty { return failure(.protocolMismatch("what answers there is no SSH server")) }
            if handle.heard.isEmpty {
                return failure(
                    .unreachable(.other("the other side ended the connection before saying anything (is its SSH server starting?)")))
            }
            return error
        default: return error
        }
    }

    /// libssh2's, of the library that is in use.
    package static var libraryVersion: String { libssh2_version(0).map { String(cString: $0) } ?? "of unknown version" }

    func algorithms(_ handle: SessionHandle, _ method: Int32) -> [String] {
        var list: UnsafeMutablePointer<UnsafePointer<CChar>?>?
        let count = libssh2_session_supported_algs(handle.session, method, &list)
        guard count > 0, let list else { return [] }
        defer { libssh2_free(handle.session, list) }
        return (0..<Int(count)).compactMap { list[$0].map { String(cString: $0) } }
    }

    /// AES with keys of 128 bits before those of 256, as OpenSSH itself prefers it: libssh2's own order takes a seventh more of the
    /// processor for a large file. The modes that encrypt and authenticate at once come first where the library has them.
    private func preferCiphers(_ handle: SessionHandle) {
        let wanted = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr"]
        for method in [LIBSSH2_METHOD_CRYPT_CS, LIBSSH2_METHOD_CRYPT_SC] {
            let supported = algorithms(handle, method)
            let order = wanted.filter(supported.contains) + supported.filter { !wanted.contains($0) }
            libssh2_session_method_pref(handle.session, method, order.joined(separator: ","))
        }
    }

    // MARK: Host key

    /// Asks for the key type that is pinned or known, since a server that has several shows the one asked for first.
    private func preferHostKeys(_ handle: SessionHandle, only type: String?) {
        let believed =
            target.hostKeys.pinned.isEmpty
            ? target.hostKeys.knownHosts?.record(host: target.host, port: target.port).keys ?? [] : target.hostKeys.pinned
        var order: [String] = []
        for type in type.map({ [$0] }) ?? believed.map(\.type) + Self.hostKeyTypes {
            for name in Self.algorithms(ofKeyType: type) where !order.contains(name) { order.append(name) }
        }
        let supported = algorithms(handle, LIBSSH2_METHOD_HOSTKEY)
        order = order.filter(supported.contains)
        libssh2_session_method_pref(handle.session, LIBSSH2_METHOD_HOSTKEY, order.joined(separator: ","))
    }

    private static let hostKeyTypes = [
        "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa",
    ]

    private static func algorithms(ofKeyType type: String) -> [String] {
        type == "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"] : [type]
    }

    /// What of a server's keys has not been seen when it showed another one than the pinned one.
    private struct OtherHostKeys {
        /// The types that can be asked for.
        var types: [String] = []
        /// It has an RSA key, which a libssh2 that takes RSA with SHA-1 only never sees.
        var hasUncheckedRSA = false
    }

    private var otherHostKeys: OtherHostKeys {
        guard let handle, let shown = offeredHostKey(handle) else { return OtherHostKeys() }
        let (server, own) = (KeyExchangeOffer(handle.heard).hostKeys, algorithms(handle, LIBSSH2_METHOD_HOSTKEY))
        let common = Set(server).intersection(own)
        let isRSA = { (names: Set<String>) in !names.isDisjoint(with: Self.algorithms(ofKeyType: "ssh-rsa")) }
        return OtherHostKeys(
            types: Self.hostKeyTypes.filter { $0 != shown.type && !common.isDisjoint(with: Self.algorithms(ofKeyType: $0)) },
            hasUncheckedRSA: isRSA(Set(server)) && !isRSA(common))
    }

    private func offeredHostKey(_ handle: SessionHandle) -> OpenSSHPublicKey? {
        var size = 0
        var type: Int32 = 0
        guard let bytes = libssh2_session_hostkey(handle.session, &size, &type) else { return nil }
        return OpenSSHPublicKey(blob: Array(UnsafeRawBufferPointer(start: bytes, count: size)))
    }

    private func checkHostKey(_ handle: SessionHandle) throws(SSHError) {
        guard let offered = offeredHostKey(handle) else { throw failure(.protocolMismatch("it showed no host key")) }
        let policy = target.hostKeys
        if !policy.fingerprints.isEmpty {
            if !policy.fingerprints.contains(offered.fingerprint), !policy.pinned.contains(offered) {
                throw failure(.hostKeyChanged(offered: offered, expected: policy.fingerprints + policy.pinned.map(SSHError.words)))
            }
        } else if policy.pinned.isEmpty {
            let record = policy.knownHosts?.record(host: target.host, port: target.port)
            if record?.revoked.contains(offered) == true { throw failure(.hostKeyRevoked(offered: offered)) }
            let known = record?.keys ?? []
            if known.isEmpty {
                guard let confirm = policy.confirm, confirm(target.label, offered) else {
                    throw failure(.hostKeyUnknown(offered: offered))
                }
            } else if !known.contains(offered) {
                try explainRSAOnly(known, offered, handle)
                throw failure(.hostKeyChanged(offered: offered, expected: known.map(SSHError.words)))
            }
        } else if !policy.pinned.contains(offered) {
            try explainRSAOnly(policy.pinned, offered, handle)
            throw failure(.hostKeyChanged(offered: offered, expected: policy.pinned.map(SSHError.words)))
        }
        shared.withLock { $0.hostKey = offered }
    }

    /// A libssh2 that takes RSA host keys with SHA-1 only is shown another of the server's keys: that is no change of the machine's key.
    private func explainRSAOnly(
        _ believed: [OpenSSHPublicKey], _ offered: OpenSSHPublicKey, _ handle: SessionHandle
    ) throws(SSHError) {
        guard believed.allSatisfy({ $0.type == "ssh-rsa" }), offered.type != "ssh-rsa",
            !algorithms(handle, LIBSSH2_METHOD_HOSTKEY).contains("rsa-sha2-256")
        else { return }
        throw failure(
            .protocolMismatch(
                "only its RSA host key is pinned or known, which this homelab's libssh2 \(Self.libraryVersion) cannot check (1.11 can); "
                    + "compare its other key and pin that: \(offered.type) \(Base64.encode(offered.blob)) (\(offered.fingerprint))"))
    }
}
