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
                String(timeout), NodeLayout.agentSwitch, NodeScripts.agentSwitch, NodeLayout.agentTrial,
            ])
    }
}

extension NodeScripts {
    /// upload, sha256, link, folder of the slots, unit, listen, seconds, outcome file, the script of the switch, drop-in of the trial. The
    /// binary that runs becomes a slot of its own the first time; a switch that is under way already is left to its end.
    static let prepareAgentSwitch = """
        set -eu
        umask 022
        if systemctl is-active --quiet homelab-agent-switch.service; then exit 0; fi
        mkdir -p "$4"
        running=$(readlink -f "$3")
        case $running in
        "$4/a") next=$4/b ;;
        "$4/b") next=$4/a ;;
        *)
        cp -p "$running" "$4/a.new"
        sync "$4/a.new"
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
        systemd-run --quiet --collect --unit=homelab-agent-switch --description='homelab: tries a new agent' sh -c "$9" homelab "$3" "$next" "$5" "$6" "$7" "$8" "$2" "${10}"
        rm -f "$1"
        """

    /// link, slot to try, unit, listen, seconds, outcome file, sha256, drop-in of the trial. The new agent is tried by a drop-in below /run
    /// and becomes the one that is started only when it is good: whatever ends the trial, a power cut too, the one from before runs again.
    /// Ready three times in a row counts, since an agent that ends again may answer once; one that has ended five times has failed.
    /// Not with braces around a variable: systemd would take it for one of its own.
    static let agentSwitch = """
        end() { printf '%s\\n' "$*" >"$outcome.new" && sync "$outcome.new" && mv -f "$outcome.new" "$outcome"; }
        over() { rm -f "$trial"; rmdir "$folder" 2>/dev/null || :; systemctl daemon-reload; }
        link=$1 next=$2 unit=$3 listen=$4 seconds=$5 outcome=$6 sum=$7 trial=$8
        folder=$(dirname "$trial")
        if ! { mkdir -p "$folder" && printf '[Service]\\nExecStart=\\nExecStart=%s agent --config \(NodeLayout.agentConfiguration)\\n' \
        "$next" >"$trial" && systemctl daemon-reload; }; then
        over
        end returned "$sum" "it cannot be tried: $trial cannot be written"
        exit 1
        fi
        systemctl restart "$unit"
        good=0
        until=$(($(date +%s) + seconds))
        while [ "$(date +%s)" -lt "$until" ]; do
        if reason=$("$next" agent-health "$listen" 2>&1) && systemctl is-active --quiet "$unit"; then good=$((good + 1)); else good=0; fi
        if [ "$good" -ge 3 ]; then
        ln -sfn "$next" "$link.new" && mv -fT "$link.new" "$link" && sync "$(dirname "$link")"
        over
        end done "$sum"
        exit 0
        fi
        ended=$(systemctl show --property=NRestarts --value "$unit" 2>/dev/null)
        [ -n "$ended" ] || ended=0
        if [ "$ended" -ge 5 ]; then break; fi
        sleep 1
        done
        took=$(($(date +%s) + seconds - until))
        over
        systemctl restart "$unit"
        said=$(printf %s "$reason" | tail -n 1)
        if [ "$ended" -ge 5 ]; then said="it ended $ended times"; fi
        end returned "$sum" "not ready within $took s: $said"
        """
}
