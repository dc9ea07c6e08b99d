package import ArgumentParser
import Diagnostics
import KubernetesClient
import KubernetesModel
import Reconciliation

/// `homelab tree`: what a unit has applied, and what the units among it have.
package struct Tree: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "tree", abstract: "Show the objects of a unit, and of the units it makes.",
        discussion: "wide, json and yaml look at every object and tell its health.")

    @OptionGroup var cluster: ClusterOption
    @OptionGroup var result: ResultOptions

    @Argument(help: "The unit: NAME or NAMESPACE/NAME.")
    var unit: String

    package init() {}

    package func run() async throws {
        try await result.show(of: cluster, following: ResultOptions.Followed.units) { api in
            let catalog = try await UnitCatalog(of: api)
            var tree = UnitTree(of: try catalog.unit(named: unit), in: catalog)
            if result.output != .text { try await tree.look(UnitClusters(home: api, factory: ClusterOption.client), catalog) }
            return tree
        }
    }
}

/// `homelab trace`: from an object to the unit, the repository and the commit it comes from.
package struct Trace: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "trace", abstract: "Show which unit, repository, commit and file an object comes from.")

    @OptionGroup var cluster: ClusterOption
    @OptionGroup var result: ResultOptions

    @Argument(help: "The object: KIND/NAME or KIND/NAMESPACE/NAME; KIND.GROUP where several groups have the kind.")
    var object: String

    @Option(help: "The root of the repository's files: where they are at hand, the file that makes the object is named.")
    var root = "."

    package init() {}

    package func run() async throws {
        try await result.show(of: cluster, following: ResultOptions.Followed.units) { api in
            let found = try await ObjectLookUp(api: api).object(object)
            let clusters = UnitClusters(home: api, factory: ClusterOption.client)
            var trace = ObjectTrace(of: found, in: try await UnitCatalog(of: api), try await clusters.homeCluster.health)
            try await trace.look(in: root, clusters)
            return trace
        }
    }
}

/// `homelab why`: the chain of reasons something is not ready.
package struct Why: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "why",
        abstract: "Say why a unit or an object is not ready, down to the pod and the node.")

    @OptionGroup var cluster: ClusterOption
    @OptionGroup var result: ResultOptions

    @Argument(help: "A unit (NAME, NAMESPACE/NAME) or an object (KIND/NAMESPACE/NAME, KIND.GROUP/NAMESPACE/NAME).")
    var name: String

    package init() {}

    package func run() async throws {
        try await result.show(of: cluster, following: ResultOptions.Followed.units + [.all("Pod"), .all("Node")]) { api in
            let catalog = try await UnitCatalog(of: api)
            let chain = ReasonChain(clusters: UnitClusters(home: api, factory: ClusterOption.client), catalog: catalog)
            if let unit = try? catalog.unit(named: name) { return ReasonList(links: try await chain.links(of: unit)) }
            // A name alone can only be a unit's.
            if !name.contains("/") { _ = try catalog.unit(named: name) }
            return ReasonList(links: try await chain.links(ofObject: try await ObjectLookUp(api: api).object(name)))
        }
    }
}

/// `homelab events`: what the agent did and met.
package struct EventsCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "events", abstract: "Show what the agent did and met, oldest first.")

    @OptionGroup var cluster: ClusterOption
    @OptionGroup var result: ResultOptions

    @Option(name: .customLong("for"), help: "Only those about this name.")
    var name: String?

    package init() {}

    package func run() async throws {
        let kind = GroupVersionKind(group: "", version: "v1", kind: "Event")
        try await result.show(of: cluster, following: [.all("Event")]) { api in
            EventList(try await api.list(kind, namespace: "", labelSelector: nil).items, about: name)
        }
    }
}
