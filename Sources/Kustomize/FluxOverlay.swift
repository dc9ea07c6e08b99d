package import Diagnostics
import YAML

/// What a Flux Kustomization object lays over the directory it names, written into the kustomization before it is built.
package struct FluxOverlay: Hashable, Sendable {
    package struct Patch: Hashable, Sendable {
        package var patch: String
        package var group, version, kind, name, namespace, labelSelector, annotationSelector: String
        /// Whether a target was given at all.
        package var hasTarget: Bool

        package init(
            patch: String, hasTarget: Bool = false, group: String = "", version: String = "", kind: String = "", name: String = "",
            namespace: String = "", labelSelector: String = "", annotationSelector: String = ""
        ) {
            self.patch = patch
            self.hasTarget = hasTarget
            self.group = group
            self.version = version
            self.kind = kind
            self.name = name
            self.namespace = namespace
            self.labelSelector = labelSelector
            self.annotationSelector = annotationSelector
        }
    }

    /// Where a patch's text was written.
    package struct PatchPlace: Hashable, Sendable {
        package var location: SourceLocation
        /// Lines of the file before the first one of the text.
        package var linesBefore: Int

        package init(location: SourceLocation, linesBefore: Int) {
            self.location = location
            self.linesBefore = linesBefore
        }
    }

    package struct Image: Hashable, Sendable {
        package var name, newName, newTag, digest: String

        package init(name: String, newName: String = "", newTag: String = "", digest: String = "") {
            self.name = name
            self.newName = newName
            self.newTag = newTag
            self.digest = digest
        }
    }

    /// Takes the place of the kustomization's namespace; empty leaves it.
    package var targetNamespace = ""
    package var namePrefix = ""
    package var nameSuffix = ""
    /// Added behind the kustomization's own.
    package var patches: [Patch] = []
    /// Added behind the kustomization's own; relative directories.
    package var components: [String] = []
    package var ignoreMissingComponents = false
    /// Merged by name: a new name alone keeps the tag, a tag or digest clears the other.
    package var images: [Image] = []
    package var buildMetadata: [String] = []
    /// Set on every object after the build.
    package var commonMetadataLabels: [String: String] = [:]
    /// Set on every object after the build.
    package var commonMetadataAnnotations: [String: String] = [:]

    package init() {}

    var commonLabels: [(key: String, value: String)] { commonMetadataLabels.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
    var commonAnnotations: [(key: String, value: String)] {
        commonMetadataAnnotations.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// - Parameter places: where the patches were written, as far as that is known.
    func apply(to kustomization: inout Kustomization, _ places: [PatchPlace?]) {
        if !targetNamespace.isEmpty { kustomization.namespace = targetNamespace }
        if !namePrefix.isEmpty { kustomization.namePrefix = namePrefix }
        if !nameSuffix.isEmpty { kustomization.nameSuffix = nameSuffix }
        kustomization.patches += patches.enumerated().map { index, patch in
            let place = places.indices.contains(index) ? places[index] : nil
            var entry = PatchEntry(patch: patch.patch)
            if patch.hasTarget { entry.target = Selector(patch) }
            entry.overlay = PatchEntry.Overlay(field: "spec.patches[\(index)]", origin: place?.location)
            if let place {
                entry.mark = Mark(line: place.location.line, column: place.location.column)
                entry.linesBefore = place.linesBefore
            }
            return entry
        }
        kustomization.components += components.map { Located(value: $0, mark: .start) }
        for image in images { merge(image, into: &kustomization.images) }
        if !buildMetadata.isEmpty { kustomization.buildMetadata = buildMetadata }
    }

    private func merge(_ image: Image, into entries: inout [ImageEntry]) {
        guard let index = entries.firstIndex(where: { $0.name == image.name }) else {
            entries.append(ImageEntry(name: image.name, newName: image.newName, newTag: image.newTag, digest: image.digest))
            return
        }
        if !image.newName.isEmpty { entries[index].newName = image.newName }
        if !image.newTag.isEmpty || !image.digest.isEmpty {
            entries[index].newTag = image.newTag
            entries[index].digest = image.digest
        }
    }
}

extension Selector {
    init(_ patch: FluxOverlay.Patch) {
        type = TypeSelector(group: patch.group, version: patch.version, kind: patch.kind)
        name = patch.name
        namespace = patch.namespace
        labelSelector = patch.labelSelector
        annotationSelector = patch.annotationSelector
    }
}
