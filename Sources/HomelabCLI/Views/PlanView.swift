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
            guard line.hasSuffix(")"), let start = line.lastIndex(of: "(") else { return line }
            return line[..<start] + console.styled(String(line[start...]), .dim)
        }.joined(separator: "\n")
    }
}
