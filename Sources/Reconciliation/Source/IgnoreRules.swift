import Git

/// Which files of a repository are no source, as Flux has it (fluxcd/pkg `sourceignore`): the rules of the `.sourceignore` files in any
/// directory and of a GitRepository's `spec.ignore`, or the defaults where there is not one rule; what belongs to version control never is.
///
/// Each file is judged by its whole path, and the last rule that matches has the word. A part of a directory that is left out can so come
/// back, `/*` and then `!/deploy/crds`, which gitignore(5) does not know.
struct IgnoreRules: Sendable {
    private let patterns: [IgnorePattern]

    private static let fileName = ".sourceignore"
    private static let versionControl = [".git/", ".gitignore", ".gitmodules", ".gitattributes"]
    /// Pictures and archives, configuration of CI systems and of tools.
    private static let defaults = [
        "*.jpg", "*.jpeg", "*.gif", "*.png", "*.wmv", "*.flv", "*.tar.gz", "*.zip", ".github/", ".circleci/", ".travis.yml",
        ".gitlab-ci.yml", "appveyor.yml", ".drone.yml", "cloudbuild.yaml", "codeship-services.yml", "codeship-steps.yml",
        "**/.goreleaser.yml", "**/.goreleaser.brew.yml", "**/.sops.yaml", "**/.flux.yaml",
    ]

    /// - Parameters:
    ///   - files: the texts of the `.sourceignore` files, by path.
    ///   - ignore: a GitRepository's `spec.ignore`.
    init(files: [String: String], ignore: String?) {
        var rules: [IgnorePattern] = []
        // A deeper file has the last word.
        for (path, text) in files.sorted(by: { (Self.depth($0.key), $0.key) < (Self.depth($1.key), $1.key) }) {
            rules += Self.patterns(in: text, directory: Self.names(in: path).dropLast())
        }
        rules += Self.patterns(in: ignore ?? "", directory: [])
        if rules.isEmpty { rules = Self.defaults.map { IgnorePattern($0[...], directory: []) } }
        patterns = Self.versionControl.map { IgnorePattern($0[...], directory: []) } + rules
    }

    /// - Parameter tree: has the `.sourceignore` files, whatever else it has.
    init(in tree: GitTree, ignore: String?) {
        self.init(
            files: tree.entries.filter { Self.isFile($0.key) && $0.value.kind != .submodule }
                .mapValues { String(decoding: $0.bytes, as: UTF8.self) }, ignore: ignore)
    }

    /// Whether the path is that of a file with rules.
    static func isFile(_ path: String) -> Bool { path == fileName || path.hasSuffix("/" + fileName) }

    /// Whether a file is source.
    func keeps(_ path: String) -> Bool {
        let names = Self.names(in: path)
        return patterns.last { $0.matches(names) }?.isInclusion ?? true
    }

    private static func depth(_ path: String) -> Int { path.utf8.count { $0 == UInt8(ascii: "/") } }

    private static func names(in path: String) -> [FileName] { path.split(separator: "/").map { Array($0.unicodeScalars) } }

    private static func patterns(in text: String, directory: [FileName]) -> [IgnorePattern] {
        text.split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("#") && !$0.allSatisfy(\.isWhitespace) }
            .map { IgnorePattern($0, directory: directory) }
    }
}

/// One of a path, for many comparisons.
private typealias FileName = [Unicode.Scalar]

/// One line of such rules (fluxcd/pkg `sourceignore/gitignore/pattern.go`). What matches the beginning of a path matches all below it.
private struct IgnorePattern: Sendable {
    private enum Segment {
        /// Before a leading slash.
        case empty
        /// `**`: any directories.
        case anyDirectories
        case name(FileNamePattern)
        /// Matches nothing.
        case malformed
    }

    /// The directory it was written in.
    private let directory: [FileName]
    private let segments: [Segment]
    /// Whether it is about the path from that directory on, and not about a name anywhere below it.
    private let isAnchored: Bool
    private let onlyDirectories: Bool
    /// `!`: what it matches is source after all.
    let isInclusion: Bool

    init(_ line: Substring, directory: [FileName]) {
        self.directory = directory
        isInclusion = line.hasPrefix("!")
        var text = isInclusion ? line.dropFirst() : line
        if !text.hasSuffix("\\ ") { while text.last == " " { text = text.dropLast() } }
        onlyDirectories = text.hasSuffix("/")
        if onlyDirectories { text = text.dropLast() }
        let isAnchored = text.contains("/")
        self.isAnchored = isAnchored
        segments = text.split(separator: "/", omittingEmptySubsequences: false).map { (segment: Substring) -> Segment in
            if segment.isEmpty { return .empty }
            if isAnchored, segment == "**" { return .anyDirectories }
            guard !isAnchored || !segment.contains("**"), let pattern = FileNamePattern(segment) else { return .malformed }
            return .name(pattern)
        }
    }

    /// - Parameter path: of a file.
    func matches(_ path: [FileName]) -> Bool {
        guard path.count > directory.count, path.starts(with: directory) else { return false }
        let rest = path[directory.count...]
        return isAnchored ? matchesBeginning(of: rest) : matchesName(in: rest)
    }

    private func matchesName(in path: ArraySlice<FileName>) -> Bool {
        guard case .name(let pattern)? = segments.first, let index = path.firstIndex(where: { pattern.matches($0) }) else { return false }
        return !onlyDirectories || index < path.endIndex - 1
    }

    /// Without a step back: `**` ends at the first name that what follows it matches.
    private func matchesBeginning(of path: ArraySlice<FileName>) -> Bool {
        var (rest, isMatch, passesDirectories) = (path, false, false)
        for (index, segment) in segments.enumerated() {
            switch segment {
            case .empty: passesDirectories = false
            case .anyDirectories: passesDirectories = index < segments.count - 1
            case .malformed: return false
            case .name(let pattern):
                guard let name = rest.popFirst() else { return false }
                isMatch = pattern.matches(name)
                while !isMatch, passesDirectories, let name = rest.popFirst() { isMatch = pattern.matches(name) }
                if !isMatch, !passesDirectories { return false }
                passesDirectories = false
            }
        }
        return isMatch && !(onlyDirectories && rest.isEmpty)
    }
}

/// What one name in a path is compared with (Go's `filepath.Match`): `*` any text, `?` any character, `[a-z]` and `[^a-z]` one of these or
/// none, `\` takes what follows as it is.
private struct FileNamePattern: Sendable {
    private enum Token {
        case anyText
        case anyCharacter
        case character(Unicode.Scalar)
        case set([ClosedRange<Unicode.Scalar>], isNegated: Bool)

        func matches(_ character: Unicode.Scalar) -> Bool {
            switch self {
            case .anyText, .anyCharacter: true
            case .character(let own): own == character
            case .set(let ranges, let isNegated): ranges.contains { $0.contains(character) } != isNegated
            }
        }
    }

    private let tokens: [Token]

    /// nil when the text is malformed.
    init?(_ text: Substring) {
        var rest = text.unicodeScalars
        var tokens: [Token] = []
        while let next = rest.popFirst() {
            switch next {
            case "*": tokens.append(.anyText)
            case "?": tokens.append(.anyCharacter)
            case "[":
                guard let set = Self.set(from: &rest) else { return nil }
                tokens.append(set)
            case "\\":
                guard let escaped = rest.popFirst() else { return nil }
                tokens.append(.character(escaped))
            default: tokens.append(.character(next))
            }
        }
        self.tokens = tokens
    }

    private static func set(from rest: inout Substring.UnicodeScalarView) -> Token? {
        let isNegated = rest.first == "^"
        if isNegated { rest.removeFirst() }
        var (ranges, hasRange): ([ClosedRange<Unicode.Scalar>], Bool) = ([], false)
        while !hasRange || rest.first != "]" {
            guard let low = member(from: &rest) else { return nil }
            var high = low
            if rest.first == "-" {
                rest.removeFirst()
                guard let end = member(from: &rest) else { return nil }
                high = end
            }
            hasRange = true
            // One that runs backwards holds nothing.
            if low <= high { ranges.append(low...high) }
        }
        rest.removeFirst()
        return .set(ranges, isNegated: isNegated)
    }

    private static func member(from rest: inout Substring.UnicodeScalarView) -> Unicode.Scalar? {
        guard let first = rest.popFirst(), first != "-", first != "]" else { return nil }
        return first == "\\" ? rest.popFirst() : first
    }

    func matches(_ name: FileName) -> Bool {
        var (position, place) = (0, 0)
        var retry: (position: Int, place: Int)?
        while position < name.count {
            if place < tokens.count, case .anyText = tokens[place] {
                place += 1
                retry = (position, place)
            } else if place < tokens.count, tokens[place].matches(name[position]) {
                position += 1
                place += 1
            } else if let last = retry {
                retry = (last.position + 1, last.place)
                (position, place) = (last.position + 1, last.place)
            } else {
                return false
            }
        }
        return tokens[place...].allSatisfy { if case .anyText = $0 { true } else { false } }
    }
}
