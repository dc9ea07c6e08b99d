internal import Diagnostics
internal import NodePlanning

/// Follows a systemd unit on a node: its state and its journal, in one round trip per look. On a machine that OpenRC starts it follows the
/// service of the same name and its log file, where a cursor is the number of bytes that were there.
///
/// Only what was written after the unit's present start is read, so yesterday's failure never explains today's; the journal's cursor
/// makes every line come once.
struct UnitWatch: Sendable {
    struct Look: Sendable {
        var active = ""
        var sub = ""
        var restarts = 0
        /// New since the look before.
        var lines: [String] = []
    }

    let unit: String
    private(set) var cursor: String?
    /// Of the machine, as far as a look told.
    private(set) var words = ServiceWords.systemd
    /// Looks in a row that found it ended and no start of it queued; the first may be from before the start that is waited for.
    private var looksAtFailed = 0
    var hasGivenUp: Bool { looksAtFailed >= 3 }
    /// The latest lines, for the diagnosis: of the start that is waited for, without what a process that made way for it said at its end.
    private(set) var recent: [String] = []
    private var hasBegun = false

    /// - Parameter cursor: where the journal ended before the unit was started; nil reads from the unit's latest start on.
    init(unit: String, cursor: String?) {
        self.unit = unit
        self.cursor = cursor
    }

    /// Prints where the journal ends now.
    static func cursorCommand(_ unit: String) -> RemoteCommand {
        RemoteCommand([
            "sh", "-c",
            """
            if \(InitSystem.isSystemd); then exec journalctl --no-pager -q -n 0 --show-cursor; fi
            echo "-- cursor: $(cat \(InitSystem.log(unit)) 2>/dev/null | wc -c)"
            """,
        ])
    }

    /// For OpenRC, in the words of systemd. A process is active once it has lived for some seconds: one that ends at once and is begun
    /// again and again would be taken for one that runs.
    private var openRC: String {
        let service = InitSystem.service(unit)
        let log = InitSystem.log(unit)
        let seen = cursor.flatMap { Int($0) } ?? 0
        return """
            echo Supervisor=openrc
            options=/run/openrc/options/\(service)
            lives() {
            began=$(\(InitSystem.processStart) "/proc/$(cat $options/child_pid)/stat" 2>/dev/null)
            [ -n "$began" ] && awk -v began="$began" -v ticks="$(getconf CLK_TCK 2>/dev/null || echo 100)" \
            '{ exit ($1 - began / ticks < \(Self.livesAfter)) }' /proc/uptime
            }
            echo "NRestarts=$(cat $options/start_count 2>/dev/null || echo 0)"
            case $(rc-service \(ShellLine.quoted(service)) status 2>/dev/null) in
            *started*)
            if lives; then echo ActiveState=active; else echo ActiveState=activating; fi ;;
            *crashed*) echo ActiveState=failed ;; *) echo ActiveState=inactive ;;
            esac
            echo '-- journal'
            size=$(cat \(log) 2>/dev/null | wc -c)
            seen=\(seen)
            [ "$seen" -le "$size" ] || seen=0
            tail -c +$((seen + 1)) \(log) 2>/dev/null | tail -n 300
            echo "-- cursor: $size"
            """
    }

    /// Seconds.
    private static let livesAfter = 4

    static func cursor(in output: String) -> String? {
        output.split(whereSeparator: \.isNewline).last { $0.hasPrefix("-- cursor: ") }.map { String($0.dropFirst("-- cursor: ".count)) }
    }

    var command: RemoteCommand {
        let unit = ShellLine.quoted(unit)
        let from: String
        if let cursor {
            from = "set -- --after-cursor=\(ShellLine.quoted(cursor))"
        } else {
            from = """
                since=$(systemctl show -p InactiveExitTimestamp --value \(unit))
                if [ -n "$since" ]; then set -- --since="$since"; else set -- -n 50; fi
                """
        }
        return RemoteCommand([
            "sh", "-c",
            """
            if ! \(InitSystem.isSystemd); then
            \(openRC)
            exit 0
            fi
            systemctl show -p ActiveState -p SubState -p NRestarts -p Job \(unit)
            echo '-- journal'
            \(from)
            journalctl --no-pager -q -o short -u \(unit) --show-cursor "$@" 2>/dev/null | tail -n 300
            """,
        ])
    }

    /// Reads what `command` printed.
    mutating func read(_ output: String) -> Look {
        var look = Look()
        var inJournal = false
        var isQueued = false
        for line in output.split(whereSeparator: \.isNewline).map(String.init) {
            if line == "-- journal" {
                inJournal = true
            } else if inJournal, line.hasPrefix("-- cursor: ") {
                cursor = String(line.dropFirst("-- cursor: ".count))
            } else if inJournal {
                if !line.hasPrefix("-- ") { look.lines.append(line) }
            } else if let equals = line.firstIndex(of: "=") {
                let value = String(line[line.index(after: equals)...])
                switch line[..<equals] {
                case "ActiveState": look.active = value
                case "SubState": look.sub = value
                case "Supervisor": words = ServiceWords(usesOpenRC: value == "openrc")
                case "Job": isQueued = value != "0" && !value.isEmpty
                case "NRestarts": look.restarts = Int(value) ?? 0
                default: break
                }
            }
        }
        looksAtFailed = look.active == "failed" && !isQueued ? looksAtFailed + 1 : 0
        if !hasBegun, let start = look.lines.firstIndex(where: Self.isStart) {
            hasBegun = true
            recent = Array(look.lines[start...])
        } else {
            recent += look.lines
        }
        recent = Array(recent.suffix(300))
        return look
    }

    var diagnosis: JoinDiagnosis? { JoinDiagnosis(journal: recent) }

    /// The newest thing the unit said, short enough for a line of a table. systemd's own words about it ("Starting …", "Failed to start …")
    /// count only while the unit itself has said nothing: they would hide why it ended.
    var lastWords: String? {
        let said = recent.filter { !$0.allSatisfy(\.isWhitespace) }
        guard let line = said.last(where: { !Self.isOfSystemd($0) }) ?? said.last else { return nil }
        let message = JoinDiagnosis.message(in: line)
        return message.count > 140 ? message.prefix(139) + "…" : message
    }

    private static func isStart(_ line: String) -> Bool { isOfSystemd(line) && JoinDiagnosis.message(in: line).hasPrefix("Starting ") }

    /// `Nov 26 20:44:05 m1 systemd[1]: Failed to start …`, as journalctl's short form has it.
    private static func isOfSystemd(_ line: String) -> Bool {
        line.split(separator: " ", maxSplits: 5).dropFirst(4).first.map { $0.hasPrefix("systemd[") && $0.hasSuffix("]:") } ?? false
    }
}
