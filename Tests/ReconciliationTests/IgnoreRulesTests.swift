import Kustomize
import Testing

@testable import Reconciliation

@Suite struct IgnoreRulesTests {
    private func kept(_ paths: [String], rules: [String: String] = [:], ignore: String? = nil) -> [String] {
        let all = IgnoreRules(files: rules, ignore: ignore)
        return paths.filter { all.keeps($0) }.sorted()
    }

    private static let defaults = ["docs/a.png", "x/y.tar.gz", ".github/w.yaml", "apps/.sops.yaml"]
    private static let versionControl = [".gitignore", "apps/.gitattributes", ".gitmodules", "a/.git/config"]

    @Test func `pictures, archives and the configuration of tools are no source`() {
        let paths = ["a.yaml", "apps/b.yaml", "png"]
        #expect(kept(paths + Self.defaults + Self.versionControl) == paths)
    }

    @Test func `any rule takes the place of the defaults, but not of what belongs to version control`() {
        let paths = ["c/b.yaml"] + Self.defaults + Self.versionControl
        #expect(kept(paths, ignore: "b.yaml\n") == Self.defaults.sorted())
        #expect(kept(paths, rules: ["c/.sourceignore": "b.yaml\n"]) == Self.defaults.sorted())
        #expect(kept(Self.versionControl, ignore: "!.gitignore\n") == [".gitignore"], "a later rule has the word")
        // What says nothing is no rule.
        for nothing in ["", "\n", "# all of it\n", "  \t\n"] {
            #expect(kept(Self.defaults + ["a.yaml"], rules: [".sourceignore": nothing], ignore: nothing) == ["a.yaml"], "\(nothing)")
        }
    }

    @Test func `a sourceignore file holds for its directory, and a deeper one has the last word, but for spec ignore`() {
        let paths = ["a/t.yaml", "a/b/t.yaml", "t.yaml", "a/skip/one.yaml", "a/c/skip"]
        #expect(kept(paths, rules: ["a/.sourceignore": "t.yaml\nskip/\n"]) == ["a/c/skip", "t.yaml"])
        let deeper = ["a/.sourceignore": "t.yaml\nskip/\n", "a/b/.sourceignore": "!t.yaml\n"]
        #expect(kept(paths, rules: deeper) == ["a/b/t.yaml", "a/c/skip", "t.yaml"])
        #expect(kept(paths, rules: deeper, ignore: "t.yaml") == ["a/c/skip"])
    }

    @Test func `a part of a directory that is left out comes back`() {
        let paths = ["README.md", "deploy/crds/a.yaml", "deploy/crds/sub/b.yaml", "deploy/app.yaml", "src/crds/c.yaml"]
        #expect(kept(paths, ignore: "# all but one\n/*\n!/deploy/crds\n") == ["deploy/crds/a.yaml", "deploy/crds/sub/b.yaml"])
        #expect(kept(paths, ignore: "/*\n!/deploy/\n/deploy/crds/sub\n") == ["deploy/app.yaml", "deploy/crds/a.yaml"])
        #expect(kept(paths, ignore: "deploy/\n!b.yaml\n") == ["README.md", "deploy/crds/sub/b.yaml", "src/crds/c.yaml"])
        #expect(kept(paths, rules: [".sourceignore": "/deploy", "deploy/.sourceignore": "!crds\n"]).contains("deploy/crds/a.yaml"))
        // What fluxcd/pkg itself tests.
        #expect(
            kept(["ignore-dir/file.yaml", "ignore-dir/include", "file.yaml"], ignore: "ignore-dir/*\n!ignore-dir/include\n")
                == ["file.yaml", "ignore-dir/include"])
        #expect(
            kept(["head/middle/vulkano", "head/middle/volcano"], ignore: "**/middle/v[uo]l?ano\n!volcano\n") == ["head/middle/volcano"])
    }

    @Test func `patterns with a slash begin at their directory, and two stars are any directories`() {
        let paths = ["a/b/c.yaml", "b/c.yaml", "x/a/b/c.yaml"]
        #expect(kept(paths, ignore: "a/b/*.yaml") == ["b/c.yaml", "x/a/b/c.yaml"])
        #expect(kept(paths, ignore: "**/b/c.yaml") == [])
        #expect(kept(paths, ignore: "x/**") == ["a/b/c.yaml", "b/c.yaml"])
        #expect(kept(paths, ignore: "a/**/c.yaml") == ["b/c.yaml", "x/a/b/c.yaml"])
        #expect(kept(paths, ignore: "/b") == ["a/b/c.yaml", "x/a/b/c.yaml"])
        #expect(kept(paths, ignore: "b/") == [])
    }

    /// go-git's `pattern_test.go`, of what is common with fluxcd/pkg.
    @Test(arguments: [
        ("*", "value", true), ("value", "value/vulkano/tail", true), ("vulkano/", "value/vulkano/tail", true),
        ("vulkano/", "value/vulkano", false), ("/value/vul?ano", "value/vulkano/tail", true), ("**/value/vulkano", "value/vulkano", true),
        ("**/value/volcano", "value/volcano/tail", true), ("value/**/vulkano", "value/middle/vulkano", true),
        ("value/**/vulkano/", "value/middle/vulkano", false), ("value/**/vulkano/", "value/middle/vulkano/tail", true),
        ("**/", "value", false), ("**/", "value/tail", true), ("/**", "value", false), ("value/**", "value", true),
        ("va**lue/vulkano", "value/vulkano", false), ("va[lr]ue", "value", true), ("va[^l]ue", "value", false),
        ("va[!l]ue", "vaxue", false),
        ("va[", "va[", false), ("va\\[", "va[", true), ("a\\ ", "a ", true), ("a ", "a", true), ("\\!a", "!a", true), ("/", "a", false),
        ("**/head/v[ou]l[kc]ano/tail", "head/x/head/vulkano/tail", false),
    ]) func `a pattern matches as Flux has it`(pattern: String, path: String, isMatch: Bool) {
        #expect(kept([path], ignore: pattern).isEmpty == isMatch, "\(pattern) and \(path)")
    }

    @Test func `a folder's files are source as a commit's are`() throws {
        let files = MemoryFileTree([
            ".sourceignore": "/*\n!/apps\n/apps/docs\n", "apps/a.yaml": "a", "apps/docs/b.yaml": "b", "other/c.yaml": "c",
            "apps/.git/x": "x",
        ])
        let tree = try SourceFileTree(files)
        #expect(try tree.entries("") == ["apps"] && tree.entries("apps") == ["a.yaml"])
        #expect(try tree.resolve("apps/docs") == nil && tree.resolve("apps/docs/b.yaml") == nil && tree.resolve("other") == nil)
        #expect(try tree.resolve("apps/a.yaml")?.isDirectory == false && tree.read("apps/a.yaml", limit: 9) == [97])
        #expect(try SourceFileTree(files, ignore: "!/other").resolve("other/c.yaml") != nil)
    }
}
