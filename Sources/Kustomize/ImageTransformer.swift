import RegularExpressions
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
        var table = FieldSpecTable(specs)
        for resource in set.all where resource.kind != "CustomResourceDefinition" {
            do throws(MergeFailure) {
                if try transform(resource, matcher, table.matching(resource.type)) { report.touch(resource) }
            } catch {
                report.add(error.problem, resource)
            }
        }
    }

    /// Looks first where the image is, so that only those places are rebuilt.
    private func transform(_ resource: Resource, _ matcher: Matcher, _ specs: [FieldSpec]) throws(MergeFailure) -> Bool {
        var search = Search(matcher: matcher)
        try search.walk(.object(resource.object))
        let specs = specs.filter { $0.isPresent(in: .object(resource.object)) }
        guard !search.found.isEmpty || !specs.isEmpty else { return false }
        var forms = resource.forms
        try resource.change(keepsIdentity: specs.allSatisfy(\.keepsIdentity)) { (value) throws(MergeFailure) in
            for path in search.found { Self.change(&value, path[...], matcher, &forms) }
            for spec in specs {
                try spec.visit(&value, missing: nil) { (field) throws(MergeFailure) in
                    guard field.array == nil, field.object == nil else {
                        throw MergeFailure(problem: "an image is expected, not \(field.kindName)")
                    }
                    matcher.change(&field, key: spec.key, &forms)
                }
            }
        }
        resource.forms = forms
        return true
    }

    /// Finds the image in all lists called containers or initContainers.
    private struct Search {
        let matcher: Matcher
        /// The positions to go through from the root to each image.
        var found: [[Int]] = []
        private var path: [Int] = []

        init(matcher: Matcher) { self.matcher = matcher }

        mutating func walk(_ value: Value) throws(MergeFailure) {
            switch value {
            case .array(let items):
                for index in items.indices { try step(index, items[index]) }
            case .object(let object):
                let members = object.members
                for index in members.indices {
                    let value = members[index].value
                    if case .array(let items) = value {
                        let key = members[index].key
                        if key == "containers" || key == "initContainers" { try look(at: items, index, key) }
                    }
                    try step(index, value)
                }
            default: break
            }
        }

        private mutating func step(_ index: Int, _ value: Value) throws(MergeFailure) {
            switch value {
            case .array, .object:
                path.append(index)
                try walk(value)
                path.removeLast()
            default: break
            }
        }

        private mutating func look(at containers: [Value], _ member: Int, _ key: String) throws(MergeFailure) {
            for (index, container) in containers.enumerated() {
                guard let object = container.object else {
                    if container.isNull { continue }
                    throw MergeFailure(problem: "a container in \(key) must be a mapping, not \(container.kindName)")
                }
                guard let image = object.index(of: "image"), let text = object[image].value.scalarText, matcher.matches(text) else {
                    continue
                }
                found.append(path + [member, index, image])
            }
        }
    }

    private static func change(_ value: inout Value, _ path: ArraySlice<Int>, _ matcher: Matcher, _ forms: inout WrittenForms) {
        guard let index = path.first else { return matcher.change(&value, key: "image", &forms) }
        value.changeObject { object in object.change(at: index) { change(&$0, path.dropFirst(), matcher, &forms) } }
        value.changeArray { items in change(&items[index], path.dropFirst(), matcher, &forms) }
    }
}

extension ImageTransformer {
    /// Recognises an image by its name, which may be a regular expression, and writes its new one.
    struct Matcher {
        private let image: ImageEntry
        private let name: [UInt8]
        private let expression: RegularExpression?

        init(_ image: ImageEntry) throws(RegularExpression.Failure) {
            self.image = image
            name = Array(image.name.utf8)
            // Dots are all that most names have of an expression.
            let isPlain = image.name.utf8.allSatisfy { RegularExpression.isPlain($0) || $0 == UInt8(ascii: ".") }
            expression =
                isPlain
                ? nil : try RegularExpression("^\(image.name)(:[a-zA-Z0-9_.{}-]*)?(@sha256:[a-zA-Z0-9_.{}-]*)?$")
        }

        func matches(_ text: String) -> Bool {
            if let expression { return expression.matches(text) }
            var text = text
            return text.withUTF8 { matches($0) }
        }

        private func matches(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
            guard text.count >= name.count else { return false }
            for (index, byte) in name.enumerated() where text[index] != byte {
                guard byte == UInt8(ascii: "."), text[index] != UInt8(ascii: "\n") else { return false }
            }
            var at = name.count
            if at < text.count, text[at] == UInt8(ascii: ":") {
                at += 1
                while at < text.count, Self.isTagCharacter(text[at]) { at += 1 }
            }
            if text[at...].starts(with: Self.digestSign) {
                at += Self.digestSign.count
                while at < text.count, Self.isTagCharacter(text[at]) { at += 1 }
            }
            return at == text.count
        }

        private static let digestSign = Array("@sha256:".utf8)

        private static func isTagCharacter(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: "-"):
                true
            default: false
            }
        }

        func change(_ value: inout Value, key: String, _ forms: inout WrittenForms) {
            guard !value.isNull, let text = forms.text(of: value, key: key), matches(text) else { return }
            value = forms.put(renamed(text), over: value, key: key)
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
            let bytes = text.utf8
            let path = bytes[(bytes.firstIndex(of: UInt8(ascii: "/")) ?? bytes.startIndex)...]
            let at = path.firstIndex(of: UInt8(ascii: "@"))
            let colon = path.firstIndex(of: UInt8(ascii: ":")).flatMap { colon in at.map { colon < $0 } ?? true ? colon : nil }
            let name = String(text[..<(colon ?? at ?? text.endIndex)])
            let tag = colon.map { String(text[bytes.index(after: $0)..<(at ?? text.endIndex)]) } ?? ""
            let digest = at.map { String(text[bytes.index(after: $0)...]) } ?? ""
            return (name, tag, digest)
        }
    }
}
