internal import FileSystem

/// What `~/.ssh/config` says about a host (ssh_config(5)): the settings that matter for reaching a machine. The first value found
/// wins, as ssh does it; other keywords are passed over.
package struct SSHConfig: Sendable, Equatable {
    /// The answers for one host.
    package struct Settings: Sendable, Equatable {
        package var hostName: String?
        package var user: String?
        package var port: Int?
        package var identityFiles: [String] = []
        package var identitiesOnly: Bool { identitiesOnlySaid ?? false }
        fileprivate var identitiesOnlySaid: Bool?
        package var identityAgent: String?
        /// `user@host:port` of each jump, the nearest first; empty when there is none.
        package var proxyJump: [String] = []
        package var userKnownHostsFiles: [String] = []
        /// ProxyCommand, Match and the like that stand for this host and cannot be followed here.
        package var unsupported: [String] = []
    }

    private struct Line: Sendable, Equatable {
        let keyword: String
        let arguments: [String]
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
                try Files.readText(file),
                include: { pattern in
                    let path = Files.expandingHome(pattern)
                    return Self.files(matching: path.hasPrefix("/") ? path : directory + "/" + path).compactMap { try? Files.readText($0) }
                }, depth: 0)
        } catch {
            throw SSHError(target: file, kind: .localFile(error.description))
        }
    }

    /// The settings for a host as it was given on the command line or in the inventory.
    package func settings(for host: String) -> Settings {
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
                isActive = Self.matches(host, line.arguments)
                skippedMatch = nil
            case "match":
                isActive = line.arguments.map { $0.lowercased() } == ["all"]
                skippedMatch = isActive ? nil : "Match " + line.arguments.joined(separator: " ")
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
        let hostName = settings.hostName ?? host
        settings.identityFiles = settings.identityFiles.map { Self.expand($0, host: hostName, settings: settings) }
        settings.userKnownHostsFiles = settings.userKnownHostsFiles.map { Self.expand($0, host: hostName, settings: settings) }
        return settings
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

    /// `~`, %h, %r, %p, %d and %%, as far as they can be known here.
    private static func expand(_ path: String, host: String, settings: Settings) -> String {
        var result = ""
        var characters = Files.expandingHome(path).makeIterator()
        while let character = characters.next() {
            guard character == "%", let code = characters.next() else {
                result.append(character)
                continue
            }
            switch code {
            case "h": result += host
            case "r": result += settings.user ?? ""
            case "p": result += String(settings.port ?? 22)
            case "d": result += Files.homeDirectory
            case "%": result += "%"
            default: result += "%\(code)"
            }
        }
        return result
    }

    private static func lines(_ text: String, include: (String) -> [String], depth: Int) -> [Line] {
        var lines: [Line] = []
        // A block of an included file ends with the file; the including file's block then goes on.
        var block: Line?
        for raw in text.split(whereSeparator: \.isNewline) {
            guard let line = line(raw) else { continue }
            if line.keyword == "host" || line.keyword == "match" { block = line }
            guard line.keyword == "include" else {
                lines.append(line)
                continue
            }
            guard depth < 16 else { continue }
            for included in line.arguments.flatMap(include) {
                lines += Self.lines(included, include: include, depth: depth + 1)
                lines.append(block ?? Line(keyword: "host", arguments: ["*"]))
            }
        }
        return lines
    }

    /// `Keyword value…` or `Keyword=value`, values perhaps in double quotes.
    private static func line(_ raw: Substring) -> Line? {
        let text = raw.drop { $0 == " " || $0 == "\t" }
        guard let first = text.first, first != "#" else { return nil }
        let end = text.firstIndex { $0 == " " || $0 == "\t" || $0 == "=" } ?? text.endIndex
        var rest = text[end...].drop { $0 == " " || $0 == "\t" }
        if rest.first == "=" { rest = rest.dropFirst() }
        var arguments: [String] = []
        var word: String?
        var isQuoted = false
        for character in rest {
            if character == "\"" {
                isQuoted.toggle()
                word = word ?? ""
            } else if !isQuoted, character == " " || character == "\t" {
                if let done = word { arguments.append(done) }
                word = nil
            } else if !isQuoted, character == "#", word == nil {
                break
            } else {
                word = (word ?? "") + String(character)
            }
        }
        if let done = word { arguments.append(done) }
        return arguments.isEmpty ? nil : Line(keyword: text[..<end].lowercased(), arguments: arguments)
    }

    /// Files a path with wildcards in its last part stands for.
    private static func files(matching path: String) -> [String] {
        guard path.contains(where: { $0 == "*" || $0 == "?" }) else { return [path] }
        let directory = Files.directoryName(path)
        let names = (try? Files.list(directory)) ?? []
        return names.filter { !$0.hasPrefix(".") && Wildcard.matches($0, pattern: Files.baseName(path)) }.map { directory + "/" + $0 }
    }
}

extension SSHConfig.Settings {
    fileprivate mutating func take(_ keyword: String, _ arguments: [String], host: String) {
        guard let value = arguments.first else { return }
        switch keyword {
        case "hostname": hostName = hostName ?? value.split(separator: "%h", omittingEmptySubsequences: false).joined(separator: host)
        case "user": user = user ?? value
        case "port": port = port ?? Int(value)
        case "identityfile": identityFiles.append(value)
        case "identitiesonly": identitiesOnlySaid = identitiesOnlySaid ?? (value.lowercased() == "yes")
        case "identityagent": identityAgent = identityAgent ?? value
        case "userknownhostsfile": if userKnownHostsFiles.isEmpty { userKnownHostsFiles = arguments }
        default: break
        }
    }
}
