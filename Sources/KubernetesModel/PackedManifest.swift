package import Diagnostics
import YAML

/// A manifest as the JSON that would be sent of it: a tenth of the tree's size, for the thousands that are kept long and read seldom.
package struct PackedManifest: Hashable, Sendable {
    private struct Content: Hashable {
        var kind: GroupVersionKind
        var origin: SourceLocation?
        var text: [UInt8]
    }

    private final class Box: Sendable {
        let content: Content
        init(_ content: Content) { self.content = content }
    }

    package let key: ObjectKey
    private let box: Box

    package init(_ manifest: Manifest) {
        key = manifest.key
        // Copied, as what a writer has grown into is larger than what it wrote.
        let text = JSONWriter.bytes(manifest.value).withUnsafeBufferPointer { Array($0) }
        box = Box(Content(kind: manifest.groupVersionKind, origin: manifest.origin, text: text))
    }

    package var kind: GroupVersionKind { box.content.kind }
    package var origin: SourceLocation? { box.content.origin }

    /// Read anew each time; what the writer wrote the reader takes, at whatever depth.
    package var manifest: Manifest {
        Manifest((try? JSONReader.value(box.content.text, depth: .max)) ?? .null, origin: box.content.origin)
    }

    package static func == (a: Self, b: Self) -> Bool { a.box === b.box || (a.key == b.key && a.box.content == b.box.content) }

    package func hash(into hasher: inout Hasher) { hasher.combine(key) }
}
