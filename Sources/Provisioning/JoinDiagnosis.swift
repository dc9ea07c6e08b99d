/// Why a k3s that was started does not become ready, read from its journal.
///
/// | sign in the journal                                                        | cause                    |
/// |----------------------------------------------------------------------------|--------------------------|
/// | Node password rejected                                                     | nodePasswordRejected     |
/// | token CA hash does not match, CA cert validation failed                    | wrongCluster             |
/// | bootstrap data already found and encrypted with different token            | otherToken               |
/// | 401 Unauthorized, not authorized, invalid token, token is expired          | tokenRefused             |
/// | certificate has expired or is not yet valid                                | clock                    |
/// | certificate is valid for …, not …                                          | addressNotInCertificate  |
/// | failed to find memory (pids, cpu) cgroup                                   | missingCgroup            |
/// | critical configuration value mismatch                                      | serversDiffer            |
/// | duplicate node name found                                                  | duplicateMember          |
/// | too many learner members                                                   | anotherServerJoining     |
/// | unhealthy cluster                                                          | unhealthyEtcd            |
/// | address already in use                                                     | portTaken                |
/// | no space left on device                                                    | diskFull                 |
/// | Exec format error, status=203/EXEC                                         | wrongBinary              |
/// | flag provided but not defined                                              | unknownFlag              |
/// | no default route                                                           | noDefaultRoute           |
/// | out of memory, oom-kill                                                    | outOfMemory              |
/// | failed to get CA certs, connection refused, i/o timeout, no route to host  | serverUnreachable        |
///
/// Source: k3s' own messages, as collected in its issue tracker and sources; the generic rows come last on purpose.
package struct JoinDiagnosis: Hashable, Sendable {
    package enum Cause: String, Hashable, Sendable, CaseIterable {
        case nodePasswordRejected, wrongCluster, otherToken, tokenRefused, clock, addressNotInCertificate, missingCgroup, serversDiffer
        case duplicateMember, anotherServerJoining, unhealthyEtcd, portTaken, diskFull, wrongBinary, unknownFlag, noDefaultRoute
        case outOfMemory, serverUnreachable
        /// k3s said `level=fatal` with words this table does not know.
        case fatal
        /// The agent waits for its server and gives a reason this table does not know.
        case waiting
    }

    package let cause: Cause
    /// The message of the journal line that told, without time stamps and prefixes.
    package let evidence: String

    /// Reads the lines of one start of the service, oldest first; nil when nothing in them says why it would not become ready.
    /// The latest line with a known sign wins, because k3s retries and an early failure may be overcome.
    package init?(journal lines: some BidirectionalCollection<String>) {
        for line in lines.reversed() {
            if let row = Self.table.first(where: { $0.matches(line) }) {
                self.init(cause: row.cause, evidence: Self.message(in: line))
                return
            }
        }
        for line in lines.reversed() {
            if line.contains("level=fatal") {
                self.init(cause: .fatal, evidence: Self.message(in: line))
                return
            }
            if line.contains("Waiting to retrieve agent configuration") {
                self.init(cause: .waiting, evidence: Self.message(in: line))
                return
            }
        }
        return nil
    }

    private init(cause: Cause, evidence: String) {
        self.cause = cause
        self.evidence = evidence
    }

    /// Whether the table knows what is behind k3s' words.
    var isOfKnownCause: Bool { cause != .fatal && cause != .waiting }

    /// Whether waiting longer cannot help, so that the step fails at once instead of at its deadline.
    package var isHopeless: Bool {
        switch cause {
        case .nodePasswordRejected, .wrongCluster, .otherToken, .missingCgroup, .serversDiffer, .duplicateMember, .wrongBinary,
            .unknownFlag,
            .diskFull, .addressNotInCertificate:
            true
        case .tokenRefused, .clock, .anotherServerJoining, .unhealthyEtcd, .portTaken, .noDefaultRoute, .outOfMemory, .serverUnreachable,
            .fatal, .waiting:
            false
        }
    }
}

extension JoinDiagnosis {
    /// One row of the table: all of `signs` have to be in the line.
    private struct Row {
        let cause: Cause
        let signs: [String]

        init(_ cause: Cause, _ signs: String...) {
            self.cause = cause
            self.signs = signs
        }

        func matches(_ line: String) -> Bool { signs.allSatisfy { line.contains($0) } }
    }

    private static let table: [Row] = [
        Row(.nodePasswordRejected, "ode password rejected"),
        Row(.nodePasswordRejected, "hash does not match", "node"),
        Row(.wrongCluster, "token CA hash does not match"),
        Row(.otherToken, "encrypted with different token"),
        Row(.clock, "certificate has expired or is not yet valid"),
        Row(.addressNotInCertificate, "certificate is valid for", ", not "),
        Row(.tokenRefused, "401 Unauthorized"),
        Row(.tokenRefused, "not authorized"),
        Row(.tokenRefused, "invalid token"),
        Row(.tokenRefused, "token", "expired"),
        Row(.missingCgroup, "failed to find", "cgroup"),
        Row(.serversDiffer, "critical configuration", "mismatch"),
        Row(.duplicateMember, "duplicate node name found"),
        Row(.anotherServerJoining, "too many learner members"),
        Row(.unhealthyEtcd, "unhealthy cluster"),
        Row(.portTaken, "address already in use"),
        Row(.diskFull, "no space left on device"),
        Row(.wrongBinary, "Exec format error"),
        Row(.wrongBinary, "status=203/EXEC"),
        Row(.unknownFlag, "flag provided but not defined"),
        Row(.noDefaultRoute, "no default route"),
        Row(.outOfMemory, "oom-kill"),
        Row(.outOfMemory, "Out of memory"),
        Row(.serverUnreachable, "failed to get CA certs"),
        Row(.wrongCluster, "CA cert validation failed"),
        Row(.serverUnreachable, "Waiting to retrieve agent configuration", "connection refused"),
        Row(.serverUnreachable, "Waiting to retrieve agent configuration", "i/o timeout"),
        Row(.serverUnreachable, "Waiting to retrieve agent configuration", "no route to host"),
        Row(.serverUnreachable, "Waiting to retrieve agent configuration", "context deadline exceeded"),
        Row(.serverUnreachable, "failed to validate connection to cluster", "connection refused"),
        Row(.serverUnreachable, "failed to validate connection to cluster", "i/o timeout"),
    ]

    /// What k3s (`msg="…"`), etcd (`"msg":"…"`) or a Kubernetes component (`I1124 10:00:00.000000 1 file.go:1] …`) wrote, without the
    /// prefixes of the journal and their own.
    package static func message(in line: String) -> String {
        for sign in ["msg=\"", "\"msg\":\""] {
            if let start = line.range(ofSubstring: sign) { return quotedText(line[start.upperBound...]) }
        }
        if let bare = line.range(ofSubstring: "msg=") { return String(line[bare.upperBound...]) }
        let text = line.range(ofSubstring: "]: ").map { line[$0.upperBound...] } ?? line[...]
        let words = text.prefix { $0 != "]" }.split(separator: " ")
        if words.count == 4, let level = words[0].first, "IWEF".contains(level), words[0].dropFirst().allSatisfy(\.isNumber),
            let end = text.range(ofSubstring: "] ")
        {
            return String(text[end.upperBound...])
        }
        return String(text)
    }

    /// Up to the closing quote, with escapes undone.
    private static func quotedText(_ text: Substring) -> String {
        var result = ""
        var escaped = false
        for character in text {
            if escaped {
                result.append(character)
                escaped = false
            } else if character == "\\" {
                escaped = true
            } else if character == "\"" {
                break
            } else {
                result.append(character)
            }
        }
        return result
    }
}

extension StringProtocol {
    /// Where `text` first occurs; the standard library alone has no such search that gives a range without regular expressions.
    func range(ofSubstring text: String) -> Range<Index>? {
        guard !text.isEmpty else { return startIndex..<startIndex }
        var at = startIndex
        while at < endIndex {
            if self[at...].hasPrefix(text) {
                return at..<index(at, offsetBy: text.count)
            }
            at = index(after: at)
        }
        return nil
    }
}
