import Diagnostics
import KubernetesModel
import Testing
import YAML

struct PackedManifestTests {
    @Test func `a packed manifest is the one that went in, as JSON has it`() {
        let manifest = Manifest(
            [
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["name": "web", "namespace": "shop"],
                "spec": ["replicas": 9_007_199_254_740_993, "ratio": 0.25, "text": "1\n\"é\" </a>", "none": nil, "list": [true, [:], []]],
            ], origin: SourceLocation(file: "web.yaml", line: 3))
        let packed = PackedManifest(manifest)
        #expect(packed.manifest == manifest)
        #expect(packed.key == manifest.key && packed.kind == manifest.groupVersionKind && packed.origin == manifest.origin)
        #expect(packed == PackedManifest(manifest))
        var other = manifest
        other.value["spec"]?["replicas"] = 1
        #expect(packed != PackedManifest(other))
    }
}
