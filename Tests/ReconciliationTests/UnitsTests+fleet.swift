import Git
import HomelabTestSupport
import KubernetesModel
import Kustomize
import SyncPlanning
import Testing
import YAML

@testable import Reconciliation

/// Flux' repository that is not the agent's own: a unit is built from it.
extension UnitsTests {
    private static let url = "https://example.org/fleet.git"

    static func gitRepository(_ name: String, namespace: String = "default", url: String, more: String = "") -> String {
        """
        apiVersion: source.toolkit.fluxcd.io/v1
        kind: GitRepository
        metadata: {name: \(name), namespace: \(namespace)}
        spec: {interval: 1h, url: "\(url)", ref: {branch: main}\(more)}

        """
    }

    /// Which `flux bootstrap` wrote into, and its unit.
    private static let files: [String: String] = [
        "clusters/production/flux-system/gotk-components.yaml": bootstrappedByFlux["clusters/home/flux-system/gotk-components.yaml"] ?? "",
        "clusters/production/flux-system/source.yaml": gitRepository("flux-system", namespace: "flux-system", url: url),
        "clusters/production/flux-system/gotk-sync.yaml": """
        apiVersion: kustomize.toolkit.fluxcd.io/v1
        kind: Kustomization
        metadata: {name: flux-system, namespace: flux-system}
        spec: {interval: 10m, path: ./clusters/production, prune: true, sourceRef: {kind: GitRepository, name: flux-system}}
        """,
        "clusters/production/apps.yaml": bootstrappedByFlux["clusters/home/apps.yaml"] ?? "",
        "apps/one.yaml": Files.config("one", name: "one", namespace: "default"),
    ]

    private static let fleet = unit("fleet", path: "clusters/production").replacing(
        "name: home, namespace: homelab-system", with: "name: fleet")
    private static let inner = ObjectKey(unit: Ownership(namespace: "flux-system", name: "flux-system"))
    private static let innerRepository = ObjectKey(
        group: FluxKinds.gitRepository.group, kind: "GitRepository", namespace: "flux-system", name: "flux-system")

    @Test func `a unit of another repository of Flux is built from that, and so are the units that it makes`() async throws {
        let other = MemoryRepository(url: Self.url)
        other.push(Self.files)
        var bench = self.bench
        bench.repositories = { spec, _ in spec.url == other.url ? other : nil }
        bench.repository.push([
            "clusters/home/fleet.yaml": Self.gitRepository("fleet", url: Self.url) + "---\n" + Self.fleet,
            "apps/wrong.yaml": Files.config("wrong", name: "wrong", namespace: "default"),
        ])
        let apps = ObjectKey(unit: Ownership(namespace: "flux-system", name: "apps"))
        try await bench.run { _ in
            try await awaitReady("fleet")
            try await eventually("its unit is ready", { await String(describing: bench.api.object(apps)?.value["status"]) }) {
                await bench.api.object(apps).map { KustomizationStatus(of: $0).conditions["Ready"]?.status } == "True"
            }
            #expect(await bench.api.object(Self.config("one")) != nil)
            #expect(await bench.api.object(Self.config("wrong")) == nil)
            #expect(await bench.api.object(Self.innerRepository)?.annotation(FluxComponents.agentSource) == nil)
            #expect(await bench.api.object(Self.inner) == nil, "it would apply the same once more")
            #expect(await !bench.api.keys.contains { $0.kind == "Deployment" })
        }
    }

    @Test(arguments: [
        ("fleet, namespace: default", "", false), ("flux-system", url, false), ("flux-system", "", true),
        ("flux-system", "https://example.org/another.git", true),
    ])
    func `a Kustomization is left out where it repeats its unit, by source and path`(source: String, url: String, isKept: Bool) throws {
        var files = Self.files
        let sync = "clusters/production/flux-system/gotk-sync.yaml"
        files[sync] = files[sync]?.replacing("kind: GitRepository, name: flux-system}", with: "kind: GitRepository, name: \(source)}")
        let object = Manifest(try #require(try YAMLReader.values(Self.fleet, file: "fleet.yaml").first))
        let options = BuildOptions(generatesMissingKustomization: true)
        let all = try KustomizeBuild(files: MemoryFileTree(files), options: options).result("clusters/production").manifests
        let repository = url.isEmpty ? nil : FollowedRepository(url: url, reference: "main")
        let found = FluxComponents(all, of: UnitSpec(of: object), from: repository)
        #expect(found.manifests.contains { $0.key == Self.inner } == isKept)
        #expect(found.manifests.contains { $0.key == Self.innerRepository && $0.annotation(FluxComponents.agentSource) == nil })
        #expect(found.own == nil && found.repository == nil)
    }

    @Test func `the files of such a unit are checked as the agent runs it`() throws {
        var files = Self.files
        files["clusters/home/p.yaml"] = Self.unit("p", path: "clusters/production")
        let setting = RepositoryUnits.Setting(own: Ownership(namespace: "homelab-system", name: "home"))
        let units = RepositoryUnits(MemoryFileTree(files), path: "clusters/home", setting)
        let made = try #require(try units.unit(named: "p").manifests)
        #expect(made.contains { $0.key == Self.innerRepository && $0.annotation(FluxComponents.agentSource) == nil })
        #expect(made.contains { $0.key == Self.inner })
    }

    @Test func `a diff of such a unit takes nothing of it for the agent's own`() async throws {
        for definition in try FluxKinds.definitions { await bench.api.put(definition) }
        let object = Manifest(try #require(try YAMLReader.values(Self.fleet, file: "fleet.yaml").first))
        let files = MemoryFileTree(Self.files)
        let plan = try await UnitPreview(of: object, clusters: UnitClusters(home: bench.api)).plan(files)
        #expect(plan.applies.contains { $0.key == Self.inner }, "its source need not be the same: \(plan.text)")
        await bench.api.put(
            Manifest(try #require(try YAMLReader.values(Self.gitRepository("fleet", url: Self.url), file: "fleet.yaml").first)))
        let known = try await UnitPreview(of: object, clusters: UnitClusters(home: bench.api)).plan(files)
        #expect(!known.applies.contains { $0.key == Self.inner }, "\(known.text)")
        #expect(known.applies.contains { $0.key == Self.innerRepository }, "\(known.text)")
    }
}
