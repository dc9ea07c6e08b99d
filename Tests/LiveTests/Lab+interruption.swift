import Foundation
import Testing

/// Runs of `homelab bootstrap` that are stopped or cut off on the way.
extension Lab {
    /// Waits until a run has said something; one that ends before that has failed the test.
    func wait(_ run: Shell.Running, _ words: String, limit: Double = 240) throws {
        do {
            try wait("\"\(words)\"", limit: limit) { run.output.contains(words) || run.hasEnded }
        } catch {
            Issue.record("\(words) is not in\n\(run.output)")
            throw error
        }
        guard run.output.contains(words) else { throw Shell.Failure(command: ["homelab", "bootstrap"], result: run.end()) }
    }

    /// Waits until a run has told that a machine is cut off: it says nothing any more, or what was sent to it comes back.
    func wait(_ run: Shell.Running, toNotice machine: String) throws {
        try wait("word of the cut", limit: 60) {
            run.hasEnded
                || run.output.split(separator: "\n").contains { $0.hasPrefix("\(machine): ") && $0.hasSuffix("; connecting again") }
        }
    }

    /// A run up to a step of a phase, and Ctrl-C there.
    func stopBootstrap(in phase: String, at step: String) throws {
        let run = try startBootstrap()
        try wait(run, "] \(phase): ")
        try wait(run, step + "\n")
        run.interrupt()
        let started = Date()
        let result = run.end(limit: 60)
        print("\(phase): stopped after \(Date().timeIntervalSince(started)) s")
        #expect(result.status == 130, "\(phase):\n\(result.text)")
        #expect(result.text.contains("\(step): skipped: stopped"), "\(phase):\n\(result.text)")
        #expect(result.text.contains("Stopped. Running the same command again goes on from here."), "\(phase):\n\(result.text)")
    }

    /// A run up to a step of a phase; the node's network goes, the run notices, and is stopped while it tries to connect again.
    /// - Parameter isUnderWay: whether what the step has begun on the machine has come as far as it is to be when the network goes.
    func cutBootstrap(_ machine: String, in phase: String, at step: String, once isUnderWay: () throws -> Bool = { true }) throws {
        let run = try startBootstrap()
        try wait(run, "] \(phase): ")
        try wait(run, step + "\n")
        try wait("\(step) to be under way", limit: 20, until: isUnderWay)
        try lab("cut", machine, "drop")
        let started = Date()
        try wait(run, toNotice: machine)
        print("\(phase): the cut was noticed after \(Date().timeIntervalSince(started)) s")
        run.interrupt()
        let result = run.end(limit: 60)
        #expect(result.status == 130, "\(phase):\n\(result.text)")
        #expect(result.text.contains("Stopped. Running the same command again goes on from here."), "\(phase):\n\(result.text)")
        try lab("mend", machine)
    }

    /// A program of a machine takes its time, called with these words.
    /// - Returns: what lets it go on.
    func hold(_ program: String, _ words: String, on machine: String) throws -> () throws -> Void {
        let path = "/usr/local/sbin/" + program
        let script = """
            #!/bin/sh
            case "$*" in *"\(words)"*) sleep 300 ;; esac
            PATH=/usr/bin:/usr/sbin exec \(program) "$@"
            """
        try on(machine, "cat >\(path) <<'END'\n\(script)\nEND\nchmod 755 \(path)")
        return { [self] in try on(machine, "rm \(path); pkill -xf 'sleep 300'") }
    }
}
