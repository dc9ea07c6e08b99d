import Diagnostics
import YAML

/// A kustomization file, its deprecated fields folded into those that took their place.
struct Kustomization {
    enum Kind: String { case kustomization = "Kustomization", component = "Component" }

    var kind = Kind.kustomization
    var openAPIPath: Located<String>?
    var openAPIVersion: Located<String>?
    var namePrefix = ""
    var nameSuffix = ""
    var namespace = ""
    var commonLabels: [(key: String, value: String)] = []
    var labels: [LabelEntry] = []
    var commonAnnotations: [(key: String, value: String)] = []
    var patchesStrategicMerge: [Located<String>] = []
    var patchesJSON6902: [PatchEntry] = []
    var patches: [PatchEntry] = []
    var images: [ImageEntry] = []
    var replicas: [ReplicaEntry] = []
    var replacements: [ReplacementEntry] = []
    var variables: [VariableEntry] = []
    var sortOptions: SortOptions?
    var resources: [Located<String>] = []
    var components: [Located<String>] = []
    var crds: [Located<String>] = []
    var configMapGenerators: [GeneratorEntry] = []
    var secretGenerators: [GeneratorEntry] = []
    var generatorOptions: GeneratorOptions?
    var configurations: [Located<String>] = []
    var generators: [Located<String>] = []
    var transformers: [Located<String>] = []
    var validators: [Located<String>] = []
    var buildMetadata: [String] = []
    /// Where fields with one value were written, for messages and provenance.
    var marks: [String: Mark] = [:]
}

struct LabelEntry {
    var pairs: [(key: String, value: String)] = []
    var includeSelectors = false
    var includeTemplates = false
    var includeVolumeClaimTemplates = false
    var fields: [FieldSpec] = []
    var mark = Mark.start
}

struct PatchEntry {
    var path = ""
    var patch = ""
    var target: Selector?
    var options: [String: Bool] = [:]
    var mark = Mark.start
    /// Lines of the file before the text of `patch`.
    var linesBefore = 0
    /// Of a patch that is none of the kustomization's own.
    var overlay: Overlay?

    /// What an overlay calls a patch, and where it was written; nil where nobody knows.
    struct Overlay {
        var field: String
        var origin: SourceLocation?
    }
}

struct ImageEntry {
    var name = ""
    var newName = ""
    var newTag = ""
    var digest = ""
    var tagSuffix = ""
    var mark = Mark.start
}

struct ReplicaEntry {
    var name = ""
    var count = 0
    var mark = Mark.start
}

struct ReplacementEntry {
    struct Options {
        var delimiter = ""
        var index = 0
        var create = false
    }

    struct Source {
        var selector: Selector
        var fieldPath = ""
        var options = Options()
    }

    struct Target {
        var select: Selector?
        var reject: [Selector] = []
        var fieldPaths: [String] = []
        var options = Options()
    }

    var path = ""
    var source: Source?
    /// A value given instead of a source.
    var sourceValue: String?
    var targets: [Target]?
    var mark = Mark.start
    /// What messages call it, and where it is.
    var name = ""
    var location: SourceLocation?
}

struct VariableEntry {
    var name = ""
    var type = TypeSelector()
    var objectName = ""
    var objectNamespace = ""
    var fieldPath = "metadata.name"
    var mark = Mark.start
}

struct SortOptions {
    var order = ""
    var first: [String]?
    var last: [String]?
    var mark = Mark.start
}

struct GeneratorOptions {
    var labels: [(key: String, value: String)] = []
    var annotations: [(key: String, value: String)] = []
    var disableNameSuffixHash = false
    var immutable = false
}

struct GeneratorEntry {
    var name = ""
    var namespace = ""
    var behavior = ""
    var type = ""
    var literals: [Located<String>] = []
    var files: [Located<String>] = []
    var envs: [Located<String>] = []
    var options: GeneratorOptions?
    var mark = Mark.start
}
