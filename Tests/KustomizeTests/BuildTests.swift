import Diagnostics
import KubernetesModel
import Kustomize
import Testing
import YAML

private let settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"

private func build(_ files: [String: String], _ options: BuildOptions = BuildOptions(), _ directory: String = "") throws -> BuildResult {
    try KustomizeBuild(files: MemoryFileTree(files), options: options).result(directory)
}

private func failure(_ files: [String: String], _ options: BuildOptions = BuildOptions()) -> String {
    do {
        _ = try build(files, options)
        return "no failure"
    } catch {
        return "\(error)"
    }
}

@Suite struct ProvenanceTests {
    @Test func whatGeneratorsMakeIsMarked() throws {
        let result = try build([
            "kustomization.yaml":
                "resources: [a.yaml, b.yaml]\nconfigMapGenerator:\n- {name: made, literals: [a=b]}\n"
                + "- {name: settings, behavior: merge, literals: [a=b]}\n",
            "a.yaml": settings, "b.yaml": settings.replacing("settings", with: "other"),
        ])
        #expect(result.manifests.map { $0.name.prefix(5) } == ["made-", "other", "setti"])
        #expect(result.provenance.map(\.isGenerated) == [true, false, true])
    }

    @Test func aLiteralOfASecretIsNotTold() {
        let text = failure(["kustomization.yaml": "secretGenerator:\n- {name: a, literals: [hunter2]}\n"])
        #expect(text.contains("kustomization.yaml:2:") && text.contains("a literal of a Secret is not of the form key=value"), "\(text)")
        #expect(!text.contains("hunter2"))
    }

    @Test func objectsKnowTheirPlacesAndWhatTouchedThem() throws {
        let result = try build([
            "base/kustomization.yaml": "resources: [all.yaml]\n", "base/all.yaml": "# c\n---\n" + settings,
            "kustomization.yaml":
                "resources: [base]\nnamePrefix: p-\npatches:\n- patch: |-\n    apiVersion: v1\n    kind: ConfigMap\n    metadata: {name: settings}\n    data: {a: b}\n",
        ])
        #expect(result.manifests.first?.origin == SourceLocation(file: "base/all.yaml", line: 3, column: 1))
        let touches = try #require(result.provenance.first?.touches)
        #expect(touches.map(\.step) == ["patches[0]", "namePrefix"])
        #expect(touches.last?.location == SourceLocation(file: "kustomization.yaml", line: 2, column: 13))
    }

    @Test func inputsAreAllThatWasReadOrLookedFor() throws {
        let result = try build(
            ["a/kustomization.yaml": "resources: [x.yaml]\n", "a/x.yaml": settings, "b/y.yaml": settings], BuildOptions(), "a")
        #expect(result.inputs.isSuperset(of: ["a/kustomization.yaml", "a/kustomization.yml", "a/x.yaml"]))
        #expect(!result.inputs.contains("b/y.yaml"))
    }

    @Test func deprecatedFieldsAreWarnedOf() throws {
        let result = try build([
            "kustomization.yaml": "bases: [b]\n", "b/kustomization.yaml": "resources: [x.yaml]\n", "b/x.yaml": settings,
        ])
        #expect(result.warnings.description.contains("kustomization.yaml:1:8: warning: bases is deprecated"))
    }
}

/// Where homelab does otherwise than kustomize with YAML in a text.
@Suite struct TextInTextTests {
    private func replaced(_ text: String, by value: String = "new") throws -> String? {
        let files = [
            "kustomization.yaml":
                "resources: [a.yaml]\nreplacements:\n- sourceValue: \(value)\n  targets: [{select: {kind: ConfigMap}, fieldPaths: [data.conf.a]}]\n",
            "a.yaml": settings + "data:\n  conf: " + JSONWriter.text(.string(text)) + "\n",
        ]
        return try build(files).manifests.first?.value["data"]?["conf"]?.string
    }

    @Test(arguments: [
        ("a: old # kept\n---\nb: 1   # as it is\n\n---\n# last\n", "a: new # kept\n---\nb: 1   # as it is\n\n---\n# last"),
        ("---\na:   old\n...\n---\nb:   1\n", "a: new\n...\n---\nb:   1"), ("a:   old\n...\n\n", "a: new"),
        ("a:   old\n---\n{broken", "a: new\n---\n{broken"),
    ])
    func furtherDocumentsStay(text: String, expected: String) throws {
        #expect(try replaced(text) == expected)
    }

    @Test(arguments: ["a: 1\n", "a: true\n", "a:\n", "a: 2001-01-01\n", "a: .5\n"]) func noValueGetsAnotherType(text: String) throws {
        #expect(throws: (any Error).self) { try replaced(text) }
        #expect(try replaced("a: 1 # c\n", by: "\"0x1F\"") == "a: 0x1F # c")
    }

    @Test(arguments: ["%YAML 1.2\n---\na: old\n", "%OTHER\n---\na: old\n", "a: old\nb: [\n", "a: old\nb: *none\n"])
    func whatIsNotWrittenAnewIsRefused(text: String) throws {
        #expect(throws: (any Error).self) { try replaced(text) }
    }
}

@Suite struct FluxTests {
    @Test func aDirectoryWithoutKustomizationStandsForItsFiles() throws {
        var options = BuildOptions(order: .none, generatesMissingKustomization: true)
        let files = [
            "b.yaml": "apiVersion: v1\nkind: A\nmetadata: {name: b}\n", "a.yml": "apiVersion: v1\nkind: A\nmetadata: {name: a}\n",
            "sub/kustomization.yaml": "namePrefix: s-\nresources: [x.yaml]\n", "sub/x.yaml": settings, "sub/ignored.yaml": "broken: [",
            "deep/er/c.yaml": "apiVersion: v1\nkind: A\nmetadata: {name: c}\n", "readme.md": "x", ".sops.yaml": "creation_rules: []\n",
        ]
        #expect(try build(files, options).manifests.map(\.name) == ["a", "b", "c", "s-settings"])
        options.generatesMissingKustomization = false
        #expect(failure(files, options).contains("the directory has no kustomization file"))
    }

    @Test func anOverlayIsLaidOver() throws {
        var overlay = FluxOverlay()
        overlay.targetNamespace = "apps"
        overlay.namePrefix = "x-"
        overlay.images = [.init(name: "web", newTag: "2"), .init(name: "db", newName: "mirror/db")]
        overlay.patches = [.init(patch: "- {op: add, path: /spec/a, value: 1}", hasTarget: true, kind: "Pod")]
        overlay.components = ["absent"]
        overlay.ignoreMissingComponents = true
        overlay.commonMetadataLabels = ["team": "t"]
        overlay.commonMetadataAnnotations = ["note": "n"]
        let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{image: 'web:1'}, {image: 'db:7'}]}\n"
        let result = try build(
            ["kustomization.yaml": "namespace: old\nimages: [{name: db, newTag: '8'}]\nresources: [p.yaml]\n", "p.yaml": pod],
            BuildOptions(overlay: overlay))
        #expect(
            result.manifests.map(\.value) == [
                [
                    "apiVersion": "v1", "kind": "Pod",
                    "metadata": ["name": "x-p", "namespace": "apps", "labels": ["team": "t"], "annotations": ["note": "n"]],
                    "spec": ["containers": [["image": "web:2"], ["image": "mirror/db:8"]], "a": 1],
                ]
            ])
    }
}

@Suite struct OverlayPatchTests {
    private static let files = [
        "kustomization.yaml": "patches: [{patch: '{apiVersion: v1, kind: A, metadata: {name: a}}'}]\nresources: [a.yaml]\n",
        "a.yaml": "apiVersion: v1\nkind: A\nmetadata: {name: a}\n",
    ]

    private static func options(_ patches: [String], _ places: [FluxOverlay.PatchPlace?] = []) -> BuildOptions {
        var overlay = FluxOverlay()
        overlay.patches = patches.map { .init(patch: $0) }
        var options = BuildOptions(overlay: overlay)
        options.overlayPlaces = places
        return options
    }

    @Test func whatIsWrongWithAPatchIsToldWhereItWasWritten() {
        let place = FluxOverlay.PatchPlace(location: SourceLocation(file: "units.yaml", line: 9, column: 12), linesBefore: 9)
        #expect(
            failure(Self.files, Self.options(["a: 1\nb: [", "{}"], [place, nil]))
                == "units.yaml:12:1: error: spec.patches[0]: did not find expected node content: while parsing a flow node from line 12")
        let lost = "apiVersion: v1\nkind: A\nmetadata: {name: lost}\n"
        #expect(failure(Self.files, Self.options([lost], [place])).hasPrefix("units.yaml:9:12: error: spec.patches[0]: no resource is A"))
    }

    @Test func withoutAPlaceTheFieldIsNamed() {
        let lost = "apiVersion: v1\nkind: A\nmetadata: {name: lost}\n"
        let found = failure(Self.files, Self.options(["b: [", lost]))
        #expect(found.hasPrefix("error: spec.patches[0]: did not find expected node content"), "\(found)")
        #expect(failure(Self.files, Self.options([lost])).hasPrefix("error: spec.patches[0]: no resource is A"))
    }
}

@Suite struct LimitTests {
    @Test func aliasBombs() {
        var text = "apiVersion: v1\nkind: A\nmetadata: {name: a}\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
        for level in 1...9 {
            text += "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ",") + "]\n"
        }
        #expect(failure(["kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": text]).contains("more than 4000000 values"))
    }

    @Test func towersOfKustomizations() {
        var files = ["kustomization.yaml": "resources: [l0]\n"]
        for level in 0..<100 { files["l\(level)/kustomization.yaml"] = "resources: [../l\(level + 1)]\n" }
        #expect(failure(files).contains("nested deeper than 64 levels"))
    }

    @Test func directoriesThatDoubleAtEveryLevel() {
        var files: [String: String] = ["kustomization.yaml": "resources: [l0]\n", "l40/kustomization.yaml": "resources: []\n"]
        for level in 0..<40 { files["l\(level)/kustomization.yaml"] = "resources: [../l\(level + 1), ../l\(level + 1)]\n" }
        #expect(failure(files).contains("visits more than 10000 kustomizations"))
    }

    @Test func largeFilesAndManyObjects() {
        let files = [
            "kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": settings + "---\n" + settings.replacing("settings", with: "other"),
        ]
        #expect(failure(files, BuildOptions(limits: BuildLimits(fileBytes: 40))).contains("larger than 40 bytes"))
        #expect(failure(files, BuildOptions(limits: BuildLimits(resources: 1))).contains("more than 1 resources"))
        #expect(failure(files, BuildOptions(limits: BuildLimits(files: 0))).contains("more than 0 files"))
    }

    @Test func resourcesThatDoubleAtEveryStep() {
        let object = "apiVersion: v1\nkind: A\nmetadata: {name: a}\ns: axb\nt: {u: v}\n"
        func steps(_ source: String, _ target: String, _ options: String) -> String {
            "resources: [a.yaml]\nreplacements:\n"
                + String(
                    repeating: "- source: {kind: A, name: a, fieldPath: \(source)}\n"
                        + "  targets: [{select: {kind: A}, fieldPaths: [\(target)], options: \(options)}]\n", count: 40)
        }
        let texts = steps("s", "s", "{delimiter: x, index: 99999}")
        #expect(failure(["kustomization.yaml": texts, "a.yaml": object]).contains("would grow beyond 1048576 bytes"))
        let patch =
            "resources: [a.yaml]\npatches:\n- target: {kind: A}\n  patch: |-\n"
            + (0..<40).map { "    - {op: copy, from: /t, path: /t/x\($0)}\n" }.joined()
        #expect(failure(["kustomization.yaml": patch, "a.yaml": object]).contains("would grow beyond"))
    }

    @Test func hostileRegularExpressionsEnd() throws {
        let long = String(repeating: "a", count: 5000)
        let files = [
            "kustomization.yaml":
                "resources: [a.yaml]\npatches:\n- {target: {name: '(a+)+b'}, patch: '[{\"op\": \"remove\", \"path\": \"/x\"}]'}\n",
            "a.yaml": "apiVersion: v1\nkind: A\nmetadata: {name: \(long)}\n",
        ]
        #expect(try build(files).manifests.count == 1)
    }
}

@Suite struct SelectorTests {
    @Test(arguments: [
        ("we.", "web", true), ("we", "web", false), ("a|b", "b", true), ("web-[0-9]{2,3}", "web-123", true),
        ("web-[0-9]{2,3}", "web-1", false),
        ("(?i)WEB", "web", true), ("[^x]+", "axb", false), ("\\w+\\d?", "abc1", true), ("a*?b", "aab", true), ("", "anything", true),
        ("(?P<n>a)(?:b)", "ab", true), ("[[:alpha:]]+", "ab1", false), ("\\Qa.b\\E", "a.b", true), ("\\Qa.b\\E", "axb", false),
    ])
    func names(pattern: String, name: String, matches: Bool) throws {
        let result = try build([
            "kustomization.yaml":
                "resources: [a.yaml]\npatches:\n- target: {name: '\(pattern)'}\n  patch: '[{\"op\": \"add\", \"path\": \"/hit\", \"value\": true}]'\n",
            "a.yaml": "apiVersion: v1\nkind: A\nmetadata: {name: \(name)}\n",
        ])
        #expect((result.manifests.first?.value["hit"] == true) == matches)
    }

    @Test(arguments: [
        ("app=web", true), ("app==web,tier", true), ("app!=web", false), ("!tier", false), ("app in (web, db)", true),
        ("app notin (web)", false),
        ("size>3", true), ("size<3", false), ("absent!=x", true),
    ])
    func labels(selector: String, matches: Bool) throws {
        let result = try build([
            "kustomization.yaml":
                "resources: [a.yaml]\npatches:\n- target: {labelSelector: '\(selector)'}\n  patch: '[{\"op\": \"add\", \"path\": \"/hit\", \"value\": true}]'\n",
            "a.yaml": "apiVersion: v1\nkind: A\nmetadata: {name: a, labels: {app: web, tier: front, size: '5'}}\n",
        ])
        #expect((result.manifests.first?.value["hit"] == true) == matches)
    }

    @Test(arguments: ["(", "a**", "[z-a]", "a{3,1}", "\\8", "*"]) func badExpressionsAreTold(pattern: String) {
        let files = [
            "kustomization.yaml":
                "resources: [a.yaml]\npatches:\n- {target: {name: '\(pattern)'}, patch: '[{\"op\": \"remove\", \"path\": \"/x\"}]'}\n",
            "a.yaml": settings,
        ]
        #expect(failure(files).contains("is no regular expression"))
    }
}
