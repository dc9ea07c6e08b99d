package import Diagnostics

/// Takes secrets out of text from nodes before it is shown or written down: k3s' join tokens by their form, and every secret this run
/// has handled by its text.
package struct Scrubber: Hashable, Sendable {
    /// Short texts are left alone: blanking them would only garble the log.
    private var known = KnownSecrets(shortest: 6, wholeWordsBelow: 0)

    package init(_ secrets: some Sequence<Secret> = []) {
        for secret in secrets { add(secret) }
    }

    /// Of a token the password is a secret by itself: k3s and the inventory know it without what stands before it.
    package mutating func add(_ secret: Secret) {
        let text = secret.revealed.trimmingLineBreaks
        let isToken = text.hasPrefix("K10") && text.contains("::")
        for part in [text] + (isToken ? text.split(separator: ":").suffix(1).map(String.init) : []) { known.add(part) }
    }

    package func scrub(_ text: String) -> String {
        Self.withoutControls(Self.withoutTokens(known.masked(text, with: "<secret>")))
    }

    /// Without what a terminal obeys (colours, a moved cursor, a new title): a node's words are to be read, also in `less` or `cat`.
    private static func withoutControls(_ text: String) -> String {
        func isObeyed(_ scalar: Unicode.Scalar) -> Bool {
            scalar.value < 0x20 && scalar != "\n" && scalar != "\t" && scalar != "\r" || (0x7F..<0xA0).contains(scalar.value)
        }
        guard text.unicodeScalars.contains(where: isObeyed) else { return text }
        var result = String.UnicodeScalarView()
        var rest = text.unicodeScalars[...]
        while let scalar = rest.popFirst() {
            if scalar == "\u{1B}", rest.first == "[" {
                // A sequence ends with its first letter (ECMA-48, 5.4).
                rest = rest.dropFirst().drop { !(0x40...0x7E).contains($0.value) }.dropFirst()
            } else if !isObeyed(scalar) {
                result.append(scalar)
            }
        }
        return String(result)
    }

    /// `K10<64 hex>::user:password` and `K10<64 hex>::id.secret` become `K10<secret>`; a bootstrap token's id (6 letters) is no secret,
    /// but alone it would not help a reader either.
    private static func withoutTokens(_ text: String) -> String {
        guard text.contains("K10") else { return text }
        var result = ""
        var rest = text[...]
        while let start = rest.range(ofSubstring: "K10") {
            result += rest[..<start.lowerBound]
            let tail = rest[start.upperBound...]
            let hash = tail.prefix(while: \.isHexDigit)
            if hash.count >= 64, tail.dropFirst(hash.count).hasPrefix("::") {
                let token = tail.prefix { !$0.isWhitespace && $0 != "\"" && $0 != "'" && $0 != "\\" }
                result += "K10<secret>"
                rest = tail.dropFirst(token.count)
            } else {
                result += "K10"
                rest = tail
            }
        }
        return result + rest
    }
}

extension String {
    /// Without the line breaks at its end, as `$(…)` in a shell has it.
    var trimmingLineBreaks: String {
        var text = self[...]
        while let last = text.last, last.isNewline { text = text.dropLast() }
        return String(text)
    }
}
