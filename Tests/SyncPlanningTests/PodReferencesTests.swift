import KubernetesModel
import Testing
import YAML

@testable import SyncPlanning

@Suite struct PodReferencesTests {
    @Test func `everything a pod reads is found, in a ReplicaSet's template too`() throws {
        let spec = """
            {volumes: [{configMap: {name: a}}, {secret: {secretName: b}}, {projected: {sources: [{secret: {name: c}}, {configMap: {name: d}}]}}],
             imagePullSecrets: [{name: e}], initContainers: [{env: [{valueFrom: {secretKeyRef: {name: f}}}]}],
             containers: [{envFrom: [{configMapRef: {name: g}}, {secretRef: {name: h}}], env: [{value: x}, {valueFrom: {configMapKeyRef: {name: i}}}]}]}
            """
        for text in [
            "kind: Pod\nmetadata: {namespace: web}\nspec: \(spec)\n",
            "kind: ReplicaSet\nmetadata: {namespace: web}\nspec: {template: {spec: \(spec)}}\n",
        ] {
            let keys = PodReferences.keys(of: Manifest(try #require(try YAMLReader.values(text, file: "t").first)))
            #expect(
                keys.map(\.description).sorted() == [
                    "ConfigMap/web/a", "ConfigMap/web/d", "ConfigMap/web/g", "ConfigMap/web/i", "Secret/web/b", "Secret/web/c",
                    "Secret/web/e",
                    "Secret/web/f", "Secret/web/h",
                ])
        }
    }
}
