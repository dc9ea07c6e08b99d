import Diagnostics
import KubernetesModel
import Kustomize
import Testing

/// After a change only what depends on it is built again.
@Suite struct BuildCacheTests {
    private let cache = BuildCache()
    private let options = BuildOptions(generatesMissingKustomization: true)

    private let files = [
        "base/kustomization.yaml": "resources: [a.yaml]\nconfigMapGenerator: [{name: c, files: [c.txt]}]\n", "base/c.txt": "one",
        "base/a.yaml": "kind: A\nmetadata: {name: a}\n", "x/kustomization.yaml": "resources: [../base]\nnamePrefix: x-\n",
        "y/kustomization.yaml": "resources: [y.yaml]\n", "y/y.yaml": "kind: A\nmetadata: {name: y}\n",
        "plain/p.yaml": "kind: A\nmetadata: {name: p}\n",
    ]

    /// How many of the units had to be built for these files.
    private func built(_ changes: [String: String?] = [:]) throws -> Int {
        let before = cache.builds
        let tree = MemoryFileTree(files.merging(changes.compactMapValues { $0 }) { $1 }.filter { changes[$0.key] != .some(.none) })
        for unit in ["x", "y", "plain"] { _ = try cache.result(of: unit, in: tree, options: options) }
        return cache.builds - before
    }

    @Test func onlyWhatDependsOnAFile() throws {
        #expect(try built() == 3)
        #expect(try built() == 0)
        #expect(try built(["unrelated.yaml": "kind: A\n"]) == 0)
        #expect(try built(["y/y.yaml": "kind: A\nmetadata: {name: other}\n"]) == 1)
        #expect(try built() == 1)
        #expect(try built(["base/c.txt": "two"]) == 1)
        #expect(try built(["base/c.txt": "two"]) == 0)
    }

    @Test func whatWasLookedForAndListedCounts() throws {
        _ = try built()
        // A second kustomization file would be an error for `x` alone; a new file belongs to the directory without one.
        #expect(throws: Diagnostics.self) { try built(["base/Kustomization": "resources: []\n"]) }
        #expect(try built() == 1)
        #expect(try built(["plain/q.yaml": "kind: A\nmetadata: {name: q}\n"]) == 1)
        #expect(try built(["plain/q.yaml": .none]) == 1)
    }

    @Test func failuresAreKeptToo() throws {
        let tree = MemoryFileTree(["z/kustomization.yaml": "resources: [none.yaml]\n"])
        for _ in 0..<3 { #expect(throws: Diagnostics.self) { try cache.result(of: "z", in: tree) } }
        #expect(cache.builds == 1)
        let mended = MemoryFileTree(["z/kustomization.yaml": "resources: [none.yaml]\n", "z/none.yaml": "kind: A\nmetadata: {name: z}\n"])
        #expect(try cache.result(of: "z", in: mended).manifests.map(\.name) == ["z"])
        #expect(cache.builds == 2)
    }

    @Test func otherOptionsAreAnotherBuild() throws {
        let tree = MemoryFileTree(files)
        var overlaid = options
        overlaid.overlay = FluxOverlay()
        overlaid.overlay?.namePrefix = "o-"
        #expect(try cache.result(of: "y", in: tree, options: options, unit: "one").manifests.map(\.name) == ["y"])
        #expect(try cache.result(of: "y", in: tree, options: overlaid, unit: "two").manifests.map(\.name) == ["o-y"])
        #expect(try cache.result(of: "y", in: tree, options: options, unit: "one").manifests.map(\.name) == ["y"])
        #expect(cache.builds == 2)
        cache.forget(allBut: ["two"])
        _ = try cache.result(of: "y", in: tree, options: options, unit: "one")
        _ = try cache.result(of: "y", in: tree, options: overlaid, unit: "two")
        #expect(cache.builds == 3)
        #expect(try cache.result(of: "y", in: tree, options: overlaid, unit: "one").manifests.map(\.name) == ["o-y"])
    }
}
