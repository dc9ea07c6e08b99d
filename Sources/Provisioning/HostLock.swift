package import Diagnostics

/// Who holds a node's lock, as the lock file says it.
package struct HostLockOwner: Hashable, Sendable {
    /// Names the run, never seen by people.
    package let run: String
    /// `alice@laptop, homelab bootstrap`.
    package let owner: String
    /// When the run took the lock, by the node's clock, `2026-11-24T04:10:00Z`.
    package let since: String
    /// Seconds since its last sign of life.
    package let idle: Int

    package init(run: String, owner: String, since: String, idle: Int = 0) {
        self.run = run
        self.owner = owner
        self.since = since
        self.idle = idle
    }
}

/// The lock that keeps two runs (or a run and the agent) from working on one node at the same time: a file under /run, so a reboot
/// frees it, with a heartbeat (its modification time), so a run that died frees it after `staleAfter` seconds.
package enum HostLock {
    package static let path = "/run/homelab.lock"
    package static let heartbeatEvery: Duration = .seconds(8)
    package static let staleAfter = 30
    /// After so many seconds without a sign of life the holder has missed a heartbeat: it is worth waiting whether it is dead.
    package static let suspectAfter = 10
    /// A lock whose age does not fit a holder that died a moment ago may be a live one's on a machine whose clock was put: it is taken only
    /// when no heartbeat comes for so many seconds.
    package static let watchFor = 10
    /// Exit status of `acquire` when somebody else holds the lock; sysexits' EX_TEMPFAIL.
    package static let heldStatus: Int32 = 75

    /// A script that takes the lock, and prints whose it was when its holder had died, or fails with `heldStatus` and prints the holder's
    /// lines. Creation with `set -C` (O_EXCL) decides who wins; a stale lock is moved aside and looked at again before it is thrown away, so
    /// of two takers only one succeeds.
    package static func acquire(run: String, owner: String) -> String {
        """
        umask 022
        lock=\(path); run=\(ShellLine.quoted(run)); owner=\(ShellLine.quoted(owner))
        take() { ( set -C; printf '%s\\n%s\\n%s\\n' "$run" "$owner" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" > "$lock" ) 2>/dev/null; }
        attempts=0 dead=
        while :; do
          take && { [ -z "$dead" ] || echo "$dead"; exit 0; }
          attempts=$((attempts + 1))
          holder=$(head -n 1 "$lock" 2>/dev/null) || holder=
          if [ "$holder" = "$run" ]; then touch -c "$lock"; exit 0; fi
          then=$(stat -c %Y "$lock" 2>/dev/null) || then=$(date +%s)
          age=$(( $(date +%s) - then ))
          if [ "$age" -lt -\(suspectAfter) ] || [ "$age" -gt \(staleAfter * 10) ]; then
            sleep \(watchFor)
            [ "$(stat -c %Y "$lock" 2>/dev/null)" = "$then" ] || continue
            age=$((\(staleAfter) + 1))
          fi
          if [ "$attempts" -gt 3 ] || [ "$age" -le \(staleAfter) ]; then
            cat "$lock" 2>/dev/null && echo "$age"
            exit \(heldStatus)
          fi
          aside="$lock.$run"
          mv "$lock" "$aside" 2>/dev/null || continue
          if [ "$(head -n 1 "$aside")" != "$holder" ]; then ln "$aside" "$lock" 2>/dev/null; fi
          rm -f "$aside"
          dead=$holder
        done
        """
    }

    /// Renews the heartbeat; fails when the lock has been lost to another run. Makes no file: one that is overtaken by the release would
    /// leave a lock that is nobody's.
    package static func renew(run: String) -> String {
        "[ \"$(head -n 1 \(path) 2>/dev/null)\" = \(ShellLine.quoted(run)) ] && touch -c \(path)"
    }

    /// Gives the lock back if it is still this run's.
    package static func release(run: String) -> String {
        "if [ \"$(head -n 1 \(path) 2>/dev/null)\" = \(ShellLine.quoted(run)) ]; then rm -f \(path); fi"
    }

    /// Reads what `acquire` printed when it failed.
    package static func owner(in output: String) -> HostLockOwner? {
        let lines = output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard lines.count >= 3, !lines[0].isEmpty else { return nil }
        return HostLockOwner(run: lines[0], owner: lines[1], since: lines[2], idle: lines.count > 3 ? Int(lines[3]) ?? 0 : 0)
    }

    package static func held(node: String, by owner: HostLockOwner?) -> Diagnostic {
        Diagnostic(
            .error, "another run is working on this node", subject: "node \"\(node)\"",
            cause: owner.map { "\($0.owner), since \($0.since)" },
            remedy: "Wait until it has ended. A run that died frees the node \(staleAfter) s after its last sign of life.")
    }

    /// What ends a run that others took for dead.
    package static func lost(_ subject: String, to owner: String?) -> Diagnostic {
        Diagnostic(
            .error, "another run took this one for dead and works there now: this one stops", subject: subject, cause: owner,
            remedy: "Wait until it has ended, then run again. A run counts as dead \(staleAfter) s after its last sign of life.")
    }
}
