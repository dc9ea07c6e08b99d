/// Which versions are wanted, in the grammar of Flux' `semver` fields (github.com/Masterminds/semver): `>=1.2 <2`, `^1.2.3`, `~1.4`,
/// `1.x`, `1.2 - 1.4`, `!=1.3.0`, parts joined by commas or spaces all hold, alternatives are joined by `||`.
///
/// A pre-release satisfies only a range that names one itself.
package struct VersionRange: Sendable {
    private struct Comparison {
        enum Relation {
            case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual, tilde, caret
        }

        var relation: Relation
        var version: PartialVersion
    }

    private let alternatives: [[Comparison]]

    /// nil when the text is no range.
    package init?(_ text: String) {
        var alternatives: [[Comparison]] = []
        for alternative in Self.parts(of: text) {
            guard let comparisons = Self.comparisons(alternative) else { return nil }
            alternatives.append(comparisons)
        }
        self.alternatives = alternatives
    }

    package func contains(_ version: SemanticVersion) -> Bool {
        alternatives.contains { $0.allSatisfy { Self.holds($0, for: version) } }
    }

    /// The highest version that satisfies it among the tags, as the tag is written.
    package func highest(of tags: some Sequence<String>) -> String? {
        let versions = tags.compactMap { tag in SemanticVersion(tag).map { (tag: tag, version: $0) } }
        return versions.filter { contains($0.version) }.max { ($0.version, $0.tag) < ($1.version, $1.tag) }?.tag
    }

    private static func parts(of text: String) -> [Substring] {
        var parts: [Substring] = []
        var rest = text[...]
        while let bars = rest.firstRange(of: "||") {
            parts.append(rest[..<bars.lowerBound])
            rest = rest[bars.upperBound...]
        }
        return parts + [rest]
    }

    private static func comparisons(_ text: Substring) -> [Comparison]? {
        var words = text.split { $0 == " " || $0 == "," || $0 == "\t" }[...]
        if words.isEmpty { return nil }
        var found: [Comparison] = []
        while let word = words.popFirst() {
            if words.first == "-" {
                words.removeFirst()
                guard let low = PartialVersion(word), let end = words.popFirst(), let high = PartialVersion(end) else { return nil }
                found += [Comparison(relation: .greaterOrEqual, version: low), Comparison(relation: .lessOrEqual, version: high)]
                continue
            }
            let (relation, length) = relation(at: word)
            var rest = word.dropFirst(length)
            // `>= 1.2`: the version is the next word.
            if rest.isEmpty, length > 0 { rest = words.popFirst() ?? "" }
            guard let version = PartialVersion(rest) else { return nil }
            found.append(Comparison(relation: relation, version: version))
        }
        return found
    }

    private static func relation(at word: Substring) -> (Comparison.Relation, length: Int) {
        let known: [(String, Comparison.Relation)] = [
            (">=", .greaterOrEqual), ("=>", .greaterOrEqual), ("<=", .lessOrEqual), ("=<", .lessOrEqual), ("!=", .notEqual), ("~>", .tilde),
            (">", .greater), ("<", .less), ("=", .equal), ("~", .tilde), ("^", .caret),
        ]
        return known.first { word.hasPrefix($0.0) }.map { ($0.1, $0.0.count) } ?? (.equal, 0)
    }

    private static func holds(_ comparison: Comparison, for version: SemanticVersion) -> Bool {
        let wanted = comparison.version
        if !version.preRelease.isEmpty, wanted.preRelease.isEmpty { return false }
        let low = wanted.lowest
        let isWithin = version >= low && (wanted.major == nil || wanted.beyond.map { version < $0 } ?? (version == low))
        switch comparison.relation {
        case .equal: return isWithin
        case .notEqual: return !isWithin
        case .less: return version < low
        case .lessOrEqual: return wanted.beyond.map { version < $0 } ?? (wanted.major == nil || version <= low)
        case .greaterOrEqual: return version >= low
        case .greater: return wanted.beyond.map { version >= $0 } ?? (wanted.major != nil && version > low)
        case .tilde: return version >= low && below(tilde(wanted), version)
        case .caret: return version >= low && below(caret(wanted), version)
        }
    }

    private static func below(_ limit: SemanticVersion?, _ version: SemanticVersion) -> Bool { limit.map { version < $0 } ?? true }

    /// `~1.2.3` and `~1.2` stay in 1.2, `~1` stays in 1.
    private static func tilde(_ wanted: PartialVersion) -> SemanticVersion? {
        guard let major = wanted.major else { return nil }
        return wanted.minor.map { SemanticVersion(major, $0 + 1, 0) } ?? SemanticVersion(major + 1, 0, 0)
    }

    /// The leftmost number that is not zero stays: `^1.2.3` in 1, `^0.2.3` in 0.2, `^0.0.3` at 0.0.3.
    private static func caret(_ wanted: PartialVersion) -> SemanticVersion? {
        guard let major = wanted.major else { return nil }
        guard major == 0, let minor = wanted.minor else { return SemanticVersion(major + 1, 0, 0) }
        guard minor == 0, let patch = wanted.patch else { return SemanticVersion(0, minor + 1, 0) }
        return SemanticVersion(0, 0, patch + 1)
    }
}
