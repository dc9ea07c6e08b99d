import YAML

/// The fields of a live object that people with kubectl have set, or Flux has, and that the manifest does not have at all: `difference`
/// passes them over, since others may well set fields besides. Only the list of writers tells whose they are; without it none are found.
/// - Parameter sparing: JSON pointers to fields that are others' to set, with everything below them.
package func additions(to desired: Manifest, in live: Manifest, sparing: Set<String> = []) -> [FieldDifference] {
    let wanted = desired.storedValue
    return ManagedFields.yieldingEntries(of: live).flatMap { entry in
        var search = AdditionSearch(writer: entry["manager"]?.string ?? "", sparing: sparing)
        search.look(at: entry["fieldsV1"] ?? [:], beside: wanted, path: FieldPath())
        return search.found
    }
}

/// The walk over the fields of one writer, in the form of `fieldsV1`
/// (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/, FieldsV1).
private struct AdditionSearch {
    let writer: String
    let sparing: Set<String>
    private(set) var found: [FieldDifference] = []

    init(writer: String, sparing: Set<String>) {
        self.writer = writer
        self.sparing = sparing.union(["/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"])
    }

    mutating func look(at fields: Value, beside wanted: Value, path: FieldPath) {
        for member in fields.object ?? Object() {
            let name = String(member.key.dropFirst(2))
            var (next, value) = (path, Value?.none)
            switch member.key.prefix(2) {
            case "f:":
                next = path.key(name)
                value = wanted[name]
            case "k:":
                guard let key = (try? JSONReader.value(name))?.object else { continue }
                let label = key.prefix(1).map { "\($0.key)=\($0.value.scalarText ?? "")" }.joined()
                (next, value) = Self.item(of: wanted, at: path, label: label) { Self.isItem($0, of: key) }
            case "v:":
                guard let item = try? JSONReader.value(name) else { continue }
                (next, value) = Self.item(of: wanted, at: path, label: item.scalarText ?? "") { $0 == item }
            // The thing itself, whose fields follow.
            default: continue
            }
            if sparing.contains(next.pointer) { continue }
            if let value, !value.isNull {
                look(at: member.value, beside: value, path: next)
            } else {
                found.append(FieldDifference(path: next.path, setBy: writer))
            }
        }
    }

    /// A list's item, and where it is or would be.
    private static func item(
        of list: Value, at path: FieldPath, label: String, where isMeant: (Value) -> Bool
    ) -> (path: FieldPath, value: Value?) {
        let items = list.array ?? []
        let index = items.firstIndex(where: isMeant)
        return (path.item(index ?? items.count, label: label), index.map { items[$0] })
    }

    private static func isItem(_ item: Value, of key: Object) -> Bool {
        key.allSatisfy { member in
            guard let value = item[member.key] else { return member.key == "protocol" && member.value.string == "TCP" }
            return value == member.value
        }
    }
}
