import Diagnostics
package import KubernetesModel
import YAML

/// Keeps a unit's record in the ConfigMaps `homelab-system/homelab-inventory-<unit>` (and `-2`, `-3` … when it is large), and reads from
/// their annotations what a person has confirmed.
package actor InventoryStore: UnitRecord {
    /// `homelab.dev/confirm-prune: <commit>`: this commit may delete as much as it does.
    package static let confirmPrune = "homelab.dev/confirm-prune"
    /// `homelab.dev/accept-history: <commit>`: the branch was moved to this commit on purpose. It holds for the unit whose record has it,
    /// on a GitRepository for all units of that, and on the record of the agent's own unit for all of the agent's repository.
    package static let acceptHistory = "homelab.dev/accept-history"

    private static let label = "homelab.dev/inventory"
    private static let kind = GroupVersionKind(group: "", version: "v1", kind: "ConfigMap")

    private let api: any ClusterAPI
    private let clock: any AgentClock
    private let unit: String
    private let bell: Bell
    /// The GitRepositories that the unit has applied, or is about to; nil while there is no record that says so.
    package nonisolated let repositories = Shared<Set<ObjectKey>?>(nil)
    private var record = InventoryRecord() {
        didSet {
            guard !record.parts.isEmpty else { return }
            let kind = FluxKinds.gitRepository.groupKind
            let found = Set(record.parts.flatMap { part in part.entries.keys.filter { $0.groupKind == kind } })
            if repositories.value != found { repositories.update { $0 = found } }
        }
    }
    private var resourceVersions: [Int: String] = [:]
    private var annotations: [String: String] = [:]
    private var isLoaded = false
    /// Parts that somebody deleted behind our back.
    private var lostParts: Set<Int> = []

    package init(api: any ClusterAPI, clock: any AgentClock, unit: String, bell: Bell) {
        self.api = api
        self.clock = clock
        self.unit = unit
        self.bell = bell
    }

    package var inventory: ResourceInventory { record.inventory }
    package nonisolated var place: String { "configmap -n \(HomelabNamespace.name) \(Self.configMapName(of: unit))" }
    /// Of the first ConfigMap, which has the annotations.
    package static func configMapName(of unit: String) -> String { "homelab-inventory-\(unit)" }
    /// Whether what is known is not what is written.
    package var hasLostParts: Bool { !lostParts.isEmpty }
    package func annotation(_ name: String) -> String? { annotations[name] }

    package func annotate(_ name: String, _ value: String?) async throws {
        annotations[name] = value
        try await write(part: record.parts.first ?? ResourceInventory(), at: 0)
    }

    /// What the agent's own units of a cluster have applied, or are about to.
    static func recorded(_ api: any ClusterAPI) async throws -> ResourceInventory {
        let list = try await api.list(kind, namespace: HomelabNamespace.name, labelSelector: label)
        let parts = list.items.compactMap { ResourceInventory(text: $0.value[path: "data", "objects"]?.string ?? "") }
        return parts.reduce(ResourceInventory()) { $0.merged(with: $1) }
    }

    /// Reads the record, once; afterwards this process is the only one that writes it.
    /// - Throws: `ClusterError`, or a `Diagnostic` when the record cannot be read whole.
    package func load() async throws {
        guard !isLoaded else { return }
        let list = try await api.list(Self.kind, namespace: HomelabNamespace.name, labelSelector: "\(Self.label)=\(unit)")
        var parts: [ResourceInventory] = []
        resourceVersions = [:]
        lostParts = []
        for manifest in list.items {
            guard let index = index(ofPart: manifest.name) else { continue }
            guard let part = ResourceInventory(text: manifest.value[path: "data", "objects"]?.string ?? "") else {
                throw Diagnostic(
                    .error, "the record of applied objects is damaged", subject: "ConfigMap/\(HomelabNamespace.name)/\(manifest.name)",
                    remedy: "restore it, or delete it: then objects that left the repository meanwhile have to be deleted by hand")
            }
            while parts.count <= index { parts.append(ResourceInventory()) }
            parts[index] = part
            resourceVersions[index] = manifest.resourceVersion
            takeAnnotations(manifest, index)
        }
        record = InventoryRecord(parts: parts)
        isLoaded = true
    }

    /// Makes the record hold exactly this. Parts that gain come before parts that lose, so a crash in between forgets nothing.
    package func write(_ inventory: ResourceInventory) async throws {
        var next = record
        let changed = Set(next.set(inventory)).union(lostParts)
        for index in changed.sorted(by: { gains($0, in: next) && !gains($1, in: next) }) {
            try await write(part: next.parts[index], at: index)
            var parts = record.parts
            while parts.count <= index { parts.append(ResourceInventory()) }
            parts[index] = next.parts[index]
            record = InventoryRecord(parts: parts)
            lostParts.remove(index)
        }
    }

    private func gains(_ index: Int, in next: InventoryRecord) -> Bool {
        index >= record.parts.count || !next.parts[index].subtracting(record.parts[index]).isEmpty
    }

    private func write(part: ResourceInventory, at index: Int) async throws {
        do {
            let manifest = manifest(part, at: index)
            let written: Manifest
            if resourceVersions[index] == nil {
                do {
                    written = try await api.create(manifest)
                } catch let error as ClusterError where error.kind == .notFound {
                    try await HomelabNamespace.ensure(api)
                    written = try await api.create(manifest)
                }
            } else {
                written = try await api.replace(manifest, subresource: nil)
            }
            resourceVersions[index] = written.resourceVersion
        } catch let error as ClusterError where error.kind == .notFound {
            resourceVersions[index] = nil
            lostParts.insert(index)
            throw ClusterError(.conflict, subject: error.subject, message: error.message)
        } catch let error as ClusterError where [.conflict, .alreadyExists].contains(error.kind) {
            // Somebody annotated it: look again, and let the next pass write on top of what is there.
            isLoaded = false
            throw ClusterError(.conflict, subject: error.subject, message: error.message)
        }
    }

    private func manifest(_ part: ResourceInventory, at index: Int) -> Manifest {
        var metadata: Value = [
            "namespace": .string(HomelabNamespace.name), "name": .string(name(ofPart: index)),
            "labels": .object(Object([.init(key: Self.label, value: .string(unit))])),
        ]
        if let version = resourceVersions[index] { metadata["resourceVersion"] = .string(version) }
        if index == 0, !annotations.isEmpty {
            metadata["annotations"] = .object(
                Object(annotations.sorted { $0.key < $1.key }.map { .init(key: $0.key, value: .string($0.value)) }))
        }
        return Manifest(["apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": ["objects": .string(part.text)]])
    }

    private func name(ofPart index: Int) -> String { Self.configMapName(of: unit) + (index == 0 ? "" : "-\(index + 1)") }

    private func index(ofPart name: String) -> Int? {
        let base = self.name(ofPart: 0)
        if name == base { return 0 }
        guard name.hasPrefix(base + "-"), let number = Int(name.dropFirst(base.count + 1)), number > 1 else { return nil }
        return number - 1
    }

    // MARK: What a person writes on it

    /// Follows the record, so that a confirmation acts at once and a deleted record is written anew.
    package func run() async {
        let follower = ObjectFollower(
            api: api, clock: clock, kind: Self.kind, namespace: HomelabNamespace.name, labelSelector: "\(Self.label)=\(unit)")
        await follower.run { change in
            switch change {
            case .all(let manifests):
                for manifest in manifests { await self.noticed(manifest) }
                await self.lostAll(but: Set(manifests.map(\.name)))
            case .present(let manifest): await self.noticed(manifest)
            case .gone(let manifest): await self.lost(manifest)
            case .failed: break
            }
        } onSetBack: {
            await self.readAnew()
        }
    }

    /// The cluster was set back to an earlier state: what the record had then is what is there again.
    private func readAnew() {
        isLoaded = false
        bell.ring()
    }

    private func noticed(_ manifest: Manifest) {
        guard isLoaded, let index = index(ofPart: manifest.name) else { return }
        if resourceVersions[index] != manifest.resourceVersion,
            ResourceInventory(text: manifest.value[path: "data", "objects"]?.string ?? "") == record.parts[safe: index]
        {
            resourceVersions[index] = manifest.resourceVersion
        }
        if takeAnnotations(manifest, index) { bell.ring() }
    }

    private func lost(_ manifest: Manifest) {
        guard isLoaded, let index = index(ofPart: manifest.name), record.parts[safe: index] != nil else { return }
        lost(part: index)
    }

    /// What was deleted while nothing was watched.
    private func lostAll(but names: Set<String>) {
        guard isLoaded else { return }
        for index in record.parts.indices where resourceVersions[index] != nil && !names.contains(name(ofPart: index)) { lost(part: index) }
    }

    private func lost(part index: Int) {
        resourceVersions[index] = nil
        lostParts.insert(index)
        bell.ring()
    }

    @discardableResult
    private func takeAnnotations(_ manifest: Manifest, _ index: Int) -> Bool {
        guard index == 0 else { return false }
        var found: [String: String] = [:]
        for member in manifest.value[path: "metadata", "annotations"]?.object ?? Object() { found[member.key] = member.value.string }
        defer { annotations = found }
        return annotations != found
    }
}

extension Array {
    fileprivate subscript(safe index: Int) -> Element? { indices.contains(index) ? self[index] : nil }
}
