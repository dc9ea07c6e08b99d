import Diagnostics
import HomelabTestSupport
import Kustomize
import Testing
import YAML

/// Mutilated kustomizations and objects, from a seed so that a failure can be repeated: a build ends, with objects or with
/// findings, whatever it is given.
@Suite struct FuzzTests {
    @Test(arguments: 0..<24) func buildsEnd(seed: UInt64) {
        var random = SplitMix(seed: seed)
        for _ in 0..<40 {
            var files: [String: String] = [:]
            for (path, text) in Seeds.files { files[path] = random.chance(3) ? random.mutilated(text) : text }
            let outcome: Result<Int, Diagnostics> = Result { () throws(Diagnostics) in
                let limits = BuildLimits(resources: 2000)
                return try KustomizeBuild(files: MemoryFileTree(files), options: BuildOptions(limits: limits)).build("top").count
            }
            switch outcome {
            case .success(let count): #expect(count >= 0)
            case .failure(let diagnostics): #expect(diagnostics.hasErrors && !diagnostics.description.isEmpty)
            }
        }
    }
}

private enum Seeds {
    static let files = [
        "top/kustomization.yaml": """
        namespace: shop
        namePrefix: p-
        nameSuffix: -s
        resources: [../base]
        components: [../part]
        labels: [{pairs: {a: b}, includeSelectors: true}]
        commonAnnotations: {c: d}
        images: [{name: web, newTag: v2}]
        replicas: [{name: web, count: 2}]
        patches:
        - path: patch.yaml
        - target: {kind: Deploy.*}
          patch: |-
            - {op: add, path: /spec/template/spec/containers/0/args, value: [a]}
        replacements:
        - source: {kind: ConfigMap, fieldPath: data.mode}
          targets: [{select: {kind: Deployment}, fieldPaths: [spec.mode], options: {create: true}}]
        configMapGenerator: [{name: made, literals: [a=b]}]
        vars: [{name: V, objref: {kind: ConfigMap, name: settings, apiVersion: v1}}]
        configurations: [config.yaml]

        """,
        "top/patch.yaml": """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: web}
        spec:
          template:
            spec:
              containers:
              - {name: main, env: [{name: A, value: $(V)}], ports: [{containerPort: 80, protocol: TCP}]}
              - {name: old, $patch: delete}

        """,
        "top/config.yaml": "nameReference: [{kind: ConfigMap, fieldSpecs: [{path: spec/settings, kind: Deployment}]}]\n",
        "part/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnamePrefix: c-\n",
        "base/kustomization.yaml": "resources: [all.yaml]\n",
        "base/all.yaml": """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: web, labels: &l {x: y}}
        spec:
          settings: settings
          selector: {matchLabels: *l}
          template:
            metadata: {labels: *l}
            spec:
              containers: [{name: main, image: "web:1"}, {name: old}]
        ---
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: settings
        data:
          mode: |
            fast
        ---
        {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}]}

        """,
    ]
}

extension SplitMix {
    mutating func chance(_ outOf: Int) -> Bool { Int.random(in: 0..<outOf, using: &self) == 0 }

    private static let pieces = [
        "null", "[]", "{}", "- ", ": ", "\n", "  ", "*l", "&l ", "<<: *l", "yes", "0x", "\t", "\"", "'", "|", "---\n", "$patch: replace",
        "..", "\u{FEFF}", "{a: [", "!!int x",
        "\u{0}", "name", "🙂", "%", "-1", "1e999", "~",
    ]

    /// A text with a few lines lost, moved or doubled, and pieces put in.
    mutating func mutilated(_ text: String) -> String {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        for _ in 0..<Int.random(in: 1...3, using: &self) {
            let index = Int.random(in: 0..<lines.count, using: &self)
            switch Int.random(in: 0..<5, using: &self) {
            case 0 where lines.count > 1: lines.remove(at: index)
            case 1: lines.insert(lines[index], at: Int.random(in: 0...lines.count, using: &self))
            case 2: lines[index] = String(lines[index].dropFirst(Int.random(in: 0...4, using: &self)))
            default:
                let line = lines[index]
                let cut = line.index(line.startIndex, offsetBy: Int.random(in: 0...line.count, using: &self))
                lines[index] = line[..<cut] + (Self.pieces.randomElement(using: &self) ?? "") + line[cut...]
            }
        }
        return lines.joined(separator: "\n")
    }
}
