internal import CLibssh2
internal import Cryptography
internal import FileSystem
internal import Glibc

/// What has been tried to log in, for the message when nothing helped.
private struct LoginAttempts {
    var tried: [String] = []
    var hints: [String] = []
    /// The methods the server offers, as it last said.
    var offered: [String] = []
}

extension SSHSession {
    /// Tries the target's methods in their order.
    func logIn(_ limit: Limit) async throws(SSHError) {
        var attempts = LoginAttempts()
        do throws(SSHError) {
            if try await offersNothing(&attempts, limit) { return loggedIn() }
            for method in target.authentication where try await isAccepted(method, &attempts, limit) { return loggedIn() }
        } catch {
            // A server that has seen enough attempts hangs up instead of refusing.
            guard case .connectionLost = error.kind, attempts.tried.count > 1 else { throw error }
            attempts.hints.append("the server ended the connection: perhaps too many keys were tried; name the one to use")
        }
        if attempts.tried.isEmpty {
            attempts.hints.append("it accepts \(attempts.offered.joined(separator: ", ")): give a key or password for one of these")
        } else if attempts.hints.isEmpty, attempts.tried.count >= 6 {
            // sshd's MaxAuthTries is six when nobody has set it.
            attempts.hints.append("perhaps too many keys were tried; name the one to use")
        } else if attempts.hints.isEmpty, attempts.tried.allSatisfy({ $0 == "password" || $0 == "keyboard-interactive" }) {
            attempts.hints.append(
                "check the user name and the password"
                    + (target.user == "root" ? ", and that its sshd lets root log in with one (PermitRootLogin)" : ""))
        }
        throw failure(.authenticationFailed(tried: attempts.tried, hint: attempts.hints.joined(separator: "; ")))
    }

    private func loggedIn() {
        isLoggedIn = true
        if let handle { libssh2_keepalive_config(handle.session, 1, 1) }
    }

    /// Asks what the server accepts; true when it accepts a login without any proof.
    private func offersNothing(_ attempts: inout LoginAttempts, _ limit: Limit) async throws(SSHError) -> Bool {
        var list = ""
        let user = Array(target.user.utf8CString)
        let result = try await drive(.session, limit) { handle in
            guard let methods = libssh2_userauth_list(handle.session, user, UInt32(user.count - 1)) else {
                return libssh2_userauth_authenticated(handle.session) == 1 ? 1 : Int(libssh2_session_last_errno(handle.session))
            }
            list = String(cString: methods)
            return 0
        }
        attempts.offered = list.split(separator: ",").map(String.init)
        return result == 1
    }

    private func isAccepted(_ method: SSHAuthentication, _ attempts: inout LoginAttempts, _ limit: Limit) async throws(SSHError) -> Bool {
        let name =
            switch method {
            case .keyFile, .key, .agent: "publickey"
            case .password: "password"
            case .keyboardInteractive: "keyboard-interactive"
            }
        if !attempts.offered.contains(name) {
            // A server that wants several proofs offers the next only after the first.
            if !attempts.tried.isEmpty, try await offersNothing(&attempts, limit) { return true }
            guard attempts.offered.contains(name) else { return false }
        }
        switch method {
        case .keyFile(let path, let passphrase):
            let text: String
            do throws(FileError) {
                text = try Files.readText(Files.expandingHome(path), limit: 1 << 20)
            } catch {
                attempts.tried.append("key \(path)")
                attempts.hints.append(error.description)
                return false
            }
            return try await isKeyAccepted(text, "key \(path)", passphrase, &attempts, limit)
        case .key(let text, let keyName, let passphrase):
            return try await isKeyAccepted(text, "key \(keyName)", passphrase, &attempts, limit)
        case .agent(let socket, let keys): return try await isAgentAccepted(socket, keys, &attempts, limit)
        case .password(let provider):
            guard let password = provider("Password for \(target.label)") else {
                attempts.hints.append(
                    "its password has to be asked for, and nobody answered: run it on a terminal, or have the password in a file or an "
                        + "environment variable (`password: {file: …}`, `{env: …}`)")
                return false
            }
            attempts.tried.append("password")
            return try await isPasswordAccepted(password, limit)
        case .keyboardInteractive(let provider):
            attempts.tried.append("keyboard-interactive")
            return try await isConversationAccepted(provider, limit)
        }
    }

    // MARK: Keys

    private func isKeyAccepted(
        _ text: String, _ name: String, _ provider: SSHAuthentication.SecretProvider?, _ attempts: inout LoginAttempts, _ limit: Limit
    ) async throws(SSHError) -> Bool {
        attempts.tried.append(name)
        guard let key = PrivateKeyText(text) else {
            attempts.hints.append("\(name) is no private key")
            return false
        }
        var passphrase: String?
        if key.isEncrypted {
            passphrase = provider?("Passphrase for \(name)")
            guard passphrase != nil else {
                attempts.hints.append("\(name) needs its passphrase")
                return false
            }
        }
        if let handle, key.type == "ssh-rsa" || key.type == nil, !algorithms(handle, LIBSSH2_METHOD_HOSTKEY).contains("rsa-sha2-256") {
            let rsa: RSAPrivateKey?
            do throws(CryptographyError) {
                rsa = try RSAPrivateKey(text: text, passphrase: passphrase)
            } catch {
                attempts.hints.append("\(name): \(error)")
                return false
            }
            if let rsa { return try await isRSAAccepted(rsa, limit) }
        }
        let user = Array(target.user.utf8CString)
        let bytes = Array(text.utf8CString)
        let result = try await drive(.session, limit) { handle in
            Int(
                libssh2_userauth_publickey_frommemory(
                    handle.session, user, user.count - 1, nil, 0, bytes, bytes.count - 1, passphrase ?? ""))
        }
        if result == Int(LIBSSH2_ERROR_FILE) || result == Int(LIBSSH2_ERROR_KEYFILE_AUTH_FAILED) {
            attempts.hints.append(key.isEncrypted ? "\(name): wrong passphrase" : "\(name) is damaged or of an unknown type")
        }
        return result == 0
    }

    /// A libssh2 that knows only SHA-1 signatures for RSA gets the modern one from us: the blob it sends names the algorithm.
    private func isRSAAccepted(_ key: RSAPrivateKey, _ limit: Limit) async throws(SSHError) -> Bool {
        let signer = Signer { message throws(CryptographyError) in try key.signature(of: message, algorithm: .sha256) }
        return try await isSignatureAccepted(key.publicBlob(type: "rsa-sha2-256"), signer, limit)
    }

    private func isAgentAccepted(
        _ socket: String?, _ wanted: AgentKeys, _ attempts: inout LoginAttempts, _ limit: Limit
    ) async throws(SSHError) -> Bool {
        guard let path = socket ?? Files.environment("SSH_AUTH_SOCK") else { return false }
        guard let agent = AgentClient(socket: path) else {
            let hint = "nothing answers at the agent's socket \(path)"
            if !attempts.hints.contains(hint) {
                attempts.tried.append("ssh-agent")
                attempts.hints.append(hint)
            }
            return false
        }
        for key in agent.keys() where wanted.includes(key) {
            attempts.tried.append("agent key \(key.comment.isEmpty ? key.fingerprint : key.comment)")
            let blob: [UInt8]
            if key.type == "ssh-rsa" {
                // The same key under the algorithm's name, which tells libssh2 and the server what the signature is.
                var renamed = WireWriter()
                renamed.write(string: "rsa-sha2-256")
                renamed.write(raw: key.blob.dropFirst(4 + key.type.utf8.count))
                blob = renamed.bytes
            } else {
                blob = key.blob
            }
            let signer = Signer { message throws(CryptographyError) in try agent.signature(of: message, key: key) }
            if try await isSignatureAccepted(blob, signer, limit) { return true }
        }
        return false
    }

    private func isSignatureAccepted(_ blob: [UInt8], _ signer: Signer, _ limit: Limit) async throws(SSHError) -> Bool {
        let user = Array(target.user.utf8CString)
        let context = UnsafeMutablePointer<UnsafeMutableRawPointer?>.allocate(capacity: 1)
        context.initialize(to: Unmanaged.passUnretained(signer).toOpaque())
        defer { context.deallocate() }
        let result = try await drive(.session, limit) { handle in
            Int(libssh2_userauth_publickey(handle.session, user, blob, blob.count, sign, context))
        }
        withExtendedLifetime(signer) {}
        return result == 0
    }

    // MARK: Passwords

    private func isPasswordAccepted(_ password: String, _ limit: Limit) async throws(SSHError) -> Bool {
        let user = Array(target.user.utf8CString)
        let secret = Array(password.utf8CString)
        return try await drive(.session, limit) { handle in
            Int(libssh2_userauth_password_ex(handle.session, user, UInt32(user.count - 1), secret, UInt32(secret.count - 1), nil))
        } == 0
    }

    private func isConversationAccepted(_ provider: @escaping SSHAuthentication.SecretProvider, _ limit: Limit) async throws(SSHError)
        -> Bool
    {
        let user = Array(target.user.utf8CString)
        let prompter = Prompter(provider)
        handle?.traffic.pointee.prompter = Unmanaged.passUnretained(prompter).toOpaque()
        defer { handle?.traffic.pointee.prompter = nil }
        let result = try await drive(.session, limit) { handle in
            Int(libssh2_userauth_keyboard_interactive_ex(handle.session, user, UInt32(user.count - 1), answer))
        }
        withExtendedLifetime(prompter) {}
        return result == 0
    }
}

/// Makes signatures for libssh2's callback.
private final class Signer {
    let make: (UnsafeRawBufferPointer) throws(CryptographyError) -> [UInt8]

    init(_ make: @escaping (UnsafeRawBufferPointer) throws(CryptographyError) -> [UInt8]) { self.make = make }
}

/// Answers the server's prompts.
private final class Prompter {
    let answer: SSHAuthentication.SecretProvider

    init(_ answer: @escaping SSHAuthentication.SecretProvider) { self.answer = answer }
}

/// Called by libssh2 for the signature over the login request; frees nothing: libssh2 frees what it is given.
private func sign(
    _ session: OpaquePointer?, _ signature: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?, _ size: UnsafeMutablePointer<Int>?,
    _ message: UnsafePointer<UInt8>?, _ count: Int, _ context: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> Int32 {
    guard let signature, let size, let signer = context?.pointee else { return -1 }
    let make = Unmanaged<Signer>.fromOpaque(signer).takeUnretainedValue().make
    guard let bytes = try? make(UnsafeRawBufferPointer(start: message, count: count)), let copy = malloc(max(1, bytes.count)) else {
        return -1
    }
    copy.copyMemory(from: bytes, byteCount: bytes.count)
    signature.pointee = copy.assumingMemoryBound(to: UInt8.self)
    size.pointee = bytes.count
    return 0
}

/// Called by libssh2 with the server's prompts; the answers' memory becomes libssh2's.
private func answer(
    _ name: UnsafePointer<CChar>?, _ nameSize: Int32, _ instruction: UnsafePointer<CChar>?, _ instructionSize: Int32, _ count: Int32,
    _ prompts: UnsafePointer<LIBSSH2_USERAUTH_KBDINT_PROMPT>?, _ responses: UnsafeMutablePointer<LIBSSH2_USERAUTH_KBDINT_RESPONSE>?,
    _ context: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) {
    guard let traffic = context?.pointee?.assumingMemoryBound(to: homelab_ssh_traffic.self), let pointer = traffic.pointee.prompter,
        let prompts, let responses
    else { return }
    let prompter = Unmanaged<Prompter>.fromOpaque(pointer).takeUnretainedValue()
    for index in 0..<Int(count) {
        let prompt = prompts[index]
        let text = String(decoding: UnsafeRawBufferPointer(start: prompt.text, count: Int(prompt.length)), as: UTF8.self)
        let secret = Array((prompter.answer(text) ?? "").utf8CString)
        guard let copy = malloc(secret.count) else { continue }
        copy.copyMemory(from: secret.map { UInt8(bitPattern: $0) }, byteCount: secret.count)
        responses[index].text = copy.assumingMemoryBound(to: CChar.self)
        responses[index].length = UInt32(secret.count - 1)
    }
}
