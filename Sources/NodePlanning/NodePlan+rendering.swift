internal import Cryptography
internal import NodeInventory
package import YAML

extension NodePlan {
    /// Equal for plans that would change the same: over all steps with their content, in order; the reasons and notes do not count, nor does
    /// what only waits for a machine that an earlier run started, since that passes by itself.
    package var hash: String {
        let steps = phases.compactMap { phase -> Value? in
            let changing = phase.tasks.filter { !phase.isWait($0) }
            if changing.isEmpty { return nil }
            let tasks = changing.map { task -> Value in
                var value: Value = ["node": .string(task.node), "steps": .array(task.steps.map { $0.step.json })]
                // A plan without a way back keeps the hash it always had.
                if let fallback = task.fallback, !fallback.steps.isEmpty {
                    value["fallback"] = .array(fallback.steps.map { $0.step.json })
                }
                return value
            }
            return ["phase": .string(phase.kind.rawValue), "concurrency": .int(Int64(phase.concurrency)), "tasks": .array(tasks)]
        }
        let value: Value = ["cluster": .string(cluster), "phases": .array(steps)]
        return SHA256.hex(of: JSONWriter.text(value, sortedKeys: true))
    }

    package var stepCount: Int { phases.reduce(0) { $0 + $1.tasks.reduce(0) { $0 + $1.steps.count } } }

    /// For `-o json`: everything the text shows, and the content of files; no secret is in it.
    package var json: Value {
        let phases = self.phases.map { phase -> Value in
            let tasks = phase.tasks.map { task -> Value in
                let steps = task.steps.map { planned -> Value in
                    var step = planned.step.json
                    step["summary"] = .string(planned.step.summary)
                    step["reason"] = .string(planned.reason)
                    return step
                }
                var value: Value = ["node": .string(task.node), "steps": .array(steps)]
                if let fallback = task.fallback { value["fallback"] = fallback.json }
                return value
            }
            return ["phase": .string(phase.kind.rawValue), "concurrency": .int(Int64(phase.concurrency)), "tasks": .array(tasks)]
        }
        return [
            "cluster": .string(cluster), "hash": .string(hash), "changes": .bool(!isEmpty), "phases": .array(phases),
            "pending": .array(pending.map(\.json)), "unchanged": .array(unchanged.map(\.json)),
        ]
    }

    /// For people: a block per phase, a line per step with its reason, then what is left undone and what is right already.
    package var text: String {
        var lines: [String] = []
        if isEmpty {
            lines.append("cluster \(cluster): nothing to do" + (pending.isEmpty ? "" : " now, \(pending.count) pending"))
        } else {
            let nodes = Set(phases.flatMap(\.tasks).map(\.node)).count
            lines.append("cluster \(cluster): \(Self.count(stepCount, "step")) on \(Self.count(nodes, "node")), plan \(hash.prefix(12))")
        }
        let width = (phases.flatMap(\.tasks).map(\.node) + (pending + unchanged).compactMap(\.node)).map(\.count).max() ?? 0
        for phase in phases {
            lines += ["", phase.kind.rawValue + (phase.concurrency > 1 ? "" : ", one at a time")]
            for task in phase.tasks {
                for (index, planned) in task.steps.enumerated() {
                    let name = Self.padded(index == 0 ? task.node : "", width)
                    lines.append("  \(name)  \(planned.step.summary)  (\(planned.reason))")
                }
                if let fallback = task.fallback {
                    lines.append("  \(Self.padded("", width))  if it does not come up: \(fallback.summary)")
                }
            }
        }
        for (heading, notes) in [("pending", pending), ("unchanged", unchanged)] where !notes.isEmpty {
            lines += ["", heading]
            for note in notes {
                lines.append("  \(Self.padded(note.node ?? "", width))  \(note.text)")
                if let remedy = note.remedy { lines.append("  \(Self.padded("", width))    \(remedy)") }
            }
        }
        return lines.map { $0 + "\n" }.joined()
    }

    private static func padded(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(0, width - text.count)) }

    private static func count(_ number: Int, _ word: String) -> String { "\(number) \(word)\(number == 1 ? "" : "s")" }
}

extension NodeNote {
    fileprivate var json: Value {
        var value: Value = ["text": .string(text)]
        if let node { value["node"] = .string(node) }
        if let remedy { value["remedy"] = .string(remedy) }
        if isRefusal { value["refused"] = true }
        return value
    }
}

extension Fallback {
    fileprivate var summary: String {
        steps.isEmpty ? "the run stops and says how to go back" : "goes back to \(version ?? "the binary from before") by itself"
    }

    fileprivate var json: Value {
        var value: Value = ["steps": .array(steps.map { $0.step.json })]
        if let version { value["version"] = .string(version) }
        if let recipe { value["recipe"] = .string(recipe) }
        return value
    }
}
