import Diagnostics
import KubernetesModel
import Kustomize
import Testing
import YAML

@testable import Reconciliation

/// A repository's files as `homelab validate` and `homelab build --unit` see them, without a cluster.
@Suite struct RepositoryUnitsTests {
    private static let own = RepositoryUnits.Setting(own: Ownership(namespace: "homelab-system", name: "home"))

    private func units(_ files: [String: String], _ setting: RepositoryUnits.Setting = own) -> RepositoryUnits {
        RepositoryUnits(MemoryFileTree(files), path: "clusters/home", setting)
    }

    private func problems(_ files: [String: String], _ setting: RepositoryUnits.Setting = own) -> [String] {
        units(files, setting).problems.sorted.map(\.description)
    }

    private static func config(_ name: String, _ data: String) -> String {
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \(name), namespace: default}\ndata: {\(data)}\n"
    }

    private static let encrypted = """
        apiVersion: v1
        kind: Secret
        metadata: {name: key, namespace: default}
        data: {a: "ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]"}
        sops: {lastmodified: "2025-01-01T00:00:00Z", mac: x}

        """

    @Test func `fields that do not fit Flux' definitions are told, each once and at its place`() {
        let unit = """
            kind: List
            apiVersion: v1
            items:
              - apiVersion: kustomize.toolkit.fluxcd.io/v1
                kind: Kustomization
                metadata: {name: web, namespace: default, labels: {a: b}}
                spec:
                  interval: 10 minutes
                  prune: "true"
                  path: web
                  targetNamespace: ""
                  pathh: web
                  sourceRef: {kind: GitRepo, name: home, namespace: homelab-system}
                  patches: [{target: {kind: Deployment, nam: a}}]
                  postBuild: {substitute: {replicas: 3, size: "${size}"}, substituteFrom: [{kind: Secret, name: more}]}
                  deletionPolicy: ${policy}
            """
        let receiver = """
            apiVersion: notification.toolkit.fluxcd.io/v1
            kind: Receiver
            metadata: {name: hook, namespace: default}
            spec: {type: github, interval: 1d, resources: {kind: GitRepository, name: home}}
            """
        let found = problems(["clusters/home/units.yaml": unit, "clusters/home/receiver.yaml": receiver])
        let expected = [
            ("receiver.yaml:4:32: error: ", "spec.interval is \"1d\"\n    give a length of time such as 10m or 1h30m"),
            ("receiver.yaml:4:47: error: ", "spec.resources must be a list, not a mapping"),
            ("units.yaml:8:17: error: ", "spec.interval 10 minutes is no duration"),
            ("units.yaml:9:14: error: ", "spec.prune must be true or false, not a string\n    take the quotes away"),
            ("units.yaml:11:24: error: ", "spec.targetNamespace is \"\"\n    give it a value, or leave it out"),
            ("units.yaml:12:7: warning: ", "unknown field \"spec.pathh\"\n    did you mean \"path\"?"),
            ("units.yaml:13:25: error: ", "spec.sourceRef.kind GitRepo is not handled yet"),
            ("units.yaml:14:17: error: ", "spec.patches[0].patch is missing"),
            ("units.yaml:14:45: warning: ", "unknown field \"spec.patches[0].target.nam\"\n    did you mean \"name\"?"),
            ("units.yaml:15:42: error: ", "spec.postBuild.substitute.replicas must be a string, not a number\n    put it in quotes"),
        ]
        for (place, text) in expected {
            #expect(found.contains { $0.hasPrefix("clusters/home/" + place) && $0.contains(text) }, "\(place) \(text) in \(found)")
        }
        #expect(found.count == expected.count, "\(found.joined(separator: "\n"))")
    }

    @Test func `what a patch did to a unit is told as that`() {
        let found = problems([
            "clusters/home/kustomization.yaml": """
            resources: [web.yaml]
            patches:
            - target: {kind: Kustomization}
              patch: |
                - {op: replace, path: /spec/prune, value: 1}
            """, "clusters/home/web.yaml": UnitsTests.unit("web", path: "web"), "web/a.yaml": Self.config("a", "a: b"),
        ])
        #expect(found.count == 1, "\(found)")
        #expect(
            found.first?.hasPrefix(
                "clusters/home/web.yaml:1:1: error: Kustomization.kustomize.toolkit.fluxcd.io/default/web: spec.prune must be true or "
                    + "false, not a number: patches or variables make it so") == true, "\(found)")
    }

    @Test func `a mistake in a unit's patch has its line in the unit's file`() {
        let patches = """
            patches:
              - target: {kind: ConfigMap}
                patch: |
                  - op: add
                    path: [
              - patch: |
                  apiVersion: v1
                  kind: ConfigMap
                  metadata: {name: lost}
            """
        let files = ["clusters/home/web.yaml": UnitsTests.unit("web", path: "web", more: patches), "web/a.yaml": Self.config("a", "a: b")]
        let found = problems(files)
        #expect(found.count == 1 && found[0].hasPrefix("clusters/home/web.yaml:14:1: error: spec.patches[0]: did not find"), "\(found)")
        let lost = problems(files.mapValues { $0.replacing("path: [", with: "path: /data/b\n          value: c") })
        #expect(lost.count == 1 && lost[0].hasPrefix("clusters/home/web.yaml:15:14: error: spec.patches[1]: no resource is"), "\(lost)")
    }

    @Test func `an object that no API server takes is told with what made it so`() {
        let found = problems([
            "clusters/home/kustomization.yaml": """
            resources: [all.yaml]
            patches:
            - target: {kind: ConfigMap, name: b}
              patch: |
                - {op: remove, path: /metadata/name}
            """,
            "clusters/home/all.yaml": "kind: ConfigMap\nmetadata: {name: a, namespace: default}\n---\n" + Self.config("b", "a: b")
                + "---\napiVersion: v1\nkind: List\n",
        ])
        let expected = [
            "clusters/home/all.yaml:1:1: error: ConfigMap/default/a: the object has no apiVersion\n",
            "clusters/home/all.yaml:4:1: error: ConfigMap/default: the object has no metadata.name: as changed by patches[0] at "
                + "clusters/home/kustomization.yaml:3:3\n", "clusters/home/all.yaml:9:1: error: List: the object has no metadata.name\n",
        ]
        for text in expected { #expect(found.contains { $0.hasPrefix(text) }, "\(text) in \(found)") }
        #expect(found.count == expected.count, "\(found)")
    }

    @Test func `annotations of the agent's that are misspelt are told once, with the right ones`() {
        func config(_ name: String, _ field: String) -> String {
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: \(name)\n  namespace: default\n  \(field)\n"
        }
        let found = problems([
            "clusters/home/a.yaml": config("a", "annotations: {homelab.dev/durft: report, homelab.dev/force: enabled}"),
            "clusters/home/b.yaml": config("b", "annotations: {homelab.dev/durft: report}"),
            "clusters/home/c.yaml": config("c", "labels: {homelab.dev/pruned: disabled, example.org/prune: a}"),
        ])
        #expect(found.count == 2, "\(found)")
        #expect(
            found.contains {
                $0.hasPrefix("clusters/home/a.yaml:6:17: warning: ConfigMap/default/a: nobody acts on homelab.dev/durft, which 2 objects")
                    && $0.contains("did you mean homelab.dev/drift? there are ") && $0.contains("homelab.dev/prune-budget")
            }, "\(found)")
        #expect(found.contains { $0.contains("c.yaml:6:12") && $0.contains("did you mean homelab.dev/prune?") }, "\(found)")
    }

    @Test func `units are rendered as the agent renders them, those among their objects too`() throws {
        let found = units([
            "clusters/home/apps.yaml": UnitsTests.unit("apps", path: "apps", more: "postBuild: {substitute: {where: inner}}"),
            "apps/inner.yaml": UnitsTests.unit(
                "inner", path: "${where}",
                more: "namePrefix: a-\npostBuild: {substitute: {size: large}, substituteFrom: [{kind: ConfigMap, name: settings}]}"),
            "apps/settings.yaml": Self.config("settings", "domain: example.org"),
            "inner/one.yaml": Self.config("one", "title: \"${size} at ${domain}\""),
        ])
        #expect(found.problems.isEmpty, "\(found.problems)")
        #expect(found.units.map(\.object.name) == ["apps", "inner"])
        let one = try #require(try found.unit(named: "default/inner").manifests?.first)
        #expect(one.name == "a-one" && one.value[path: "data", "title"] == "large at example.org")
        #expect(found.all.count == 4)
    }

    @Test func `every problem of every unit is told at once, with its place`() {
        let broken = """
            apiVersion: kustomize.toolkit.fluxcd.io/v1
            kind: Kustomization
            metadata: {name: broken, namespace: default}
            spec:
              interval: 10 minutes
              path: ./nowhere
              sourceRef: {kind: GitRepository, name: home, namespace: homelab-system}
              decryption: {provider: vault}
              ignore: [{paths: [spec/replicas]}]
              dependsOn: [{name: nobody}]
            """
        let source = """
            apiVersion: source.toolkit.fluxcd.io/v1
            kind: GitRepository
            metadata: {name: other, namespace: default}
            spec: {interval: 1m, url: "git@example.org:me/home.git", provider: azure, ref: {semver: newest}}
            """
        let found = problems([
            "clusters/home/broken.yaml": broken, "clusters/home/other.yaml": source,
            "clusters/home/lost.yaml": UnitsTests.unit("lost", path: "a").replacing("name: home,", with: "name: hme,"),
            "clusters/home/web.yaml": UnitsTests.unit("web", path: "web", more: "postBuild: {substitute: {host: example.org}}"),
            "web/a.yaml": Self.config("a", "a: \"${host} ${port}\"") + "---\n" + Self.config("b", "a: \"${{ github.ref }}\""),
            "clusters/home/keys.yaml": UnitsTests.unit("keys", path: "keys"), "keys/key.yaml": Self.encrypted,
            "clusters/home/twice.yaml": UnitsTests.unit("twice", path: "twice"), "twice/a.yaml": Self.config("own", "a: b"),
            "clusters/home/own.yaml": Self.config("own", "a: c"),
        ])
        let expected = [
            ("clusters/home/broken.yaml:5:13", "spec.interval 10 minutes is no duration"),
            ("clusters/home/broken.yaml:4:1", "spec.prune is missing"), ("clusters/home/broken.yaml:6:9", "spec.path is nowhere"),
            ("clusters/home/broken.yaml:8:26", "spec.decryption.provider vault is not known"),
            ("clusters/home/broken.yaml:9:11", "spec.ignore: spec/replicas is no JSON pointer"),
            ("clusters/home/broken.yaml:1", "names the unit default/nobody"), ("clusters/home/other.yaml:4:27", "it takes https://"),
            ("clusters/home/other.yaml:4:68", "spec.provider azure wants credentials that only machines"),
            ("clusters/home/other.yaml:4:89", "spec.ref.semver newest is no range"),
            ("clusters/home/lost.yaml:1", "spec.sourceRef names GitRepository/homelab-system/hme"),
            ("web/a.yaml:1", "the variable port is not set"), ("web/a.yaml:6", "unable to parse variable name"),
            ("keys/key.yaml:1", "the file is encrypted"), ("twice/a.yaml:1", "is wanted by two units"),
        ]
        for (place, text) in expected {
            #expect(found.contains { $0.hasPrefix(place) && $0.contains(text) }, "\(place) \(text) in \(found)")
        }
        #expect(found.count == expected.count, "\(found.joined(separator: "\n"))")
        #expect(found.first { $0.hasPrefix("twice") }?.contains("clusters/home does too, at clusters/home/own.yaml:1") == true)
    }

    @Test func `the way to another cluster is looked at where a file has it`() {
        func found(_ data: String, account: String = "serviceAccountName: far") -> [String] {
            problems([
                "clusters/home/far.yaml": UnitsTests.unit("far", path: "far", more: "kubeConfig: {configMapRef: {name: far}}"),
                "clusters/home/way.yaml": Self.config("far", "\(data), address: far.example.org, \(account)"),
                "far/a.yaml": Self.config("a", "a: b"),
            ])
        }
        #expect(found("provider: generic").isEmpty, "\(found("provider: generic"))")
        let cloud = found("provider: gcp")
        #expect(cloud.count == 1 && cloud[0].hasPrefix("clusters/home/way.yaml:1"), "\(cloud)")
        #expect(cloud.first?.contains("`provider` is gcp") == true && cloud.first?.contains("spec.kubeConfig.secretRef") == true)
        #expect(found("a: b").first?.contains("`provider` is missing") == true)
        #expect(found("provider: generic", account: "a: b").first?.contains("`serviceAccountName` is missing") == true)
        #expect(found("provider: '${p}'").isEmpty, "what a variable is put into is known later")
    }

    @Test func `what only the cluster knows is no problem`() {
        let found = problems([
            "clusters/home/other.yaml": """
            apiVersion: source.toolkit.fluxcd.io/v1
            kind: GitRepository
            metadata: {name: other, namespace: homelab-system}
            spec: {interval: 1m, url: "https://example.org/me/home.git"}
            """,
            "clusters/home/elsewhere.yaml": UnitsTests.unit("elsewhere", path: "nowhere").replacing("name: home,", with: "name: other,"),
            "clusters/home/web.yaml": UnitsTests.unit("web", path: "web", more: "postBuild: {substituteFrom: [{kind: Secret, name: s}]}"),
            "web/a.yaml": Self.config("a", "a: \"${secret}\""),
            "clusters/home/keys.yaml": UnitsTests.unit(
                "keys", path: "keys", more: "decryption: {provider: sops, secretRef: {name: sops-age}}"), "keys/key.yaml": Self.encrypted,
        ])
        #expect(found.isEmpty, "\(found)")
    }

    @Test func `a base elsewhere is an error only where the agent may not fetch it`() {
        let files = [
            "clusters/home/web.yaml": UnitsTests.unit("web", path: "web"),
            "web/kustomization.yaml": "resources: [\"https://example.org/me/base//web?ref=v1\"]\n",
        ]
        #expect(problems(files).first?.hasPrefix("web/kustomization.yaml:1:13: error:") == true, "\(problems(files))")
        var setting = Self.own
        setting.allowsRemoteBases = true
        #expect(problems(files, setting).first?.hasPrefix("web/kustomization.yaml:1:13: warning:") == true, "\(problems(files, setting))")
    }

    @Test func `a unit that nobody makes is told with those that there are`() throws {
        let found = units(["clusters/home/apps.yaml": UnitsTests.unit("apps", path: "apps"), "apps/a.yaml": Self.config("a", "a: b")])
        let problem = #expect(throws: Diagnostic.self) { try found.unit(named: "web") }
        #expect(problem?.remedy == "name one of default/apps")
    }

    @Test func `what Flux' own Kustomization says of itself counts, and what it says in vain is told`() throws {
        var files = UnitsTests.bootstrappedByFlux
        let sync = "clusters/home/flux-system/gotk-sync.yaml"
        files["clusters/home/zone.yaml"] = Self.config("zone", "zone: \"${zone}\"")
        let vain = "suspend: true, dependsOn: [{name: apps}], kubeConfig: {secretRef: {name: other}}"
        files[sync] = files[sync]?.replacing("prune: true,", with: "prune: true, postBuild: {substitute: {zone: a}}, \(vain),")
        let found = problems(files)
        for field in ["suspend", "dependsOn", "kubeConfig"] {
            #expect(found.contains { $0.contains("a setting has no effect") && $0.contains("spec.\(field): ") }, "\(field): \(found)")
        }
        #expect(found.count == 3, "\(found)")
        let zone = units(files).objects?.first { $0.name == "zone" }
        #expect(zone?.value[path: "data", "zone"] == "a")
    }

    @Test func `what Flux wrote in older versions, and how it was told to run, is said once`() {
        var files = UnitsTests.bootstrappedByFlux
        for name in ["a", "b"] {
            files["clusters/home/\(name).yaml"] = """
                apiVersion: kustomize.toolkit.fluxcd.io/v1beta2
                kind: Kustomization
                metadata: {name: \(name), namespace: flux-system}
                spec: {interval: 1m, path: ./\(name), prune: true, validation: client, sourceRef: {kind: GitRepository, name: flux-system}}
                """
            files["\(name)/one.yaml"] = Self.config(name, "a: b")
        }
        files["b/inner.yaml"] = files["clusters/home/a.yaml"]?.replacing("name: a,", with: "name: inner,").replacing("./a", with: "./inner")
        files["inner/one.yaml"] = Self.config("inner", "a: b")
        files["clusters/home/flux-system/flags.yaml"] = UnitsTests.controller(["--watch-label-selector=team in", "--log-level=info"])
            .replacing("name: kustomize-controller, namespace: flux-system", with: "name: kustomize-controller, namespace: flux")
        let found = problems(files)
        #expect(
            found.contains { $0.contains("3 Kustomization in the old version kustomize.toolkit.fluxcd.io/v1beta2: applied as v1") },
            "\(found)")
        #expect(
            found.contains {
                $0.contains("Flux ran with --watch-label-selector=team in, which") && $0.hasPrefix("clusters/home/flux-system/flags")
            })
        #expect(found.count == 2, "\(found)")
    }

    @Test(arguments: [
        (["--default-service-account", "plain", "--sops-age-secret=false", "--no-cross-namespace-refs=F"], []),
        (["--watch-label-selector", "team=a", "--watch-all-namespaces=true"], ["--watch-label-selector=team=a\n"]),
        (["--watch-all-namespaces=false", "--sops-age-secret="], ["--watch-all-namespaces=false in flux\n"]),
        (["--watch-label-selector=!sharding.fluxcd.io/key", "--no-remote-bases=true"], []),
        (["--watch-label-selector=team=a,x!=b"], ["--watch-label-selector=team=a,x!=b\n"]),
        (["--watch-label-selector=team in"], ["--watch-label-selector=team in, which cannot be read"]),
    ])
    func `of the arguments of Flux' controller those that make a difference are told`(arguments: [String], told: [String]) {
        var files = UnitsTests.bootstrappedByFlux
        files["clusters/home/flux-system/flags.yaml"] = UnitsTests.controller(arguments)
            .replacing("name: kustomize-controller, namespace: flux-system", with: "name: kustomize-controller, namespace: flux")
        let found = problems(files)
        #expect(found.count == told.count, "\(found)")
        for flag in told where !flag.contains("cannot") {
            #expect(found.contains { $0.contains("flux-system/apps: the agent leaves this unit alone, as Flux did") }, "\(found)")
        }
        for flag in told { #expect(found.contains { ($0 + "\n").contains("Flux ran with \(flag)") }, "\(found)") }
    }

    @Test func `what the GitRepository of the agent's own repository says in vain is warned of, with its place`() throws {
        let sync = "clusters/home/flux-system/gotk-sync.yaml"
        var files = UnitsTests.bootstrappedByFlux
        let plain = try #require(files[sync])
        func found(_ more: String, _ setting: RepositoryUnits.Setting = .init(own: Self.own.own, branch: "main")) throws -> [String] {
            files[sync] = plain.replacing("ref: {branch: main}}", with: more + "}")
            try #require(files[sync] != plain || more == "ref: {branch: main}")
            return problems(files, setting)
        }
        #expect(try found("ref: {branch: main}").isEmpty)
        let login = try found("ref: {branch: main}, secretRef: {name: flux-system}, provider: azure, proxySecretRef: {name: way-out}")
        #expect(login.count == 1 && login[0].hasPrefix("\(sync):1:1: warning: "), "\(login)")
        #expect(login.first?.contains("spec.provider, spec.secretRef and spec.proxySecretRef are not used for the repository") == true)
        let rules = try found(
            "ref: {tag: v1}, suspend: true, verify: {mode: HEAD, secretRef: {name: a}}, recurseSubmodules: true, sparseCheckout: [apps], "
                + "include: [{repository: {name: b}}], provider: generic")
        for field in ["ref", "suspend", "recurseSubmodules", "sparseCheckout", "include"] {
            #expect(rules.contains { $0.contains("warning") && $0.contains("spec.\(field) does not hold for") }, "\(field): \(rules)")
        }
        #expect(rules.count == 5, "\(rules)")
        let tag = try found("ref: {branch: main}, verify: {mode: Tag, secretRef: {name: a}}")
        #expect(tag.count == 1 && tag[0].contains("spec.verify.mode Tag does not hold for the repository"), "\(tag)")
        #expect(try found("ref: {tag: v1}", Self.own).isEmpty, "which branch is followed is not known here")
        // One that a person wrote is the agent's by its URL.
        files[sync] = plain
        files["clusters/home/again.yaml"] = """
            apiVersion: source.toolkit.fluxcd.io/v1
            kind: GitRepository
            metadata: {name: again, namespace: default}
            spec: {interval: 1m, url: "https://example.org/me/home.git", ref: {branch: main}, suspend: true}
            """
        let setting = RepositoryUnits.Setting(own: Self.own.own, branch: "main", url: "https://example.org/me/home.git")
        let again = problems(files, setting)
        #expect(again.count == 1 && again[0].contains("spec.suspend does not hold for") && again[0].contains("again.yaml:1"), "\(again)")
        #expect(problems(files).isEmpty, "another repository may be suspended")
    }

    @Test func `a repository that Flux was bootstrapped from is checked as the agent runs it`() {
        let found = problems(UnitsTests.bootstrappedByFlux.filter { $0.key != "apps/one.yaml" })
        #expect(found.count == 1 && found[0].contains("spec.path is apps, and there is no such directory"), "\(found)")
    }
}

extension String {
    fileprivate func replacing(_ old: String, with new: String) -> String {
        split(separator: old, omittingEmptySubsequences: false).joined(separator: new)
    }
}
