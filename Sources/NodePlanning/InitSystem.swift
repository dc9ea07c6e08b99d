/// Services on machines whose init system shows only there: systemd, or OpenRC, where a service has the unit's name without `.service`.
/// All texts are for a POSIX shell.
package enum InitSystem {
    package enum Verb: String, Sendable { case start, stop, restart }

    package static func service(_ unit: String) -> String { unit.hasSuffix(".service") ? String(unit.dropLast(".service".count)) : unit }

    /// Where OpenRC's supervisor writes what a service says.
    package static func log(_ unit: String) -> String { "/var/log/\(service(unit)).log" }

    /// One command, to be part of a script. A start does not wait until the service is ready: a k3s that cannot join never is.
    package static func command(_ verb: Verb, _ unit: String) -> String {
        let blocking = verb == .stop ? "" : "--no-block "
        // The supervisor of a service that is not running may be alive: OpenRC then says that it has started already.
        let openRC =
            switch verb {
            case .start: "{ rc-service --ifstopped \(service(unit)) start || rc-service \(service(unit)) restart; }"
            case .stop: "rc-service --ifstarted \(service(unit)) stop"
            case .restart: "rc-service \(service(unit)) restart"
            }
        return "if \(isSystemd); then systemctl \(blocking)\(verb.rawValue) \(unit); else \(openRC); fi"
    }

    /// Stops it now, and keeps it from the next boot.
    package static func disable(_ unit: String) -> String {
        let openRC = "rc-service --ifstarted \(service(unit)) stop; rc-update -q delete \(service(unit)) default"
        return "if \(isSystemd); then systemctl disable --now -q \(unit); else \(openRC); fi"
    }

    /// Reads a process' `/proc/PID/stat` and prints its start in clock ticks since the boot; nothing of one that has ended.
    package static let processStart = #"awk '{ sub(/.*\) /, ""); if ($1 != "Z") print $20 }'"#

    package static let isSystemd = "[ -d /run/systemd/system ]"

    /// Prints when the unit's process was started, in seconds of the machine's own clock; nothing when there is none.
    package static func startTime(_ unit: String) -> RemoteCommand {
        RemoteCommand([
            "sh", "-c",
            """
            if \(isSystemd); then pid=$(systemctl show -p MainPID --value \(unit))
            else pid=$(cat /run/openrc/options/\(service(unit))/child_pid 2>/dev/null); fi
            began=$(\(processStart) "/proc/$pid/stat" 2>/dev/null)
            [ -z "$began" ] || awk -v began="$began" -v ticks="$(getconf CLK_TCK 2>/dev/null || echo 100)" \
            '/^btime / { printf "%d\\n", $2 + began / ticks }' /proc/stat
            """,
        ])
    }

    /// Prints something that is another after each start of the unit.
    package static func invocation(_ unit: String) -> RemoteCommand {
        RemoteCommand([
            "sh", "-c",
            "if \(isSystemd); then systemctl show -p InvocationID --value \(unit); else cat /run/\(service(unit)).pid 2>/dev/null; fi",
        ])
    }
}

/// A process of its own beside the one that asks for it, which goes on when that one ends: a transient unit of systemd, elsewhere a session
/// of its own whose process is noted, with its start, in /run.
package enum DetachedProcess {
    /// Shell functions `detach NAME COMMAND…` and `detached NAME` (is it running?).
    package static let functions = """
        detached_start() { \(InitSystem.processStart) "/proc/$1/stat" 2>/dev/null; }
        detached() {
        if \(InitSystem.isSystemd); then systemctl is-active --quiet "$1.service"; return; fi
        pid= since=
        read -r pid since 2>/dev/null <"/run/$1.pid" || return 1
        [ -n "$since" ] && [ "$(detached_start "$pid")" = "$since" ]
        }
        detach() {
        name=$1
        shift
        if \(InitSystem.isSystemd); then
        systemd-run --quiet --collect --unit="$name" --property=OOMScoreAdjust=-900 --property=RuntimeMaxSec=2h "$@"
        return
        fi
        setsid timeout 7200 "$@" </dev/null >>"/var/log/$name.log" 2>&1 &
        pid=$!
        printf '%s %s\\n' "$pid" "$(detached_start "$pid")" >"/run/$name.pid"
        }

        """

    /// Starts `argv` under the name; one that runs already is left alone.
    package static func start(_ name: String, _ argv: [String]) -> RemoteCommand {
        .script(functions + "name=$1; shift; detached \"$name\" || detach \"$name\" \"$@\"", [name] + argv)
    }

    /// Succeeds while it runs.
    package static func isRunning(_ name: String) -> RemoteCommand { .script(functions + "detached \"$1\"", [name]) }
}
