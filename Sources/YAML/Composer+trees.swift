extension Value: ComposedTree {
    static var keepsPlaces: Bool { false }

    static func scalar(_ value: Value, from stream: EventStream) -> Value { value }
    static func sequence(_ items: [Value], mark: Mark) -> Value { .array(items) }
    static func mapping(_ entries: [Object.Member], mark: Mark) -> Value { .object(Object(entries)) }
    static func entry(_ keyText: String, key: Value, value: Value) -> Object.Member { Object.Member(key: keyText, value: value) }
    static func keyText(of entry: Object.Member) -> String { entry.key }

    var scalarValue: Value? {
        switch self {
        case .array, .object: nil
        default: self
        }
    }

    var entries: [Object.Member]? { object?.members }
    var items: [Value]? { array }
}

extension Node: ComposedTree {
    static var keepsPlaces: Bool { true }

    static func scalar(_ value: Value, from stream: EventStream) -> Node {
        let text = String(decoding: stream.bytes, as: UTF8.self)
        return Node(.scalar(Scalar(text: text, style: stream.style, tag: stream.tag, value: value)), mark: stream.mark)
    }

    static func sequence(_ items: [Node], mark: Mark) -> Node { Node(.sequence(items), mark: mark) }
    static func mapping(_ entries: [Entry], mark: Mark) -> Node { Node(.mapping(entries), mark: mark) }
    static func entry(_ keyText: String, key: Node, value: Node) -> Entry { Entry(key: key, value: value) }
    static func keyText(of entry: Entry) -> String { entry.keyText }

    var scalarValue: Value? { scalar?.value }
    var entries: [Entry]? { mapping }
    var items: [Node]? { sequence }
}
