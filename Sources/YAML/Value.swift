/// A YAML or JSON value as Kubernetes understands it: typed scalars, and objects that keep the order of their keys.
package enum Value: Hashable, Sendable {
    case null
    case bool(Bool)
    case int(Int64)
    /// Integers above `Int64.max` only: equal numbers are equal values.
    case uint(UInt64)
    /// Also integers beyond 64 bits, as Kubernetes' readers take them.
    case double(Double)
    case string(String)
    case array([Value])
    case object(Object)
}

extension Value {
    @inlinable package var string: String? { if case .string(let text) = self { text } else { nil } }
    @inlinable package var bool: Bool? { if case .bool(let flag) = self { flag } else { nil } }
    @inlinable package var int: Int64? { if case .int(let number) = self { number } else { nil } }
    @inlinable package var array: [Value]? { if case .array(let items) = self { items } else { nil } }
    @inlinable package var object: Object? { if case .object(let object) = self { object } else { nil } }
    @inlinable package var isNull: Bool { if case .null = self { true } else { false } }

    package enum Shape: Sendable { case null, scalar, array, object }

    /// What kind of value this is. Unlike a `switch` over the value it holds on to no part of it, so that what follows changes it in
    /// place instead of a copy.
    @inlinable package var shape: Shape {
        switch self {
        case .null: .null
        case .array: .array
        case .object: .object
        default: .scalar
        }
    }

    /// Whether it is a number that is no integer of 64 bits.
    package var isFraction: Bool { if case .double = self { true } else { false } }

    package var double: Double? {
        switch self {
        case .int(let number): Double(number)
        case .uint(let number): Double(number)
        case .double(let number): number
        default: nil
        }
    }

    /// The member `key` of an object; nil when this is no object or has no such member. Setting makes an object of a null.
    @inlinable package subscript(key: String) -> Value? {
        get { object?[key] }
        set {
            var object = self.object ?? Object()
            object[key] = newValue
            self = .object(object)
        }
    }

    /// The value at a path of object keys, `value[path: "metadata", "name"]`.
    package subscript(path path: String...) -> Value? {
        var here: Value? = self
        for key in path { here = here?[key] }
        return here
    }
}

extension Value: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral,
    ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral, ExpressibleByFloatLiteral
{
    package init(stringLiteral text: String) { self = .string(text) }
    package init(integerLiteral number: Int64) { self = .int(number) }
    package init(floatLiteral number: Double) { self = .double(number) }
    package init(booleanLiteral flag: Bool) { self = .bool(flag) }
    package init(arrayLiteral items: Value...) { self = .array(items) }
    package init(nilLiteral: ()) { self = .null }
    package init(dictionaryLiteral members: (String, Value)...) {
        self = .object(Object(members.map { Object.Member(key: $0.0, value: $0.1) }))
    }
}
