package import ArgumentParser
import Diagnostics
import FileSystem
import Provisioning
import YAML

/// `homelab doctor`: journal lines into causes and remedies.
package struct Doctor: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Say why a node's k3s does not run or join, from its journal.",
        discussion: "Exit status 0: nothing is wrong, 1: something is. --journal FILE reads a saved journal (- for standard input) instead."
    )

    @OptionGroup var inventory: InventoryOption

    @Argument(help: "Nodes; all when none is named.")
    var nodes: [String] = []

    @Option(help: "Explain this journal of one k3s instead of looking at nodes.")
    var journal: String?

    @Option(name: .shortAndLong, help: "text or json.")
    var output = OutputFormat.text

    package init() {}

    package func validate() throws {
        if journal != nil, output != .text { throw ValidationError("--journal explains in text only: leave `-o` out") }
        if journal != nil, !nodes.isEmpty { throw ValidationError("--journal looks at no node: name none") }
    }

    package func run() async throws {
        if let journal { return try explain(journal) }
        let machines = try await inventory.machines()
        let (examinations, unreached) = try await machines.examine(try machines.spec.nodes(named: nodes))
        switch output {
        case .json: Console.standard.line(JSONWriter.text(Self.json(examinations, unreached), pretty: true))
        case .text: tell(examinations, unreached)
        }
        if unreached.hasErrors || !examinations.allSatisfy(\.isWell) { throw ExitCode(1) }
    }

    private func explain(_ file: String) throws {
        let text = try file == "-" ? Self.standardInput() : Files.readText(file, limit: 64 << 20)
        let lines = Scrubber([]).scrub(text).split(whereSeparator: \.isNewline).map(String.init)
        guard let diagnosis = JoinDiagnosis(journal: lines) else {
            Console.standard.line("Nothing in it says why k3s would not run or join.")
            return
        }
        Console.standard.line(diagnosis.diagnostic(node: file == "-" ? "this one" : file).description)
        throw ExitCode(1)
    }

    private static func standardInput() -> String {
        var text = ""
        while let line = readLine(strippingNewline: false) { text += line }
        return text
    }

    private func tell(_ examinations: [Examination], _ unreached: Diagnostics) {
        let console = Console.standard
        var table = Table(header: ["NODE", "UNIT", "STATE", "RESTARTS", "LAST WORDS"])
        for found in examinations {
            table.append([
                found.node, found.unit, console.styled(found.state, found.isWell ? .green : .red), String(found.restarts),
                found.lastWords ?? "",
            ])
        }
        if !table.isEmpty { console.line(table.text) }
        let findings = examinations.compactMap(\.finding) + unreached.sorted
        if !findings.isEmpty { console.line() }
        for finding in findings { console.line(finding.description) }
        if findings.isEmpty {
            console.line(
                "\nNothing is wrong with k3s there. If pods do not reach each other, `homelab preflight` tries the ways between nodes.")
        }
    }

    private static func json(_ examinations: [Examination], _ unreached: Diagnostics) -> Value {
        [
            "nodes": .array(
                examinations.map { found in
                    var value: Value = [
                        "node": .string(found.node), "unit": .string(found.unit), "state": .string(found.state),
                        "restarts": .int(Int64(found.restarts)),
                    ]
                    if let words = found.lastWords { value["lastWords"] = .string(words) }
                    if let finding = found.finding { value["finding"] = finding.json }
                    return value
                }),
            "unreached": .array(unreached.sorted.map(\.json)),
        ]
    }
}
