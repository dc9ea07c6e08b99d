internal import FileSystem
internal import Glibc

/// What `~/.ssh/config` says about a host (ssh_config(5)): the settings that matter for reaching a machine. The first value found
/// wins, as ssh does it; other keywords are passed over.
package struct SSHConfig: Sendable, Equatable {
    /// The answers for one host.
    package struct Settings: Sendable, Equatable {
        package var hostName: String?
        package var user: String?
        package var port: Int?
        package var identityFiles: [String] = []
        /// `IdentityFile none`: OpenSSH's own defaults are not to be tried.
        package var hasNoDefaultIdentities = false
        package var identitiesOnly: Bool { identitiesOnlySaid ?? false }
        fileprivate var identitiesOnlySaid: Bool?
        package var identityAgent: String?
        /// `user@host:port` of each jump, the nearest first; empty when there is none.
        package var proxyJump: [String] = []
        /// Empty when nothing was said; `none` stands for no file at all.
        package var userKnownHostsFiles: [String] = []
        /// ProxyCommand, Match and the like that stand for this host and cannot be followed here.
        package var unsupported: [String] = []
    }

    private struct Line: Sendable, Equatable {
        let keyword: String
        let arguments: [String]
        /// The blocks that the files including this one were in: they have to stand for the host, too.
        var within: [[String]] = []
    }

    private var lines: [Line] = []

    package init() {}

    /// Reads a file's text.
    /// - Parameter include: the texts of the files an `Include` pattern stands for.
    package init(text: String, include: (_ pattern: String) -> [String] = { _ in [] }) {
        lines = Self.lines(text, include: include, depth: 0)
    }

    /// Reads a file with what it includes; one that is not there counts as empty.
    package init(file: String = Files.homeDirectory + "/.ssh/config") throws(SSHError) {
        self.init()
        guard Files.exists(file) else { return }
        do throws(FileError) {
            let directory = Files.homeDirectory + "/.ssh"
            lines = Self.lines(
                Self.text(try Files.read(file, limit: 16 << 20)),
                include: { pattern in
                    let path = Files.expandingHome(pattern)
                    return Self.files(matching: path.hasPrefix("/") ? path : directory + "/" + path).compactMap { path in
                        (try? Files.read(path, limit: 16 << 20)).map(Self.text)
                    }
                }, depth: 0)
        } catch {
            throw SSHError(target: file, kind: .localFile(error.description))
        }
    }

    /// A comment may be in any encoding.
    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// The settings for a host as it was given on the command line or in the inventory.
    /// - Parameters:
    ///   - user: whom the inventory names; nil leaves it to the file.
    ///   - port: the same.
    package func settings(for host: String, user: String? = nil, port: Int? = nil) -> Settings {
        var settings = Settings()
        var jumpIsSet = false
        var isActive = true
        var skippedMatch: String?
        for line in lines {
            if !isActive, let match = skippedMatch, Self.honoured.contains(line.keyword) {
                settings.unsupported.append(match)
                skippedMatch = nil
            }
            switch line.keyword {
            case "host":
                isActive = Self.matches(host, line.arguments) && line.within.allSatisfy { Self.matches(host, $0) }
                skippedMatch = nil
            case "match":
                let isMeant = line.within.allSatisfy { Self.matches(host, $0) }
                isActive = isMeant && line.arguments.map { $0.lowercased() } == ["all"]
                skippedMatch = isActive || !isMeant ? nil : "Match " + line.arguments.joined(separator: " ")
            case _ where !isActive: continue
            case "proxyjump":
                if !jumpIsSet, let value = line.arguments.first, settings.unsupported.allSatisfy({ !$0.hasPrefix("ProxyCommand") }) {
                    settings.proxyJump = value.lowercased() == "none" ? [] : value.split(separator: ",").map(String.init)
                    jumpIsSet = true
                }
            case "proxycommand":
                if !jumpIsSet, line.arguments.first?.lowercased() != "none" {
                    settings.unsupported.append("ProxyCommand " + line.arguments.joined(separator: " "))
                }
            default: settings.take(line.keyword, line.arguments, host: host)
            }
        }
        let tokens = Self.tokens(host, settings, user: user, port: port)
        let path = { (text: String) in Self.expand(Files.expandingHome(Self.withVariables(text)), tokens) }
        settings.identityFiles = settings.identityFiles.map(path)
        settings.userKnownHostsFiles = settings.userKnownHostsFiles.map(path)
        settings.identityAgent = settings.identityAgent.map { text in
            text.hasPrefix("$") && !text.hasPrefix("${") ? Files.environment(String(text.dropFirst())) ?? text : path(text)
        }
        settings.proxyJump = settings.proxyJump.map { Self.expand($0, tokens) }
        return settings
    }

    /// What the tokens of ssh_config(5) stand for, as far as it can be known here: %C and %j are left as they are.
    private static func tokens(_ host: String, _ settings: Settings, user: String?, port: Int?) -> [Character: String] {
        let me = getpwuid(getuid()).map { String(cString: $0.pointee.pw_name) } ?? ""
        var machine = [CChar](repeating: 0, count: 256)
        gethostname(&machine, machine.count - 1)
        let name = String(decoding: machine.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return [
            "%": "%", "d": Files.homeDirectory, "h": settings.hostName ?? host, "i": String(getuid()), "k": host, "n": host,
            "L": String(name.prefix { $0 != "." }), "l": name, "p": String(port ?? settings.port ?? 22), "r": user ?? settings.user ?? me,
            "u": me,
        ]
    }

    /// `${NAME}` is a variable of the environment; one that is not set stays as it is written.
    private static func withVariables(_ text: String) -> String {
        let parts = text.split(separator: "${", omittingEmptySubsequences: false)
        return parts.dropFirst().reduce(into: String(parts[0])) { result, part in
            let name = part.prefix { $0 != "}" }
            let value = name.count < part.count ? Files.environment(String(name)) : nil
            result += value.map { $0 + part.dropFirst(name.count + 1) } ?? "${" + part
        }
    }

    /// What a block has to say to matter here: a `Match` with other settings only is none of our business.
    private static let honoured: Set<String> = [
        "hostname", "user", "port", "identityfile", "identitiesonly", "identityagent", "userknownhostsfile", "proxyjump", "proxycommand",
    ]

    private static func matches(_ host: String, _ patterns: [String]) -> Bool {
        var isMatch = false
        for pattern in patterns {
            let isNegated = pattern.hasPrefix("!")
            guard Wildcard.matches(host.lowercased(), pattern: (isNegated ? String(pattern.dropFirst()) : pattern).lowercased()) else {
                continue
            }
            if isNegated { return false }
            isMatch = true
        }
        return isMatch
    }

    fileprivate static func expand(_ text: String, _ tokens: [Character: String]) -> String {
        var result = ""
        var characters = text.makeIterator()
        while let character = characters.next() {
            guard character == "%", let code = characters.next() else {
                result.append(character)
                continue
            }
            result += tokens[code] ?? "%\(code)"
        }
        return result
    }

    private static func lines(_ text: String, include: (String) -> [String], depth: Int, within: [[String]] = []) -> [Line] {
        var lines: [Line] = []
        // A block of an included file ends with the file; the including file's block then goes on.
        let outer = Line(keyword: "host", arguments: ["*"], within: within)
        var block = outer
        for raw in text.split(whereSeparator: \.isNewline) {
            guard var line = line(raw) else { continue }
            line.within = within
            if line.keyword == "host" || line.keyword == "match" { block = line }
            guard line.keyword == "include" else {
                lines.append(line)
                continue
            }
            guard depth < 16 else { continue }
            let isMatch = block.keyword == "match" && block.arguments.map { $0.lowercased() } != ["all"]
            let inner = within + [block.keyword == "host" ? block.arguments : ["*"]]
            for included in line.arguments.flatMap(include) {
                let its = Self.lines(included, include: include, depth: depth + 1, within: inner)
                lines.append(Line(keyword: "host", arguments: ["*"], within: inner))
                // For whom a Match stands is not known here: all that it includes is a part of it.
                lines += isMatch ? [block] + its.map { ["host", "match"].contains($0.keyword) ? block : $0 } : its
                lines.append(block)
            }
        }
        return lines
    }

    /// `Keyword value…` or `Keyword=value`; values perhaps in double or single quotes, quotes and backslashes perhaps behind a backslash.
    private static func line(_ raw: Substring) -> Line? {
        let text = raw.drop { $0 == " " || $0 == "\t" }
        guard let first = text.first, first != "#" else { return nil }
        let end = text.firstIndex { $0 == " " || $0 == "\t" || $0 == "=" } ?? text.endIndex
        var rest = text[end...].drop { $0 == " " || $0 == "\t" }
        if rest.first == "=" { rest = rest.dropFirst() }
        let arguments = words(rest)
        return arguments.isEmpty ? nil : Line(keyword: text[..<end].lowercased(), arguments: arguments)
    }

    private static func words(_ text: Substring) -> [String] {
        var words: [String] = []
        var word: String?
        var quote: Character?
        var characters = text[...]
        while let character = characters.popFirst() {
            if character == "\\", let next = characters.first, "\"'\\".contains(next) || quote == nil && next == " " {
                word = (word ?? "") + String(characters.removeFirst())
            } else if character == quote {
                quote = nil
            } else if quote == nil, character == "\"" || character == "'" {
                quote = character
                word = word ?? ""
            } else if quote == nil, character == " " || character == "\t" {
                if let done = word { words.append(done) }
                word = nil
            } else if quote == nil, character == "#", word == nil {
                break
            } else {
                word = (word ?? "") + String(character)
            }
        }
        if let done = word { words.append(done) }
        return words
    }

    /// Files that a path with wildcards stands for (glob(7)), in the order of their names.
    private static func files(matching path: String) -> [String] {
        var found = glob_t()
        defer { globfree(&found) }
        guard glob(path, 0, nil, &found) == 0, let paths = found.gl_pathv else { return [] }
        return (0..<Int(found.gl_pathc)).compactMap { paths[$0].map { String(cString: $0) } }
    }
}

extension SSHConfig.Settings {
    fileprivate mutating func take(_ keyword: String, _ arguments: [String], host: String) {
        guard let value = arguments.first else { return }
        switch keyword {
        case "hostname": hostName = hostName ?? SSHConfig.expand(value, ["h": host, "%": "%"])
        case "user": user = user ?? value
        case "port": port = port ?? Int(value)
        case "identityfile" where value.lowercased() == "none": hasNoDefaultIdentities = true
        case "identityfile": identityFiles.append(value)
        case "identitiesonly": identitiesOnlySaid = identitiesOnlySaid ?? ["yes", "true"].contains(value.lowercased())
        case "identityagent": identityAgent = identityAgent ?? value
        case "userknownhostsfile": if userKnownHostsFiles.isEmpty { userKnownHostsFiles = arguments }
        default: break
        }
    }
}
