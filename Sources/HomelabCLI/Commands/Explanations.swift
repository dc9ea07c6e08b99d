package import ArgumentParser
import Diagnostics
import KubernetesClient
import KubernetesModel
import Reconciliation
import YAML

/// `homelab tree`: what a unit has applied, and what the units among it have.
package struct Tree: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "tree", abstract: "Show the objects of a unit, and of the units it makes.")

    @OptionGroup var cluster: ClusterOption

    @Argument(help: "The unit: NAME or NAMESPACE/NAME.")
    var unit: String

    package init() {}

    package func run() async throws {
        let catalog = try await cluster.withCluster { try await UnitCatalog(of: $0) }
        let found = try catalog.unit(named: unit)
        Console.standard.line("\(found.namespace)/\(found.name)")
        show(found, in: catalog, indent: "", seen: [found.key])
    }

    private func show(_ unit: Manifest, in catalog: UnitCatalog, indent: String, seen: Set<ObjectKey>) {
        let keys = KustomizationStatus(of: unit).inventory.keys
        for (index, key) in keys.enumerated() {
            let isLast = index == keys.count - 1
            let child = catalog.units.first { $0.key == key }
            let state = child.map { $0.readiness.status == "True" ? "" : "  " + $0.readiness.message } ?? ""
            Console.standard.line(indent + (isLast ? "└── " : "├── ") + key.description + state)
            if let child, !seen.contains(key) {
                show(child, in: catalog, indent: indent + (isLast ? "    " : "│   "), seen: seen.union([key]))
            }
        }
    }
}

/// `homelab trace`: from an object to the unit, the repository and the commit it comes from.
package struct Trace: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "trace", abstract: "Show which unit, repository and commit an object comes from.")

    @OptionGroup var cluster: ClusterOption

    @Argument(help: "The object: KIND/NAME or KIND/NAMESPACE/NAME.")
    var object: String

    package init() {}

    package func run() async throws {
        try await cluster.withCluster { api in
            let found = try await ObjectLookUp(api: api).object(object)
            let catalog = try await UnitCatalog(of: api)
            let console = Console.standard
            console.line("object      \(found.key)  \(catalog.health(of: found))")
            guard let unit = catalog.owner(of: found) else {
                let owner = Ownership(of: found)
                console.line(
                    "unit        none" + (owner.map { ": its labels name \($0), which is not there" } ?? ": it has no labels of one"))
                return
            }
            console.line("unit        \(unit.namespace)/\(unit.name)  \(unit.readiness.message)")
            console.line("path        \(KustomizationSpec(of: unit).path)")
            console.line("revision    \(unit.appliedRevision)")
            guard let source = catalog.source(of: unit) else { return console.line("repository  not there") }
            console.line("repository  \(GitRepositorySpec(of: source).url)  \(source.readiness.message)")
        }
    }
}

/// `homelab why`: the chain of reasons something is not ready.
package struct Why: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "why",
        abstract: "Say why a unit or an object is not ready, down to the pod and the node.")

    @OptionGroup var cluster: ClusterOption

    @Argument(help: "A unit (NAME, NAMESPACE/NAME) or an object (KIND/NAMESPACE/NAME).")
    var name: String

    package init() {}

    package func run() async throws {
        let lines = try await cluster.withCluster { api in
            let catalog = try await UnitCatalog(of: api)
            let chain = ReasonChain(api: api, catalog: catalog)
            if let unit = try? catalog.unit(named: name) { return try await chain.lines(of: unit) }
            return try await chain.lines(ofObject: try await ObjectLookUp(api: api).object(name))
        }
        for line in lines { Console.standard.line(line) }
    }
}

/// `homelab events`: what the agent did and met.
package struct EventsCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "events", abstract: "Show what the agent did and met, oldest first.")

    @OptionGroup var cluster: ClusterOption

    @Option(name: .customLong("for"), help: "Only those about this name.")
    var name: String?

    package init() {}

    package func run() async throws {
        let kind = GroupVersionKind(group: "", version: "v1", kind: "Event")
        let all = try await cluster.withCluster { try await $0.list(kind, namespace: "", labelSelector: nil).items }
        var table = Table(header: ["TIME", "TYPE", "REASON", "OBJECT", "MESSAGE"])
        let own = all.filter { $0.value[path: "source", "component"] == "homelab-agent" }
        for event in own.sorted(by: { Self.time($0) < Self.time($1) }) {
            let involved = event.value["involvedObject"] ?? .null
            let about = involved["name"]?.string ?? ""
            if let name, name != about, name != "\(involved["namespace"]?.string ?? "")/\(about)" { continue }
            table.append([
                Self.time(event), event.value["type"]?.string ?? "", event.value["reason"]?.string ?? "",
                "\(involved["kind"]?.string ?? "")/\(about)", event.value["message"]?.string ?? "",
            ])
        }
        Console.standard.line(table.isEmpty ? "no events" : table.text)
    }

    private static func time(_ event: Manifest) -> String { event.value["lastTimestamp"]?.string ?? "" }
}

/// Finds an object by what a person calls it.
struct ObjectLookUp {
    let api: KubernetesClient

    /// - Parameter text: `deployment/web/site`, `Namespace/web`; the kind in any case, or its plural.
    func object(_ text: String) async throws -> Manifest {
        let parts = text.split(separator: "/").map(String.init)
        guard parts.count == 2 || parts.count == 3 else {
            throw Diagnostic(.error, "\(text) is no object", remedy: "KIND/NAME, or KIND/NAMESPACE/NAME")
        }
        let kind = parts[0].lowercased()
        let known = try await api.resources().filter { $0.kind.kind.lowercased() == kind || $0.plural == kind }
        guard let resource = known.first else {
            throw Diagnostic(.error, "the cluster knows no kind \(parts[0])", remedy: "`kubectl api-resources` lists the kinds")
        }
        let namespace = resource.isNamespaced ? (parts.count == 3 ? parts[1] : "default") : ""
        guard let found = try await api.get(resource.kind, namespace: namespace, name: parts[parts.count - 1]) else {
            throw Diagnostic(
                .error, "there is no \(resource.kind.kind) \(parts[parts.count - 1])" + (namespace.isEmpty ? "" : " in \(namespace)"))
        }
        return found
    }
}
