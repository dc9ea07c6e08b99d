import CEL
import Testing
import YAML

@testable import KubernetesModel

@Suite struct FluxTests {
    @Test(arguments: [
        ("10m", 600_000), ("1h30m", 5_400_000), ("1.5s", 1500), ("300ms", 300), ("10m0s", 600_000), ("0", 0), ("2h", 7_200_000),
    ]) func `durations are read as Go writes them`(_ text: String, _ milliseconds: Int) {
        #expect(Duration(goText: text) == .milliseconds(milliseconds))
    }

    @Test(arguments: ["", "10", "m", "10x", "-5m", "1 h", "1h 30m"]) func `other texts are no durations`(_ text: String) {
        #expect(Duration(goText: text) == nil)
    }

    @Test(arguments: [(600_000, "10m0s"), (5_400_000, "1h30m0s"), (1500, "1.500s"), (300, "300ms"), (45_000, "45s"), (0, "0s")])
    func `durations are written as Go does`(_ milliseconds: Int, _ text: String) {
        #expect(Duration.milliseconds(milliseconds).goText == text)
    }

    private func manifest(_ text: String) throws -> Manifest {
        Manifest(try #require(try YAMLReader.values(text, file: "t").first))
    }

    @Test func `an interval of nothing is a second`() throws {
        let unit = KustomizationSpec(of: try manifest("metadata: {name: a}\nspec: {interval: 0s, retryInterval: 0s}\n"))
        #expect(unit.interval == .seconds(1) && unit.retryInterval == .seconds(1))
        #expect(GitRepositorySpec(of: try manifest("metadata: {name: a}\nspec: {interval: 0s}\n")).interval == .seconds(1))
    }

    @Test func `a Kustomization is read with Flux' defaults`() throws {
        let spec = KustomizationSpec(
            of: try manifest(
                """
                metadata: {name: apps, namespace: flux-system}
                spec:
                  interval: 1m
                  path: ./apps/staging/
                  sourceRef: {kind: GitRepository, name: flux-system}
                  dependsOn: [{name: infra}, {name: db, namespace: data}]
                  healthChecks: [{apiVersion: apps/v1, kind: Deployment, name: web, namespace: web}]
                  postBuild: {substitute: {a: b}, substituteFrom: [{kind: Secret, name: s, optional: true}]}
                  decryption: {provider: sops, secretRef: {name: sops-age}}
                  images: [{name: web, newTag: "2"}]
                """))
        #expect(spec.path == "apps/staging" && spec.source.namespace == "flux-system")
        #expect(!spec.prune && !spec.wait && spec.deletionPolicy == .mirrorPrune && spec.healthTimeout == .seconds(30))
        #expect(spec.dependsOn == [Ownership(namespace: "flux-system", name: "infra"), Ownership(namespace: "data", name: "db")])
        #expect(spec.healthChecks.map(\.description) == ["Deployment/web/web"])
        #expect(spec.healthCheckKinds == [GroupVersionKind(group: "apps", version: "v1", kind: "Deployment")])
        #expect(spec.variables == ["a": "b"] && spec.variableSources.map(\.isOptional) == [true])
        #expect(spec.isDecrypting && spec.decryptionSecret == "sops-age" && spec.images.map(\.newTag) == ["2"])
        #expect(spec.obstacles.isEmpty && spec.warnings.isEmpty)
    }

    @Test func `expressions are read, and every wrong one is told with its place`() throws {
        let spec = KustomizationSpec(
            of: try manifest(
                """
                metadata: {name: apps, namespace: d}
                spec:
                  sourceRef: {kind: GitRepository, name: a}
                  dependsOn:
                    - {name: infra, readyExpr: "dep.metadata.labels['v'] == self.metadata.labels['v']"}
                    - {name: db, readyExpr: "other.x == 1"}
                    - {name: web, readyExpr: "size(dep)"}
                  healthCheckExprs:
                    - {apiVersion: example.com/v1, kind: Database, current: "status.phase == 'Ready'", failed: "status.phase == 'Failed'"}
                    - {apiVersion: example.com/v2, kind: Database, current: "false"}
                    - {apiVersion: example.com/v1, kind: Cache, current: "status.phase = 'Ready'", inProgress: "("}
                    - {apiVersion: example.com/v1, kind: Queue, failed: "true"}
                """))
        let database = try #require(spec.healthExpressions[GroupKind(group: "example.com", kind: "Database")])
        #expect(
            database.current.description == "status.phase == 'Ready'" && database.inProgress == nil && spec.healthExpressions.count == 1)
        #expect(spec.readyExpressions.keys.map(\.name) == ["infra"])
        #expect(
            spec.invalidExpressions == [
                "spec.healthCheckExprs[2].inProgress:1:2: the expression ends where a value is expected, in: (",
                "spec.healthCheckExprs[2].current:1:14: the character = has no meaning here, in: status.phase = 'Ready'",
                "spec.healthCheckExprs[3].current is missing: it says when a Queue is healthy",
                "spec.dependsOn[1].readyExpr:1:1: there is no variable other; there are dep, self, in: other.x == 1",
                "spec.dependsOn[2].readyExpr:1:1: its value is neither true nor false, in: size(dep)",
            ])
    }

    @Test func `what cannot be done is told from what is left out`() throws {
        let spec = KustomizationSpec(
            of: try manifest(
                """
                metadata: {name: apps, namespace: d}
                spec:
                  sourceRef: {kind: OCIRepository, name: a}
                  kubeConfig: {configMapRef: {name: k}}
                  serviceAccountName: me
                """))
        #expect(spec.obstacles.count == 1 && spec.warnings.isEmpty && spec.serviceAccount == "me" && spec.kubeconfig == .configMap("k"))
        let far = KustomizationSpec(
            of: try manifest("metadata: {name: a, namespace: d}\nspec: {kubeConfig: {secretRef: {name: k, key: x}}}\n"))
        #expect(far.kubeconfig == .secret("k", key: "x") && far.obstacles.isEmpty)
        let odd = KustomizationSpec(of: try manifest("metadata: {name: a, namespace: d}\nspec: {kubeConfig: {}}\n"))
        #expect(odd.obstacles == ["spec.kubeConfig names nothing; it takes secretRef: {name: SECRET} or configMapRef: {name: CONFIGMAP}"])
    }

    @Test func `expressions without a kind are for all kinds of the group that have none of their own`() throws {
        let spec = KustomizationSpec(
            of: try manifest(
                """
                metadata: {name: apps, namespace: d}
                spec:
                  sourceRef: {kind: GitRepository, name: a}
                  healthCheckExprs:
                    - {apiVersion: example.com/v1, current: "status.ready"}
                    - {apiVersion: example.com/v1, kind: Database, current: "status.phase == 'Ready'"}
                    - {apiVersion: example.com/v2, current: "false"}
                    - {apiVersion: example.org/v1}
                """))
        func current(_ group: String, _ kind: String) -> String? {
            spec.healthExpressions[GroupKind(group: group, kind: kind)]?.current.description
        }
        #expect(current("example.com", "Cache") == "status.ready" && current("example.com", "Database") == "status.phase == 'Ready'")
        #expect(current("example.net", "Cache") == nil)
        #expect(
            spec.invalidExpressions == ["spec.healthCheckExprs[3].current is missing: it says when an object of example.org is healthy"])
    }

    @Test func `what Flux' own rules refuse is an obstacle`() throws {
        let both = KustomizationSpec(
            of: try manifest("metadata: {name: a, namespace: d}\nspec: {kubeConfig: {secretRef: {name: k}, configMapRef: {name: c}}}\n"))
        #expect(both.obstacles == ["spec.kubeConfig names a Secret and a ConfigMap; it takes one of them, secretRef here"])
        let repository = GitRepositorySpec(
            of: try manifest("metadata: {name: a, namespace: d}\nspec: {url: 'https://x', serviceAccountName: reader}\n"))
        #expect(repository.obstacles.first?.hasPrefix("spec.serviceAccountName goes with the providers aws and azure") == true)
        for provider in ["azure", "aws"] {
            let cloud = GitRepositorySpec(
                of: try manifest(
                    "metadata: {name: a, namespace: d}\nspec: {url: 'https://x', provider: \(provider), serviceAccountName: me}\n"))
            #expect(cloud.obstacles.count == 1 && cloud.provider == .generic, "\(cloud.obstacles)")
            #expect(
                cloud.obstacles.first?.hasPrefix("spec.provider \(provider) wants credentials that only machines of that cloud") == true)
        }
        func github(_ spec: String) throws -> GitRepositorySpec {
            GitRepositorySpec(of: try manifest("metadata: {name: a, namespace: d}\nspec: {provider: github, \(spec)}\n"))
        }
        let app = try github("url: 'https://github.com/me/home', secretRef: {name: app}")
        #expect(app.provider == .github && app.obstacles.isEmpty)
        #expect(try github("url: 'https://github.com/me/home'").obstacles.first?.contains("needs spec.secretRef") == true)
        #expect(try github("url: 'ssh://git@github.com/me/home', secretRef: {name: app}").obstacles.first?.contains("is for https") == true)
        func verified(_ mode: String, _ reference: String) throws -> GitRepositorySpec {
            let spec = "{url: 'https://x', ref: {\(reference)}, verify: {mode: \(mode), secretRef: {name: keys}}}"
            return GitRepositorySpec(of: try manifest("metadata: {name: a, namespace: d}\nspec: \(spec)\n"))
        }
        for reference in ["branch: main", "name: refs/heads/main", "tag: v1, commit: abc"] {
            #expect(try verified("Tag", reference).unverifiable.first?.contains("mode Tag asks for a signed tag") == true, "\(reference)")
            #expect(try verified("TagAndHEAD", reference).obstacles.count == 1 && verified("HEAD", reference).obstacles.isEmpty)
        }
        for reference in ["tag: v1", "semver: 1.x", "name: refs/tags/v1", "tag: v1, branch: main"] {
            #expect(try verified("TagAndHEAD", reference).obstacles.isEmpty, "\(reference)")
        }
        let built = KustomizationSpec(
            of: try manifest("metadata: {name: a, namespace: d}\nspec: {sourceRef: {kind: ExternalArtifact, name: apps}}\n"))
        #expect(built.obstacles.first?.contains("name the GitRepository that the files come from") == true)
    }

    @Test func `older versions of Flux' API mean the same in v1`() throws {
        let unit = FluxKinds.served(
            try manifest(
                """
                apiVersion: kustomize.toolkit.fluxcd.io/v1beta1
                kind: Kustomization
                metadata: {name: apps, namespace: d}
                spec:
                  interval: 5m
                  validation: client
                  sourceRef: {kind: GitRepository, name: a}
                  patches: [{patch: "second"}]
                  patchesStrategicMerge: [{kind: Deployment, metadata: {name: web}}]
                  patchesJson6902: [{patch: [{op: remove, path: /a}], target: {kind: Service}}]
                """))
        #expect(unit.groupVersionKind == FluxKinds.kustomization)
        #expect(unit.value["spec"]?.object?.map(\.key).sorted() == ["interval", "patches", "sourceRef"])
        let patches = KustomizationSpec(of: unit).patches
        #expect(patches.map(\.patch) == [#"{"kind":"Deployment","metadata":{"name":"web"}}"#, "second", #"[{"op":"remove","path":"/a"}]"#])
        #expect(patches.map { $0.target?.kind } == [nil, nil, "Service"])
        let repository = FluxKinds.served(
            try manifest(
                """
                apiVersion: source.toolkit.fluxcd.io/v1beta2
                kind: GitRepository
                spec: {url: "https://example.org/a", gitImplementation: libgit2, accessFrom: {namespaceSelectors: []}}
                """))
        #expect(repository.groupVersionKind == FluxKinds.gitRepository && repository.value["spec"] == ["url": "https://example.org/a"])
        let chart = try manifest("apiVersion: source.toolkit.fluxcd.io/v1beta2\nkind: HelmChart\nspec: {validation: a}\n")
        #expect(FluxKinds.served(chart).value == chart.value && !FluxKinds.isOld(chart))
    }

    @Test(arguments: [("v1", true, false), ("v1beta2", true, true), ("v1", false, true)])
    func `a definition of before Flux 2 is known by what it lacks`(_ version: String, _ served: Bool, _ isOutdated: Bool) throws {
        let names = "group: kustomize.toolkit.fluxcd.io, names: {kind: Kustomization}"
        let definition = try manifest(
            "kind: CustomResourceDefinition\nspec: {\(names), versions: [{name: v1alpha1, served: true}, {name: \(version), served: \(served)}]}\n"
        )
        #expect(FluxKinds.isOutdated(definition: definition) == isOutdated)
        let other = try manifest("kind: CustomResourceDefinition\nspec: {group: example.org, names: {kind: A}, versions: []}\n")
        #expect(!FluxKinds.isOutdated(definition: other))
    }

    @Test func `a Receiver's resources have filters of their own, and known kinds need no version`() throws {
        let spec = ReceiverSpec(
            of: try manifest(
                """
                metadata: {name: host, namespace: d}
                spec:
                  type: github
                  resources:
                    - {kind: GitRepository, name: a, filter: "req.ref == 'refs/heads/main'"}
                    - {kind: ImageUpdateAutomation, name: b}
                    - {kind: ArtifactGenerator, name: c, filter: "req."}
                    - {kind: Machine, name: d}
                """))
        #expect(spec.resources.map(\.kind.group) == ["source.toolkit.fluxcd.io", "image.toolkit.fluxcd.io", "source.extensions.fluxcd.io"])
        #expect(spec.resources.map { $0.filter?.description } == ["req.ref == 'refs/heads/main'", nil, nil])
        #expect(spec.obstacles.count == 2 && spec.obstacles.first?.hasPrefix("spec.resources[2].filter: ") == true)
        #expect(spec.obstacles.last == "spec.resources: the apiVersion of a Machine has to be given")
    }

    @Test func `what is left alone, and how much a commit may delete`() throws {
        let spec = KustomizationSpec(
            of: try manifest(
                """
                metadata:
                  name: apps
                  namespace: d
                  annotations: {homelab.dev/drift: report, homelab.dev/prune-budget: "40, 80%"}
                spec:
                  sourceRef: {kind: GitRepository, name: a}
                  ignore: [{paths: [/spec/replicas], target: {kind: Deployment}}, {paths: [spec/x, /metadata/name]}]
                """))
        #expect(spec.reportsDrift && spec.pruneCount == 40 && spec.prunePercent == 80 && spec.warnings.isEmpty)
        #expect(spec.ignoreRules.first?.target?.kind == "Deployment" && spec.ignoreRules.last?.target == nil)
        #expect(spec.obstacles.count == 2 && spec.obstacles.first?.hasPrefix("spec.ignore: spec/x is no JSON pointer") == true)
        let odd = KustomizationSpec(
            of: try manifest("metadata: {name: a, namespace: d, annotations: {homelab.dev/prune-budget: lots}}\nspec: {}\n"))
        #expect(odd.warnings == ["homelab.dev/prune-budget: lots is neither a number of objects nor a percentage such as 80%"])
    }

    @Test(arguments: [
        ("{}", "master", "master"), ("{branch: main}", "main", "main"), ("{tag: v1}", nil, "v1"),
        ("{branch: main, commit: abc}", nil, "main"), ("{commit: abc}", nil, ""), ("{semver: 1.x, branch: main}", nil, "1.x"),
        ("{name: refs/pull/7/head}", nil, "refs/pull/7/head"),
    ]) func `a repository's reference names its revisions`(_ reference: String, _ branch: String?, _ name: String) throws {
        let spec = GitRepositorySpec(of: try manifest("metadata: {name: a, namespace: b}\nspec: {url: 'https://x', ref: \(reference)}\n"))
        #expect(spec.branch == branch && spec.referenceName == name)
    }

    @Test func `a login in a URL is apart from it`() {
        func parts(_ url: String) -> [String?] {
            let url = RepositoryURL(url)
            return [url.plain, url.user, url.password]
        }
        #expect(parts("https://ada:s3%40:x@h:8443/a/b.git") == ["https://h:8443/a/b.git", "ada", "s3@:x"])
        #expect(parts("https://t0ken@h/x") == ["https://h/x", "t0ken", nil])
        #expect(parts("http://h/x@y") == ["http://h/x@y", nil, nil])
        #expect(parts("ssh://git@h/x") == ["ssh://git@h/x", nil, nil])
        #expect(KustomizationStatus.revision(of: "", at: "abc") == "sha1:abc" && KustomizationStatus.commit(of: "sha1:abc") == "abc")
    }

    @Test func `a status keeps times, counts repeats, and remembers five results`() throws {
        var status = KustomizationStatus()
        let first = Timestamp(secondsSinceEpoch: 100)
        status.conditions.set([FluxCondition("Ready", "True", "A", "a")], now: first)
        status.conditions.set([FluxCondition("Ready", "True", "B", "b")], now: Timestamp(secondsSinceEpoch: 200))
        #expect(status.conditions["Ready"]?.lastTransition == first.description && status.conditions["Ready"]?.reason == "B")
        for number in 0..<7 {
            for _ in 0..<2 { status.note(digest: "d\(number)", status: "Ok", revision: "r", duration: .seconds(1), now: first) }
        }
        #expect(status.history.map(\.digest) == ["d6", "d5", "d4", "d3", "d2"] && status.history.allSatisfy { $0.total == 2 })
        // The same manifests with the same result are the same entry, whatever revision they come from.
        let later = Timestamp(secondsSinceEpoch: 300)
        status.note(digest: "d4", status: "Ok", revision: "s", duration: .seconds(2), now: later)
        status.note(digest: "d4", status: "Failed", revision: "s", duration: .seconds(2), now: later)
        #expect(status.history.map(\.digest) == ["d4", "d4", "d6", "d5", "d3"] && status.history.map(\.total) == [1, 3, 2, 2, 2])
        #expect(status.history[1].revision == "s" && status.history[1].firstReconciled == first.description)
        #expect(status.history[1].lastReconciled == later.description)
        var object = try manifest("metadata: {name: a, namespace: b}\n")
        object.value["status"] = status.patch(withInventory: true)["status"]
        #expect(KustomizationStatus(of: object) == status)
    }

    @Test func `the definitions name the kinds that are served`() throws {
        let served = try FluxKinds.definitions.map { definition -> GroupVersionKind in
            GroupVersionKind(
                group: definition.value[path: "spec", "group"]?.string ?? "",
                version: definition.value[path: "spec", "versions"]?.array?.first?["name"]?.string ?? "",
                kind: definition.value[path: "spec", "names", "kind"]?.string ?? "")
        }
        #expect(served == [FluxKinds.gitRepository, FluxKinds.kustomization, FluxKinds.receiver])
    }

    @Test func `a definition is sent as it is, numbers that only look like quantities included`() throws {
        for definition in try FluxKinds.definitions { #expect(definition.preparedForApply.value == definition.value) }
    }
}
