import Testing

@testable import Git
@testable import Reconciliation

@Suite struct IgnoreRulesTests {
    private func kept(_ paths: [String], rules: [String: String] = [:], ignore: String? = nil) -> [String] {
        var files = Dictionary(uniqueKeysWithValues: paths.map { ($0, "") })
        files.merge(rules) { $1 }
        let entries = files.mapValues { GitTree.Entry(id: .zero, kind: .file, bytes: Array($0.utf8)) }
        let tree = GitTree(commit: .zero, entries: entries)
        return IgnoreRules(for: tree, ignore: ignore).applied(to: tree).entries.keys.filter { !$0.hasSuffix(".sourceignore") }.sorted()
    }

    @Test func `pictures, archives and the configuration of tools are no source`() {
        let paths = ["a.yaml", "docs/a.png", "x/y.tar.gz", ".github/w.yaml", "apps/.sops.yaml", ".gitignore", "apps/b.yaml", "png"]
        #expect(kept(paths) == ["a.yaml", "apps/b.yaml", "png"])
    }

    @Test func `spec ignore takes the place of the defaults`() {
        #expect(kept(["a.png", "b.yaml", "c/b.yaml"], ignore: "b.yaml\n") == ["a.png"])
        #expect(kept(["a/x.yaml", "b/x.yaml"], ignore: "# all but one\n/*\n!/a\n") == ["a/x.yaml"])
    }

    @Test func `a sourceignore file holds for its directory, and a deeper one has the last word`() {
        let paths = ["a/t.yaml", "a/b/t.yaml", "t.yaml", "a/skip/one.yaml", "a/c/skip"]
        #expect(kept(paths, rules: ["a/.sourceignore": "t.yaml\nskip/\n"]) == ["a/c/skip", "t.yaml"])
        #expect(
            kept(paths, rules: ["a/.sourceignore": "t.yaml\nskip/\n", "a/b/.sourceignore": "!t.yaml\n"])
                == ["a/b/t.yaml", "a/c/skip", "t.yaml"])
    }

    @Test func `patterns with a slash are anchored, and two stars are any directories`() {
        let paths = ["a/b/c.yaml", "b/c.yaml", "x/a/b/c.yaml"]
        #expect(kept(paths, ignore: "a/b/*.yaml") == ["b/c.yaml", "x/a/b/c.yaml"])
        #expect(kept(paths, ignore: "**/b/c.yaml") == [])
        #expect(kept(paths, ignore: "x/**") == ["a/b/c.yaml", "b/c.yaml"])
    }
}
