package import YAML

/// A value of the Common Expression Language.
///
/// Source: the language definition, github.com/google/cel-spec/blob/master/doc/langdef.md.
package enum CELValue: Sendable {
    case null
    case bool(Bool)
    case int(Int64)
    case uint(UInt64)
    case double(Double)
    case string(String)
    case bytes([UInt8])
    case list([CELValue])
    case map(CELMap)
    case timestamp(CELTimestamp)
    case duration(CELDuration)
    case type(CELType)
    /// There or not, of cel-go's optional types.
    indirect case optional(CELValue?)

    /// A YAML or JSON value: its whole numbers of 64 bits with a sign are int, its others double, as Kubernetes reads JSON.
    package init(_ value: Value) {
        switch value {
        case .null: self = .null
        case .bool(let flag): self = .bool(flag)
        case .int(let number): self = .int(number)
        case .uint(let number): self = .double(Double(number))
        case .double(let number): self = .double(number)
        case .string(let text): self = .string(text)
        case .array(let items): self = .list(items.map { CELValue($0) })
        case .object(let object):
            self = .map(CELMap(object.map { CELMap.Entry(key: .string($0.key), value: CELValue($0.value)) }))
        }
    }

    package var type: CELType {
        switch self {
        case .null: .null
        case .bool: .bool
        case .int: .int
        case .uint: .uint
        case .double: .double
        case .string: .string
        case .bytes: .bytes
        case .list: .list
        case .map: .map
        case .timestamp: .timestamp
        case .duration: .duration
        case .type: .type
        case .optional: .optional
        }
    }

    /// False, zero or empty: what `optional.ofNonZeroValue` makes nothing of.
    var isZero: Bool {
        switch self {
        case .null: true
        case .bool(let flag): !flag
        case .int(let number): number == 0
        case .uint(let number): number == 0
        case .double(let number): number == 0
        case .string(let text): text.isEmpty
        case .bytes(let bytes): bytes.isEmpty
        case .list(let items): items.isEmpty
        case .map(let map): map.entries.isEmpty
        case .duration(let duration): duration.nanoseconds == 0
        case .optional(let value): value == nil
        case .timestamp, .type: false
        }
    }
}

/// The name of a type, which is a value too.
package enum CELType: String, Sendable, CaseIterable {
    case int, uint, double, bool, string, bytes, list, map, type
    case null = "null_type"
    case timestamp = "google.protobuf.Timestamp"
    case duration = "google.protobuf.Duration"
    case optional = "optional_type"
}
