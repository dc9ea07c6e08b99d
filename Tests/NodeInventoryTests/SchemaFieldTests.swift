import Diagnostics
import Testing
import YAML

@testable import NodeInventory

/// The schema that editors are given, and what is made of an inventory.
@Suite struct SchemaFieldTests {
    /// Whatever is published is read: some case has the field, and is decoded to something else without it. The other way round, what the
    /// schema does not have is refused as unknown, see `SchemaCheck`.
    @Test func everyPublishedFieldMakesADifference() throws {
        let schema = try #require(JSONSchema.inventory["oneOf"]?.array?.first)
        var ineffective = Set(SchemaField.all(of: schema).map(\.name))
        #expect(ineffective.count > 60)
        for inventory in InventoryCase.all where inventory.testDescription.hasPrefix("every-") {
            let files = try inventory.files()
            let whole = try #require(YAMLReader.values(files["inventory/home.yaml"] ?? "", file: "home.yaml").first)
            let complete = outcome(whole, files)
            #expect(!complete.contains("error:"), "\(complete)")
            for field in SchemaField.all(of: schema, in: whole) where ineffective.contains(field.name) {
                if field.places.contains(where: { outcome($0.removed(from: whole), files) != complete }) { ineffective.remove(field.name) }
            }
        }
        #expect(ineffective.isEmpty, "published, and without effect")
    }

    /// What an inventory is decoded to, or why it is not, without the places of things in it.
    private func outcome(_ value: Value, _ files: [String: String]) -> String {
        var files = files
        files["inventory/home.yaml"] = JSONWriter.text(value)
        do {
            let spec = try ClusterSpec.load("inventory/home.yaml", files: files)
            return String(reflecting: spec).replacing(/inventory\/home.yaml:\d+:\d+|line: \d+|column: \d+/, with: "")
        } catch {
            return error.description
        }
    }
}

/// A field of a JSON Schema, and where a value has it.
private struct SchemaField {
    let name: String
    var places: [ValuePlace] = []

    /// Every field of an object's schema, with those of the objects below it, whether the value has them or not.
    static func all(
        of schema: Value, in value: Value? = nil, below name: String = "", at place: ValuePlace = ValuePlace()
    ) -> [SchemaField] {
        var found: [SchemaField] = []
        for member in schema["properties"]?.object ?? Object() {
            let (path, own) = (name.isEmpty ? member.key : name + "." + member.key, value?[member.key])
            let here = ValuePlace(parts: place.parts + [.key(member.key)])
            found.append(SchemaField(name: path, places: own == nil ? [] : [here]))
            for form in forms(member.value) where form["properties"] != nil && !isSecret(form) {
                let items = own?.array?.enumerated().map { (ValuePlace(parts: here.parts + [.index($0.offset)]), $0.element) }
                for (place, value) in items ?? [(here, own ?? .null)] {
                    for field in all(of: form, in: value, below: path, at: place) { add(field, to: &found) }
                }
            }
        }
        return found
    }

    private static func add(_ field: SchemaField, to fields: inout [SchemaField]) {
        if let index = fields.firstIndex(where: { $0.name == field.name }) {
            fields[index].places += field.places
        } else {
            fields.append(field)
        }
    }

    /// A schema with the alternatives and the items in it.
    private static func forms(_ schema: Value) -> [Value] {
        [schema] + (schema["oneOf"]?.array ?? []).flatMap(forms) + (schema["items"].map(forms) ?? [])
    }

    /// A reference to a secret, which is one value however it is written.
    private static func isSecret(_ schema: Value) -> Bool {
        Set(schema["properties"]?.object?.keys ?? []).isSubset(of: ["file", "env"])
    }
}

/// A way into a value: keys, and positions in lists.
private struct ValuePlace {
    enum Part { case key(String), index(Int) }
    var parts: [Part] = []

    /// The value without it; true or false, which may be what is so anyway, is turned round.
    func removed(from value: Value) -> Value { Self.removed(parts[...], from: value) }

    private static func removed(_ parts: ArraySlice<Part>, from value: Value) -> Value {
        switch (parts.first, value) {
        case (.key(let key)?, .object(let object)):
            return .object(
                Object(
                    object.compactMap { member in
                        if member.key != key { return member }
                        if parts.count == 1 { return member.value.bool.map { .init(key: key, value: .bool(!$0)) } }
                        return .init(key: key, value: removed(parts.dropFirst(), from: member.value))
                    }))
        case (.index(let index)?, .array(var items)):
            items[index] = removed(parts.dropFirst(), from: items[index])
            return .array(items)
        default: return value
        }
    }
}
