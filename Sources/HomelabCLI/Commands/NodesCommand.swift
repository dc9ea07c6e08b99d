package import ArgumentParser
import Diagnostics
import KubernetesClient
import KubernetesModel
import Reconciliation
import YAML

/// `homelab nodes`: the machines as the acting agent sees them.
package struct NodesCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "nodes", abstract: "List the machines: role, version, address, phase and why, and what was last done to them.",
        discussion: "The same as `kubectl get machines -o wide`, from the Machine objects that the acting agent writes.")

    @OptionGroup var cluster: ClusterOption

    @Option(name: .shortAndLong, help: "text or json.")
    var output = OutputFormat.text

    @Flag(name: .shortAndLong, help: "Go on, and print each machine that changes.")
    var watch = false

    package init() {}

    package func run() async throws {
        try await cluster.withCluster { api in
            guard try await api.resource(for: MachineKind.kind) != nil else {
                throw Diagnostic(
                    .error, "the cluster has no Machine objects yet",
                    remedy: "the acting agent makes them; `homelab status` says whether one runs")
            }
            let list = try await api.list(MachineKind.kind, namespace: "", labelSelector: nil)
            show(list.items)
            guard watch else { return }
            Console.endWhenAbandoned()
            try await follow(api, from: list)
        }
    }

    private func show(_ machines: [Manifest]) {
        switch output {
        case .json: Console.standard.line(JSONWriter.text(.array(machines.map(\.value)), pretty: !watch))
        case .text: Console.standard.line(MachinesView(console: .standard).text(machines))
        }
    }

    /// Prints a machine when something of its line changes; a stream that the server ends is taken up where it was.
    private func follow(_ api: any ClusterAPI, from list: ObjectList) async throws {
        let view = MachinesView(console: .standard)
        var shown = Dictionary(list.items.map { ($0.name, view.line($0)) }) { $1 }
        let follower = ObjectFollower(api: api, clock: SystemClock(), kind: MachineKind.kind, namespace: "", labelSelector: nil)
        let (changes, continuation) = AsyncStream.makeStream(of: ObjectFollower.Change.self)
        let watching = Task { await follower.run { continuation.yield($0) } }
        defer { watching.cancel() }
        for await change in changes {
            try Task.checkCancellation()
            switch change {
            case .all(let machines):
                for machine in machines where shown.updateValue(view.line(machine), forKey: machine.name) != view.line(machine) {
                    show([machine])
                }
            case .present(let machine):
                if shown.updateValue(view.line(machine), forKey: machine.name) != view.line(machine) { show([machine]) }
            case .gone(let machine):
                shown[machine.name] = nil
                Console.standard.problem("\(machine.name) is gone")
            case .failed(let error): Console.standard.problem("\(error)")
            }
        }
    }
}
