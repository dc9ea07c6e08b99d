/// A commit or a tag taken apart into its signature and what is signed, as git does it (gitformat-signature).
package struct SignedObject: Hashable, Sendable {
    enum Signature: Hashable, Sendable {
        case ssh(String)
        case openPGP(String)
    }

    let payload: [UInt8]
    let signature: Signature
    /// When the object was made, by its own word: seconds since 1970.
    let time: Int64

    /// - Parameter bytes: the commit as git stores it, without the object's header.
    package init(commit bytes: [UInt8]) throws(SignatureProblem) {
        var payload: [UInt8] = []
        var signature: [UInt8]?
        var time: Int64?
        var header: Header = .other
        var rest = bytes[...]
        while let line = Self.line(&rest), line != [UInt8(ascii: "\n")] {
            if line.first != UInt8(ascii: " ") {
                header = Header(line)
                if header == .signature {
                    guard signature == nil else { throw SignatureProblem(.malformed, "the commit has more than one signature") }
                    signature = []
                } else if line.starts(with: "committer ".utf8) {
                    time = Self.time(line)
                }
            }
            switch header {
            case .signature: signature?.append(contentsOf: line.dropFirst(line.first == UInt8(ascii: " ") ? 1 : "gpgsig ".utf8.count))
            // A signature over the same commit by its other name is not part of what is signed either.
            case .otherSignature: break
            case .other: payload += line
            }
            if rest.isEmpty { throw SignatureProblem(.malformed, "the commit has no end of its header") }
        }
        guard let signature else { throw SignatureProblem(.unsigned, "the commit is not signed") }
        guard let time else { throw SignatureProblem(.malformed, "the commit does not say when it was made") }
        self.payload = payload + [UInt8(ascii: "\n")] + rest
        self.signature = try Self.signature(signature)
        self.time = time
    }

    /// - Parameter bytes: the annotated tag as git stores it; its signature stands at the end of its message.
    package init(tag bytes: [UInt8]) throws(SignatureProblem) {
        var rest = bytes[...]
        var start: Int?
        var time: Int64?
        while case let at = rest.startIndex, let line = Self.line(&rest) {
            // The last one counts: a message may quote another.
            if line.starts(with: "-----BEGIN SSH SIGNATURE-----".utf8) || line.starts(with: "-----BEGIN PGP SIGNATURE-----".utf8) {
                start = at
            }
            if time == nil, line.starts(with: "tagger ".utf8) { time = Self.time(line) }
        }
        guard let start else { throw SignatureProblem(.unsigned, "the tag is not signed") }
        guard let time else { throw SignatureProblem(.malformed, "the tag does not say when it was made") }
        payload = Array(bytes[..<start])
        signature = try Self.signature(Array(bytes[start...]))
        self.time = time
    }

    private enum Header {
        case signature, otherSignature, other

        init(_ line: ArraySlice<UInt8>) {
            if line.starts(with: "gpgsig ".utf8) {
                self = .signature
            } else if line.starts(with: "gpgsig".utf8) {
                self = .otherSignature
            } else {
                self = .other
            }
        }
    }

    private static func signature(_ bytes: [UInt8]) throws(SignatureProblem) -> Signature {
        let text = String(decoding: bytes, as: UTF8.self)
        if text.hasPrefix("-----BEGIN SSH SIGNATURE-----") { return .ssh(text) }
        if text.hasPrefix("-----BEGIN PGP ") { return .openPGP(text) }
        throw SignatureProblem(.unsupported, "the signature is neither an SSH nor an OpenPGP one (X.509 is not supported)")
    }

    /// The next line with its end.
    private static func line(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard !rest.isEmpty else { return nil }
        let end = rest.firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? rest.endIndex
        defer { rest = rest[end...] }
        return rest[..<end]
    }

    /// `committer Name <address> 1700000000 +0100`.
    private static func time(_ line: ArraySlice<UInt8>) -> Int64? {
        let fields = line.drop { $0 != UInt8(ascii: ">") }
        guard let last = line.lastIndex(of: UInt8(ascii: ">")), !fields.isEmpty else { return nil }
        return String(decoding: line[(last + 1)...], as: UTF8.self).split(whereSeparator: \.isWhitespace).first.flatMap { Int64($0) }
    }
}
