import NodePlanning

/// A plan for eyes: headings bold, reasons dim, what is left undone yellow; the plan's own text where there is no colour.
struct PlanView {
    let console: Console

    func text(_ plan: NodePlan) -> String {
        var isPending = false
        return plan.text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().map { index, line in
            let line = String(line)
            if index == 0 { return console.styled(line, plan.isEmpty && plan.pending.isEmpty ? .green : .bold) }
            if !line.hasPrefix(" "), !line.isEmpty {
                isPending = line == "pending"
                return console.styled(line, .bold)
            }
            if isPending { return console.styled(line, .yellow) }
            // The reason, which may have brackets of its own.
            guard line.hasSuffix(")"), let gap = line.indices.first(where: { line[$0...].hasPrefix("  (") }) else { return line }
            return line[..<gap] + "  " + console.styled(String(line[gap...].dropFirst(2)), .dim)
        }.joined(separator: "\n")
    }
}
