import Diagnostics
import Foundation
import HomelabTestSupport
import KubernetesModel
import Kustomize
import SyncPlanning
import Testing
import YAML

@testable import Reconciliation

/// Which definition of a unit `homelab diff` plans: the files' where they have one, else the cluster's.
@Suite struct PlannedUnitTests {
    private static let base = [
        "clusters/home/a.yaml": UnitsTests.unit("a", path: "a"), "a/one.yaml": Files.config("one", name: "one", namespace: "default"),
    ]

    /// Has the unit a as it was pushed once, its one object applied.
    private func cluster(_ more: String = "") async throws -> FakeClusterAPI {
        let api = FakeClusterAPI()
        for definition in try FluxKinds.definitions { await api.put(definition) }
        var unit = try manifest(UnitsTests.unit("a", path: "a", more: more))
        unit.value["metadata"]?["annotations"] = ["homelab.dev/drift": "report"]
        unit.value["status"] = ["inventory": ["entries": [["id": "default_one__ConfigMap", "v": "v1"]]]]
        var config = try manifest(Files.config("one", name: "one", namespace: "default"))
        config.value["metadata"]?["labels"] = [
            "kustomize.toolkit.fluxcd.io/name": "a", "kustomize.toolkit.fluxcd.io/namespace": "default",
        ]
        for object in [unit, config] { await api.put(object) }
        return api
    }

    private func manifest(_ text: String) throws -> Manifest { Manifest(try #require(try YAMLReader.values(text, file: "m").first)) }

    private func units(_ files: [String: String]) -> RepositoryUnits {
        RepositoryUnits(
            MemoryFileTree(files), path: "clusters/home", .init(own: Ownership(namespace: "homelab-system", name: "home")))
    }

    private func planned(_ name: String, _ api: FakeClusterAPI, _ files: [String: String]?) async throws -> PlannedUnit {
        try PlannedUnit(named: name, in: try await UnitCatalog(of: api), files: files.map(units))
    }

    @Test func `a push that changes the Kustomization is planned with the new one`() async throws {
        var files = Self.base
        let api = try await cluster()
        let same = try await planned("a", api, files)
        #expect(same.note == "as clusters/home/a.yaml:1:1 defines it")
        files["clusters/home/a.yaml"] = UnitsTests.unit("a", path: "a", more: "namePrefix: new-")
        let found = try await planned("default/a", api, files)
        #expect(UnitSpec(of: found.object).reportsDrift, "what was annotated in the cluster stays")
        let plan = try await UnitPreview(of: found.object, clusters: UnitClusters(home: api)).plan(MemoryFileTree(files))
        #expect(plan.applies.map(\.key) == [UnitsTests.config("new-one")], "\(plan.text)")
        #expect(plan.text.contains("ConfigMap/default/one"), "what was applied is remembered: \(plan.text)")
    }

    private func plan(_ name: String, _ api: FakeClusterAPI, _ files: [String: String]) async throws -> SyncPlan {
        let (catalog, made) = (try await UnitCatalog(of: api), units(files))
        let unit = try PlannedUnit(named: name, in: catalog, files: made).object
        let others = OtherUnits(than: unit, in: made, of: catalog.units)
        return try await UnitPreview(of: unit, clusters: UnitClusters(home: api), others: others).plan(MemoryFileTree(files))
    }

    @Test func `what was added by hand is planned to go`() async throws {
        let api = try await cluster()
        await api.edit(UnitsTests.key("a")) { $0["metadata"]?["annotations"] = nil }
        let wanted = try #require(try await plan("a", api, Self.base).applies.first).object.manifest
        await api.put(wanted)
        let same = try await plan("a", api, Self.base)
        #expect(same.applies.isEmpty, "\(same.text)")
        await api.edit(UnitsTests.config("one")) {
            $0["data"]?["extra"] = "by hand"
            $0["metadata"]?["managedFields"] = [
                ["manager": "kubectl-edit", "operation": "Update", "fieldsV1": ["f:data": ["f:extra": [:]]]]
            ]
        }
        let changed = try await plan("a", api, Self.base)
        guard case .drift(let found)? = changed.applies.first?.reason else {
            Issue.record("nothing is planned: \(changed.text)")
            return
        }
        #expect(found.map(\.description) == ["data.extra: set by kubectl-edit"])
    }

    @Test func `an object that moves to another unit passes to it, and two that want it are told`() async throws {
        let api = try await cluster()
        var files = Self.base
        files["clusters/home/b.yaml"] = UnitsTests.unit("b", path: "b")
        files["b/one.yaml"] = files["a/one.yaml"]
        files["a/two.yaml"] = Files.config("two", name: "two", namespace: "default")
        let contested = try await plan("b", api, files)
        #expect(contested.text.contains("is also wanted by default/a at a/one.yaml:1:1"), "\(contested.text)")
        files["a/one.yaml"] = nil
        let old = try await plan("a", api, files)
        #expect(old.prunes.isEmpty && old.text.contains("passes to default/b, which wants it now"), "\(old.text)")
        let new = try await plan("b", api, files)
        #expect(new.applies.map(\.key) == [UnitsTests.config("one")] && new.contested.isEmpty, "\(new.text)")
    }

    @Test func `an object of a unit that these files do not define stays with it, unless they remove the unit`() async throws {
        let api = try await cluster()
        var files = Self.base
        files["clusters/home/a.yaml"] = Files.config("own", name: "own", namespace: "default")
        files["clusters/home/b.yaml"] = UnitsTests.unit("b", path: "a")
        let contested = try await plan("b", api, files)
        #expect(contested.text.contains("is also wanted by default/a"), "made by hand: \(contested.text)")
        await api.edit(UnitsTests.key("a")) {
            $0["metadata"]?["labels"] = [
                "kustomize.toolkit.fluxcd.io/name": "home", "kustomize.toolkit.fluxcd.io/namespace": "homelab-system",
            ]
        }
        let taken = try await plan("b", api, files)
        #expect(taken.contested.isEmpty && taken.applies.count == 1, "\(taken.text)")
    }

    @Test func `a unit that is new in the files is planned, and no unit at all is told`() async throws {
        var files = Self.base
        files["clusters/home/b.yaml"] = UnitsTests.unit("b", path: "b")
        files["b/two.yaml"] = Files.config("two", name: "two", namespace: "default")
        let api = try await cluster()
        let found = try await planned("b", api, files)
        #expect(found.note == "new, as clusters/home/b.yaml:1:1 defines it")
        let plan = try await UnitPreview(of: found.object, clusters: UnitClusters(home: api)).plan(MemoryFileTree(files))
        #expect(plan.applies.map(\.key) == [UnitsTests.config("two")], "\(plan.text)")
        for (name, files) in [("b", nil), ("c", files)] {
            let problem = await #expect(throws: Diagnostic.self) { try await planned(name, api, files) }
            #expect(problem?.summary == "there is no unit \(name)" && problem?.remedy == "name one of default/a")
        }
        files["clusters/home/c.yaml"] = "{"
        await #expect(throws: Diagnostics.self) { try await planned("c", api, files) }
    }

    @Test func `what the files do not define is as the cluster has it`() async throws {
        let api = try await cluster("namePrefix: old-")
        var files = Self.base
        func note(_ files: [String: String]?) async throws -> String {
            let found = try await planned("a", api, files)
            return UnitSpec(of: found.object).overlay?.namePrefix == "old-" ? found.note : "another definition"
        }
        #expect(try await note(files) == "another definition")
        #expect(try await note(nil) == "as the cluster has it; these files do not define it")
        files["clusters/home/a.yaml"] = Files.config("own", name: "own", namespace: "default")
        #expect(try await note(files) == "as the cluster has it; these files do not define it")
        files["clusters/home/b.yaml"] = "{"
        #expect(try await note(files) == "as the cluster has it; these files do not define it, as far as they can be rendered")
    }

    @Test func `a definition with variables that the files do not have is not taken`() async throws {
        let api = try await cluster()
        let files = [
            "clusters/home/p.yaml": UnitsTests.unit("p", path: "p", more: "postBuild: {substituteFrom: [{kind: Secret, name: s}]}"),
            "p/a.yaml": UnitsTests.unit("a", path: "${where}"), "p/b.yaml": UnitsTests.unit("b", path: "${where}"),
            "p/c.yaml": UnitsTests.unit("c", path: "c"),
        ]
        let found = try await planned("a", api, files)
        #expect(KustomizationSpec(of: found.object).path == "a" && found.note.hasPrefix("as the cluster has it; its definition in these"))
        let problem = await #expect(throws: Diagnostic.self) { try await planned("b", api, files) }
        #expect(problem?.cause?.contains("variables") == true && problem?.location?.file == "p/b.yaml")
        #expect(try await planned("c", api, files).note.hasPrefix("new, as p/c.yaml:1:1"))
    }

    @Test func `variables of the agent's own directory that the files do not have count, too`() async throws {
        let sync = "clusters/home/flux-system/gotk-sync.yaml"
        var files = UnitsTests.bootstrappedByFlux
        files["clusters/home/b.yaml"] = UnitsTests.unit("b", path: "${where}")
        let api = try await cluster()
        #expect(try await planned("b", api, files).note.hasPrefix("new, as clusters/home/b.yaml"))
        let plain = try #require(files[sync])
        let variables = "prune: true, postBuild: {substituteFrom: [{kind: Secret, name: s}]},"
        files[sync] = plain.replacingOccurrences(of: "prune: true,", with: variables)
        #expect(files[sync] != plain)
        let problem = await #expect(throws: Diagnostic.self) { try await planned("b", api, files) }
        #expect(problem?.cause?.contains("variables") == true)
        #expect(try await planned("apps", api, files).note.hasPrefix("new, as clusters/home/apps.yaml"))
    }
}
