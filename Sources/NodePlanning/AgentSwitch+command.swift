/// What came of an upgrade of the agent, as the node keeps it in `NodeLayout.agentSwitch`: `RESULT SHA256 REASON`.
package struct AgentSwitchOutcome: Hashable, Sendable {
    package enum Result: String, Hashable, Sendable {
        case done
        /// The new agent was not ready in time; the one from before runs again.
        case returned
    }

    package var result: Result
    /// Of the binary that was switched to.
    package var sha256: String
    package var reason: String

    /// nil for a file that was cut off.
    package init?(text: String) {
        let words = text.split(whereSeparator: \.isWhitespace)
        guard words.count >= 2, let result = Result(rawValue: String(words[0])), words[1].count == 64 else { return nil }
        self.result = result
        sha256 = String(words[1])
        reason = words.dropFirst(2).joined(separator: " ")
    }
}

extension AgentSwitch {
    /// Starts the switch and returns; what came of it is in `NodeLayout.agentSwitch` when it is over.
    package var command: RemoteCommand {
        .script(
            NodeScripts.prepareAgentSwitch,
            [
                NodeLayout.upload(artifact), artifact.sha256, artifact.path, NodeLayout.homelabSlots, NodeLayout.agentUnit, listen,
                String(timeout), NodeLayout.agentSwitch, NodeScripts.agentSwitch,
            ])
    }
}

extension NodeScripts {
    /// upload, sha256, link, folder of the slots, unit, listen, seconds, outcome file, the script of the switch. The binary that runs becomes
    /// a slot of its own the first time; a switch that is under way already is left to its end.
    static let prepareAgentSwitch =
        DetachedProcess.functions + """
            set -eu
            umask 022
            if detached homelab-agent-switch; then exit 0; fi
            mkdir -p "$4"
            running=$(readlink -f "$3")
            case $running in
            "$4/a") next=$4/b ;;
            "$4/b") next=$4/a ;;
            *)
            cp -p "$running" "$4/a.new"
            mv -f "$4/a.new" "$4/a"
            running=$4/a next=$4/b
            ln -sfn "$running" "$3.new"
            mv -fT "$3.new" "$3"
            ;;
            esac
            new=$(mktemp "$next.XXXXXX")
            trap 'rm -f "$new"' EXIT
            cat "$1" >"$new"
            sum=$(sha256sum "$new" | cut -d ' ' -f 1)
            [ "$sum" = "$2" ] || { echo "$1: sha256 is $sum, not $2" >&2; exit 1; }
            chown 0:0 "$new"
            chmod 0755 "$new"
            sync "$new"
            mv -f "$new" "$next"
            if command -v restorecon >/dev/null 2>&1; then restorecon "$4/a" "$4/b" || :; fi
            rm -f "$8"
            detach homelab-agent-switch sh -c "$9" homelab "$3" "$running" "$next" "$5" "$6" "$7" "$8" "$2"
            rm -f "$1"
            """

    /// link, slot that runs, slot to run, unit, listen, seconds, outcome file, sha256. Ready three times in a row counts, since an agent that
    /// ends again may answer once.
    static let agentSwitch = """
        restart() { if \(InitSystem.isSystemd); then systemctl restart "$unit"; else rc-service "${unit%.service}" restart; fi; }
        active() { if \(InitSystem.isSystemd); then systemctl is-active --quiet "$unit"; else rc-service "${unit%.service}" status >/dev/null 2>&1; fi; }
        point() { ln -sfn "$1" "$link.new" && mv -fT "$link.new" "$link" && sync "${link%/*}"; }
        end() { printf '%s\\n' "$*" >"$outcome.new" && mv -f "$outcome.new" "$outcome"; }
        link=$1 running=$2 next=$3 unit=$4 listen=$5 seconds=$6 outcome=$7 sum=$8
        point "$next"
        restart
        good=0
        until=$(($(date +%s) + seconds))
        while [ "$(date +%s)" -lt "$until" ]; do
        if reason=$("$link" agent-health "$listen" 2>&1) && active; then good=$((good + 1)); else good=0; fi
        if [ "$good" -ge 3 ]; then end done "$sum"; exit 0; fi
        sleep 1
        done
        point "$running"
        restart
        end returned "$sum" "not ready within $seconds s: $(printf %s "$reason" | tail -n 1)"
        """
}
