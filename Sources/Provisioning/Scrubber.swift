package import Diagnostics

/// Takes secrets out of text from nodes before it is shown or written down: k3s' join tokens by their form, and every secret this run
/// has handled by its text.
package struct Scrubber: Hashable, Sendable {
    private var known: [String] = []

    package init(_ secrets: some Sequence<Secret> = []) {
        for secret in secrets { add(secret) }
    }

    /// Short texts are left alone: blanking them would only garble the log.
    package mutating func add(_ secret: Secret) {
        let text = secret.revealed.trimmingLineBreaks
        if text.count >= 6, !known.contains(text) { known.append(text) }
    }

    package func scrub(_ text: String) -> String {
        var result = text
        for secret in known { result = result.replacing(secret, with: "<secret>") }
        return Self.withoutTokens(result)
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
