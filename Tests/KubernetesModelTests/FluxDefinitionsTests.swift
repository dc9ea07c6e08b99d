import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

/// The definitions that are installed, against what Flux 2.9's take.
@Suite struct FluxDefinitionsTests {
    private func problems(_ text: String) throws -> [String] {
        let object = Manifest(try #require(try YAMLReader.values(text, file: "t").first))
        let definition = try #require(
            try FluxKinds.definitions.first { $0.value[path: "spec", "names", "kind"]?.string == object.kind }, "\(object.kind)")
        let validator = try #require(DefinitionValidator(definition, version: object.groupVersionKind.version))
        return validator.problems(of: object)
    }

    @Test func `every field of a Kustomization is known`() throws {
        let target = "{group: apps, version: v1, kind: Deployment, name: web, namespace: web, labelSelector: a=b, annotationSelector: c=d}"
        let found = try problems(
            """
            apiVersion: kustomize.toolkit.fluxcd.io/v1
            kind: Kustomization
            spec:
              interval: 1h30m
              retryInterval: 500ms
              timeout: 1.5m
              path: ./apps
              prune: true
              wait: true
              force: true
              suspend: true
              deletionPolicy: WaitForTermination
              serviceAccountName: deployer
              targetNamespace: web
              namePrefix: a-
              nameSuffix: -z
              sourceRef: {apiVersion: v1, kind: ExternalArtifact, name: apps, namespace: web}
              commonMetadata: {annotations: {a: b}, labels: {a: b}}
              components: [../common]
              ignoreMissingComponents: true
              buildMetadata: [originAnnotations, transformerAnnotations]
              decryption: {provider: sops, secretRef: {name: keys}, serviceAccountName: reader}
              dependsOn: [{name: a, namespace: b, readyExpr: "true"}]
              healthChecks: [{apiVersion: apps/v1, kind: Deployment, name: web, namespace: web}]
              healthCheckExprs:
                - {apiVersion: example.org/v1, current: "true"}
                - {apiVersion: example.org/v1, kind: Database, current: "true", inProgress: "false", failed: "false"}
              ignore: [{paths: [/spec/replicas], target: \(target)}]
              images: [{name: web, newName: site, newTag: "2", digest: "sha256:0"}]
              kubeConfig: {secretRef: {name: other, key: config}}
              patches: [{patch: "[]", target: \(target)}]
              postBuild:
                substitute: {a: b}
                substituteFrom: [{kind: ConfigMap, name: settings, optional: true}]
                substituteStrategy: Always
            status: {lastAppliedOriginRevision: a, observedGeneration: -1}
            """)
        #expect(found.isEmpty, "\(found)")
    }

    @Test func `every field of a GitRepository and of a Receiver is known`() throws {
        let artifact = """
            {digest: "sha256:ab", lastUpdateTime: "2026-01-01T00:00:00Z", path: a, revision: b, url: c, size: 1, metadata: {a: b}}
            """
        let repository = try problems(
            """
            apiVersion: source.toolkit.fluxcd.io/v1
            kind: GitRepository
            spec:
              url: ssh://git@example.org/me/home
              interval: 1m
              timeout: 60s
              provider: github
              serviceAccountName: reader
              secretRef: {name: login}
              proxySecretRef: {name: proxy}
              ref: {branch: a, tag: b, semver: c, name: d, commit: e}
              verify: {mode: TagAndHEAD, secretRef: {name: keys}}
              ignore: /docs
              include: [{repository: {name: other}, fromPath: a, toPath: b}]
              recurseSubmodules: true
              sparseCheckout: [apps]
              suspend: true
            status:
              artifact: \(artifact)
              includedArtifacts: [\(artifact)]
              observedInclude: [{repository: {name: other}, fromPath: a, toPath: b}]
              observedIgnore: a
              observedRecurseSubmodules: true
              observedSparseCheckout: [a]
              sourceVerificationMode: HEAD
            """)
        #expect(repository.isEmpty, "\(repository)")
        let receiver = try problems(
            """
            apiVersion: notification.toolkit.fluxcd.io/v1
            kind: Receiver
            spec:
              type: generic-oidc
              events: [push]
              interval: 10m
              suspend: true
              secretRef: {name: token}
              resourceFilter: "true"
              resources: [{apiVersion: v1, kind: Bucket, name: "*", namespace: a, matchLabels: {a: b}, filter: "true"}]
              oidcProviders:
                - issuerURL: https://example.org
                  audience: home
                  validations: [{expression: "true", message: a}]
                  variables: [{expression: "1", name: b}]
            status: {webhookPath: /hook/a, lastHandledReconcileAt: a}
            """)
        #expect(receiver.isEmpty, "\(receiver)")
    }

    private func misfits(_ spec: String, _ kind: GroupVersionKind = FluxKinds.kustomization) throws -> [String] {
        let schema = try #require(StructuralSchema.served[kind])
        let object = try #require(try YAMLReader.values("kind: \(kind.kind)\nmetadata: {x: 1}\nstatus: []\nspec: \(spec)", file: "t").first)
        return schema.misfits(in: object).map(\.summary)
    }

    private static let whole = "interval: 1h30m, prune: true, sourceRef: {kind: GitRepository, name: a}"

    @Test func `what an author may write fits`() throws {
        #expect(StructuralSchema.served.count == 3)
        #expect(try misfits("{\(Self.whole)}").isEmpty)
        #expect(try misfits("{\(Self.whole), wait: null, timeout: 1.5m, commonMetadata: {labels: {a.b/c: d}}}").isEmpty)
        #expect(try misfits("{\(Self.whole), wait: '${wait}', retryInterval: '${time}', patches: '${patches}'}").isEmpty)
        #expect(try misfits("{url: 'ssh://git@example.org/a', interval: 1m}", FluxKinds.gitRepository).isEmpty)
        #expect(try misfits("{type: github, resources: [{kind: GitRepository, name: a}]}", FluxKinds.receiver).isEmpty)
    }

    @Test(arguments: [
        ("{prune: true, sourceRef: {kind: GitRepository, name: a}, interval: null}", "spec.interval is missing"),
        ("{WHOLE, wait: 1}", "spec.wait must be true or false, not a number"),
        ("{WHOLE, path: 1}", "spec.path must be a string, not a number"), ("{WHOLE, path: [a]}", "spec.path must be a string, not a list"),
        ("{WHOLE, dependsOn: {name: a}}", "spec.dependsOn must be a list, not a mapping"),
        ("{WHOLE, dependsOn: [a]}", "spec.dependsOn[0] must be a mapping, not a string"),
        ("{WHOLE, dependsOn: [{namespace: a}]}", "spec.dependsOn[0].name is missing"),
        ("{WHOLE, postBuild: {substitute: {a: true}}}", "spec.postBuild.substitute.a must be a string, not a boolean"),
        ("{WHOLE, deletionPolicy: Keep}", "spec.deletionPolicy is \"Keep\""), ("{WHOLE, timeout: 1d}", "spec.timeout is \"1d\""),
        ("{WHOLE, namePrefix: ''}", "spec.namePrefix is \"\""), ("{WHOLE, waits: true}", "unknown field \"spec.waits\""),
    ]) func `what does not fit is told by its field`(_ spec: String, _ problem: String) throws {
        let text = spec.split(separator: "WHOLE", omittingEmptySubsequences: false).joined(separator: Self.whole)
        #expect(try misfits(text) == [problem])
    }

    @Test func `the field that a message begins with`() {
        #expect([PathStep](prefixOf: "spec.patches[2].target: no").text == "spec.patches[2].target")
        #expect([PathStep](prefixOf: "spec.ref.semver newest is no range").text == "spec.ref.semver")
    }

    @Test(arguments: [
        ("{type: Ready}", "status.conditions[0].reason is missing"), ("{type: a b}", "status.conditions[0].type does not match"),
        ("{reason: \"not ready\"}", "status.conditions[0].reason does not match"), ("{status: Maybe}", "is none of"),
        ("{lastTransitionTime: yesterday}", "is no time"), ("{observedGeneration: -1}", "is below 0"), ("{more: 1}", "more is not known"),
    ]) func `a condition that Flux' definitions refuse is refused`(_ condition: String, _ problem: String) throws {
        let found = try problems(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nstatus: {conditions: [\(condition)]}\n")
        #expect(found.contains { $0.contains(problem) }, "\(found)")
    }
}
