import YAML

/// New names, tags and digests for images: in every list called containers or initContainers, anywhere in a resource, and at
/// the places listed. CustomResourceDefinitions are left alone, since what they hold are descriptions.
struct ImageTransformer: Transformer {
    let image: ImageEntry
    let specs: [FieldSpec]
    let kind = "ImageTagTransformer"

    func transform(_ set: ResourceSet, _ report: Report) {
        let matcher: Matcher
        do throws(RegularExpression.Failure) {
            matcher = try Matcher(image)
        } catch {
            report.add("the name \"\(image.name)\" is no regular expression: \(error.reason)")
            return
        }
        for resource in set.all where resource.kind != "CustomResourceDefinition" {
            do throws(MergeFailure) {
                guard try needsChange(.object(resource.object), matcher, specs.matching(resource.type)) else { continue }
                try resource.change { (value) throws(MergeFailure) in
                    Self.changeContainers(&value, matcher)
                    for spec in specs.matching(resource.type) {
                        try spec.visit(&value, missing: nil) { (field) throws(MergeFailure) in
                            guard field.array == nil, field.object == nil else {
                                throw MergeFailure(problem: "an image is expected, not \(field.kindName)")
                            }
                            matcher.change(&field)
                        }
                    }
                }
                report.touch(resource)
            } catch {
                report.add(error.problem, resource)
            }
        }
    }

    /// Looks first, so that resources without the image are not rebuilt.
    private func needsChange(_ value: Value, _ matcher: Matcher, _ specs: [FieldSpec]) throws(MergeFailure) -> Bool {
        if try Self.containers(value, hold: matcher) { return true }
        return specs.contains { $0.isPresent(in: value) }
    }

    private static func containers(_ value: Value, hold matcher: Matcher) throws(MergeFailure) -> Bool {
        switch value {
        case .array(let items):
            for item in items where try containers(item, hold: matcher) { return true }
        case .object(let object):
            for member in object {
                if member.key == "containers" || member.key == "initContainers", let items = member.value.array {
                    for item in items {
                        guard item.object != nil || item.isNull else {
                            throw MergeFailure(problem: "a container in \(member.key) must be a mapping, not \(item.kindName)")
                        }
                        if let text = item["image"]?.scalarText, matcher.matches(text) { return true }
                    }
                }
                if try containers(member.value, hold: matcher) { return true }
            }
        default: break
        }
        return false
    }

    private static func changeContainers(_ value: inout Value, _ matcher: Matcher) {
        switch value {
        case .array:
            value.changeArray { items in for index in items.indices { changeContainers(&items[index], matcher) } }
        case .object:
            value.changeObject { object in
                object.changeValues { key, inner in
                    changeContainers(&inner, matcher)
                    guard key == "containers" || key == "initContainers" else { return }
                    inner.changeArray { items in
                        for index in items.indices {
                            items[index].changeObject { container in
                                guard let image = container.index(of: "image") else { return }
                                container.change(at: image) { matcher.change(&$0) }
                            }
                        }
                    }
                }
            }
        default: break
        }
    }
}

extension ImageTransformer {
    /// Recognises an image by its name, which may be a regular expression, and writes its new one.
    struct Matcher {
        private let image: ImageEntry
        private let expression: RegularExpression?

        init(_ image: ImageEntry) throws(RegularExpression.Failure) {
            self.image = image
            let isPlain = image.name.utf8.allSatisfy(RegularExpression.isPlain)
            expression = isPlain
                ? nil : try RegularExpression("^\(image.name)(:[a-zA-Z0-9_.{}-]*)?(@sha256:[a-zA-Z0-9_.{}-]*)?$")
        }

        func matches(_ text: String) -> Bool {
            if let expression { return expression.matches(text) }
            guard text.utf8.starts(with: image.name.utf8) else { return false }
            var rest = text.utf8.dropFirst(image.name.utf8.count)
            if rest.first == UInt8(ascii: ":") { rest = rest.dropFirst().drop(while: Self.isTagCharacter) }
            if rest.starts(with: "@sha256:".utf8) { rest = rest.dropFirst(8).drop(while: Self.isTagCharacter) }
            return rest.isEmpty
        }

        private static func isTagCharacter(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: "-"):
                true
            default: false
            }
        }

        func change(_ value: inout Value) {
            guard !value.isNull, let text = value.scalarText, matches(text) else { return }
            value = .string(renamed(text))
        }

        private func renamed(_ text: String) -> String {
            var (name, tag, digest) = Self.split(text)
            if !image.newName.isEmpty { name = image.newName }
            switch (image.newTag.isEmpty, image.digest.isEmpty) {
            case (false, false): (tag, digest) = (image.newTag, image.digest)
            case (false, true): (tag, digest) = (image.newTag, "")
            case (true, false): (tag, digest) = ("", image.digest)
            case (true, true):
                if !image.tagSuffix.isEmpty { (tag, digest) = (tag + image.tagSuffix, "") }
            }
            return name + (tag.isEmpty ? "" : ":" + tag) + (digest.isEmpty ? "" : "@" + digest)
        }

        /// `registry:5000/name:tag@digest`; a colon before the first slash belongs to the registry.
        private static func split(_ text: String) -> (name: String, tag: String, digest: String) {
            let slash = text.firstIndex(of: "/") ?? text.startIndex
            let at = text[slash...].firstIndex(of: "@")
            let colon = text[slash...].firstIndex(of: ":").flatMap { colon in at.map { colon < $0 } ?? true ? colon : nil }
            let name = String(text[..<(colon ?? at ?? text.endIndex)])
            let tag = colon.map { String(text[text.index(after: $0)..<(at ?? text.endIndex)]) } ?? ""
            let digest = at.map { String(text[text.index(after: $0)...]) } ?? ""
            return (name, tag, digest)
        }
    }
}
