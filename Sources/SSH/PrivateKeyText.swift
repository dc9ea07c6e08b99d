internal import Cryptography

/// What can be told of a private key file without opening it: its type and whether a passphrase is needed.
struct PrivateKeyText: Equatable {
    /// `ssh-ed25519`, `ssh-rsa` and so on; nil when the format does not tell.
    let type: String?
    let isEncrypted: Bool

    /// nil when the text is no private key.
    init?(_ text: String) {
        guard text.contains("PRIVATE KEY-----") else { return nil }
        if let bytes = PEM.decode(text, label: "OPENSSH PRIVATE KEY") {
            var reader = WireReader(bytes)
            guard reader.raw(15) != nil, let cipher = reader.text(), reader.string() != nil, reader.string() != nil, reader.number() != nil,
                let blob = reader.string()
            else { return nil }
            type = OpenSSHPublicKey(blob: blob)?.type
            isEncrypted = cipher != "none"
        } else {
            type = text.contains("BEGIN RSA PRIVATE KEY") ? "ssh-rsa" : nil
            isEncrypted = text.contains("ENCRYPTED")
        }
    }
}
