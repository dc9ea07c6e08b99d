/// A map of the expression language: its keys are numbers, texts or booleans, and stay in the order they were written in.
package struct CELMap: Sendable {
    package struct Entry: Sendable {
        package let key: CELValue
        package let value: CELValue

        package init(key: CELValue, value: CELValue) {
            self.key = key
            self.value = value
        }
    }

    package private(set) var entries: [Entry]
    /// Small maps are looked through.
    private var index: [MapKey: Int] = [:]

    private static let indexedSize = 9

    package init(_ entries: [Entry] = []) {
        self.entries = entries
        if entries.count >= Self.indexedSize { fillIndex() }
    }

    private mutating func fillIndex() {
        for (place, entry) in entries.enumerated() { if let key = MapKey(entry.key) { index[key] = place } }
    }

    subscript(key: MapKey) -> CELValue? {
        if entries.count >= Self.indexedSize { return index[key].map { entries[$0].value } }
        return entries.first { MapKey($0.key) == key }?.value
    }

    mutating func insert(_ key: CELValue, _ value: CELValue) throws(Fault) {
        guard let mapKey = MapKey(key), key.type != .double else { throw Fault("a key of a map cannot be of type \(key.type.rawValue)") }
        guard self[mapKey] == nil else { throw Fault("two entries of a map have the same key: \(key.shortText)") }
        entries.append(Entry(key: key, value: value))
        if entries.count == Self.indexedSize { fillIndex() } else if entries.count > Self.indexedSize { index[mapKey] = entries.count - 1 }
    }
}

/// The key of a map for look-ups: numbers of equal value are one key whatever their type, and texts are compared by their characters,
/// not by what these look like.
enum MapKey: Hashable {
    case bool(Bool)
    case int(Int64)
    /// Beyond what an int holds.
    case uint(UInt64)
    case text(String)

    /// nil for what can be no key.
    init?(_ value: CELValue) {
        switch value {
        case .bool(let flag): self = .bool(flag)
        case .int(let number): self = .int(number)
        case .uint(let number): self = Int64(exactly: number).map { .int($0) } ?? .uint(number)
        case .double(let number):
            if let whole = Int64(exactly: number) {
                self = .int(whole)
            } else if let whole = UInt64(exactly: number) {
                self = .uint(whole)
            } else {
                return nil
            }
        case .string(let text): self = .text(text)
        default: return nil
        }
    }

    static func == (a: MapKey, b: MapKey) -> Bool {
        switch (a, b) {
        case (.bool(let a), .bool(let b)): a == b
        case (.int(let a), .int(let b)): a == b
        case (.uint(let a), .uint(let b)): a == b
        case (.text(let a), .text(let b)): a.utf8.elementsEqual(b.utf8)
        default: false
        }
    }

    func hash(into hasher: inout Hasher) {
        switch self {
        case .bool(let flag): hasher.combine(flag)
        case .int(let number): hasher.combine(number)
        case .uint(let number): hasher.combine(number)
        case .text(let text): for byte in text.utf8 { hasher.combine(byte) }
        }
    }
}
