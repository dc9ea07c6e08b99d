import Git
import SyncPlanning

/// Which files of a repository are no source: the defaults of Flux, `.sourceignore` files in any directory, and a GitRepository's
/// `spec.ignore`, all in the grammar of gitignore. A later rule wins; nothing below a directory that is left out comes back.
struct IgnoreRules {
    private struct Rule {
        /// The directory it was written in.
        var base: [Substring]
        var segments: [GlobPattern?]
        var isAnchored: Bool
        var isNegated: Bool
        var onlyDirectories: Bool
    }

    private var rules: [Rule] = []

    /// Version control, pictures and archives, configuration of CI systems and of tools (fluxcd/pkg `sourceignore`).
    private static let defaults = """
        .git/
        .gitignore
        .gitmodules
        .gitattributes
        *.jpg
        *.jpeg
        *.gif
        *.png
        *.wmv
        *.flv
        *.tar.gz
        *.zip
        .github/
        .circleci/
        .travis.yml
        .gitlab-ci.yml
        appveyor.yml
        .drone.yml
        cloudbuild.yaml
        codeship-services.yml
        codeship-steps.yml
        **/.goreleaser.yml
        **/.goreleaser.brew.yml
        **/.sops.yaml
        **/.flux.yaml
        """

    /// - Parameter ignore: a GitRepository's `spec.ignore`, which takes the place of the defaults.
    init(for tree: GitTree, ignore: String?) {
        if ignore == nil { add(Self.defaults, base: []) }
        let files = tree.entries.keys.filter { $0 == ".sourceignore" || $0.hasSuffix("/.sourceignore") }
        // A deeper file has the last word.
        for path in files.sorted(by: { ($0.split(separator: "/").count, $0) < ($1.split(separator: "/").count, $1) }) {
            add(tree.text(path) ?? "", base: path.split(separator: "/").dropLast())
        }
        if let ignore { add(ignore, base: []) }
    }

    private mutating func add(_ text: String, base: [Substring]) {
        for line in text.split(whereSeparator: \.isNewline) {
            var pattern = line
            while pattern.last == " " || pattern.last == "\t" { pattern = pattern.dropLast() }
            if pattern.isEmpty || pattern.hasPrefix("#") { continue }
            let isNegated = pattern.hasPrefix("!")
            if isNegated { pattern = pattern.dropFirst() }
            let onlyDirectories = pattern.hasSuffix("/")
            if onlyDirectories { pattern = pattern.dropLast() }
            let isAnchored = pattern.contains("/")
            let segments = pattern.split(separator: "/").map { $0 == "**" ? nil : GlobPattern(String($0)) }
            if segments.isEmpty { continue }
            rules.append(
                Rule(
                    base: base, segments: segments, isAnchored: isAnchored, isNegated: isNegated, onlyDirectories: onlyDirectories))
        }
    }

    /// The tree without what is left out.
    func applied(to tree: GitTree) -> GitTree {
        var directories: [ArraySlice<Substring>: Bool] = [:]
        return GitTree(
            commit: tree.commit,
            entries: tree.entries.filter { path, _ in
                let parts = path.split(separator: "/")
                for depth in 1..<max(1, parts.count) {
                    let directory = parts[..<depth]
                    let isOut = directories[directory] ?? isIgnored(Array(directory), isDirectory: true)
                    directories[directory] = isOut
                    if isOut { return false }
                }
                return !isIgnored(parts, isDirectory: false)
            })
    }

    private func isIgnored(_ path: [Substring], isDirectory: Bool) -> Bool {
        for rule in rules.reversed() where !rule.onlyDirectories || isDirectory {
            guard path.starts(with: rule.base), path.count > rule.base.count else { continue }
            let rest = path[rule.base.count...]
            let isMatch = rule.isAnchored ? Self.matches(rest, rule.segments[...]) : Self.matches(rest.suffix(1), rule.segments[...])
            if isMatch { return !rule.isNegated }
        }
        return false
    }

    /// A nil stands for `**`: any directories, none included.
    private static func matches(_ path: ArraySlice<Substring>, _ segments: ArraySlice<GlobPattern?>) -> Bool {
        guard let first = segments.first else { return path.isEmpty }
        guard let pattern = first else {
            if segments.count == 1 { return !path.isEmpty }
            return (0...path.count).contains { matches(path.dropFirst($0), segments.dropFirst()) }
        }
        guard let name = path.first, pattern.matches(Array(name)) else { return false }
        return matches(path.dropFirst(), segments.dropFirst())
    }
}
