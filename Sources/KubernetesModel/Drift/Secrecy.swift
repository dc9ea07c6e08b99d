package import Diagnostics
import YAML

/// What a build read that is not to be told: in conditions, Events, statuses and differences a mask stands in its place.
package struct Secrecy: Hashable, Sendable {
    private final class Box: Sendable {
        let texts: KnownSecrets
        let files: Set<String>

        init(_ texts: KnownSecrets, _ files: Set<String>) {
            self.texts = texts
            self.files = files
        }
    }

    /// nil for nothing, as nearly always; else one for all objects of a build.
    private let box: Box?

    /// - Parameter texts: values of Secrets that were put into objects, and what was encrypted in files.
    /// - Parameter files: those that were encrypted, whose objects tell nothing of themselves.
    package init(texts: KnownSecrets = KnownSecrets(), files: Set<String> = []) {
        box = texts.isEmpty && files.isEmpty ? nil : Box(texts, files)
    }

    package static func == (a: Self, b: Self) -> Bool {
        a.box === b.box || (a.box?.texts == b.box?.texts && a.box?.files == b.box?.files)
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(box?.texts) }

    package var isEmpty: Bool { box == nil }

    package func adding(_ texts: KnownSecrets) -> Secrecy {
        guard !texts.isEmpty else { return self }
        var all = box?.texts ?? KnownSecrets()
        all.formUnion(texts)
        return Secrecy(texts: all, files: box?.files ?? [])
    }

    package func masked(_ text: String) -> String { box?.texts.masked(text) ?? text }
    package func masked(_ problems: Diagnostics) -> Diagnostics { box.map { problems.masked($0.texts) } ?? problems }

    /// Whether an object was made of a file that was encrypted.
    package func covers(_ origin: SourceLocation?) -> Bool {
        guard let box, let origin else { return false }
        return box.files.contains(origin.file)
    }

    /// A difference of an object made at a place, without its values where they are secret: the live one too, which was wanted before.
    package func masked(_ difference: FieldDifference, of origin: SourceLocation?) -> FieldDifference {
        guard let box else { return difference }
        let isSecret =
            covers(origin) || difference.desired.mentions(box.texts) || difference.live?.mentions(box.texts) == true
        var result = isSecret ? difference.masked : difference
        // A list's item is named by one of its fields.
        result.path = box.texts.masked(difference.path)
        return result
    }
}

extension Value {
    fileprivate func mentions(_ secrets: KnownSecrets) -> Bool {
        switch self {
        case .array(let items): items.contains { $0.mentions(secrets) }
        case .object(let object): object.contains { $0.value.mentions(secrets) }
        case .null: false
        default: scalarText.map { secrets.occur(in: $0) } ?? false
        }
    }
}
