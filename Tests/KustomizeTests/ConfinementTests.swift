import Diagnostics
import FileSystem
import Kustomize
import Testing

@Suite struct ConfinementTests {
    private let settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"

    @Test func linksCannotLeaveTheTree() throws {
        let folder = try Files.makeTemporaryDirectory()
        defer { try? Files.removeTree(folder) }
        try Files.makeDirectory(folder + "/tree/inner")
        try Files.write(settings, to: folder + "/secret.yaml")
        try Files.write(settings, to: folder + "/tree/inner/real.yaml")
        try Files.link(folder + "/tree/out.yaml", to: "../secret.yaml")
        try Files.link(folder + "/tree/in.yaml", to: "inner/real.yaml")
        let tree = try DiskFileTree(root: folder + "/tree")
        try Files.write("resources: [in.yaml]\n", to: folder + "/tree/kustomization.yaml")
        #expect(try KustomizeBuild(files: tree).build("").count == 1)
        try Files.write("resources: [out.yaml]\n", to: folder + "/tree/kustomization.yaml")
        let error = #expect(throws: Diagnostics.self) {
            try KustomizeBuild(files: tree, options: BuildOptions(loadRestriction: .none)).build("")
        }
        #expect(error?.description.contains("leads out of the tree") == true)
        try Files.write("resources: [../secret.yaml]\n", to: folder + "/tree/kustomization.yaml")
        #expect(throws: Diagnostics.self) { try KustomizeBuild(files: tree, options: BuildOptions(loadRestriction: .none)).build("") }
    }

    @Test func everyLinkThatLeavesTheTreeIsNamed() throws {
        let folder = try Files.makeTemporaryDirectory()
        defer { try? Files.removeTree(folder) }
        try Files.makeDirectory(folder + "/tree/inner")
        try Files.write(settings, to: folder + "/secret.yaml")
        try Files.link(folder + "/tree/one.yaml", to: "../secret.yaml")
        try Files.link(folder + "/tree/inner/two.yaml", to: "../../secret.yaml")
        let build = KustomizeBuild(
            files: try DiskFileTree(root: folder + "/tree"), options: BuildOptions(generatesMissingKustomization: true))
        let error = #expect(throws: Diagnostics.self) { try build.build("") }
        #expect(error?.all.map(\.location?.file) == ["inner/two.yaml", "one.yaml"], "\(error?.description ?? "")")
        #expect(error?.all.allSatisfy { $0.cause?.contains("leads out of the tree") == true } == true)
    }

    @Test func filesOutsideTheKustomizationNeedLeave() throws {
        let files = MemoryFileTree(["a/kustomization.yaml": "resources: [../x.yaml]\n", "x.yaml": settings])
        #expect(throws: Diagnostics.self) { try KustomizeBuild(files: files).build("a") }
        #expect(try KustomizeBuild(files: files, options: BuildOptions(loadRestriction: .none)).build("a").count == 1)
    }
}
