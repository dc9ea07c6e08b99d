/// The members of a mapping in the order they were written. Look-up is a linear search, which wins at Kubernetes' small sizes;
/// two objects are equal when they have equal members, in whatever order.
///
/// What transformers call for every field is inlinable: generic code called across modules costs several times its work.
package struct Object: Sendable, RandomAccessCollection {
    package struct Member: Hashable, Sendable {
        package var key: String
        package var value: Value

        @inlinable package init(key: String, value: Value) {
            self.key = key
            self.value = value
        }
    }

    package var members: [Member]

    @inlinable package init(_ members: [Member] = []) { self.members = members }

    @inlinable package var startIndex: Int { members.startIndex }
    @inlinable package var endIndex: Int { members.endIndex }
    @inlinable package subscript(position: Int) -> Member { members[position] }

    package var keys: [String] { members.map(\.key) }

    @inlinable package func index(of key: String) -> Int? {
        // Most keys differ in their length, which is the quicker comparison.
        let length = key.utf8.count
        for index in members.indices where members[index].key.utf8.count == length && members[index].key == key { return index }
        return nil
    }

    /// Setting nil removes the member; a new key goes to the end.
    @inlinable package subscript(key: String) -> Value? {
        get { index(of: key).map { members[$0].value } }
        set {
            switch (index(of: key), newValue) {
            case (let at?, let value?): members[at].value = value
            case (let at?, nil): members.remove(at: at)
            case (nil, let value?): members.append(Member(key: key, value: value))
            case (nil, nil): break
            }
        }
    }
}

extension Object {
    /// Changes the value of a member where it is, without copying what it holds.
    @inlinable package mutating func change<R, E: Error>(at index: Int, _ body: (inout Value) throws(E) -> R) throws(E) -> R {
        try body(&members[index].value)
    }

    /// Changes all values, in order.
    @inlinable package mutating func changeValues<E: Error>(_ body: (String, inout Value) throws(E) -> Void) throws(E) {
        for index in members.indices { try body(members[index].key, &members[index].value) }
    }

    /// Adds a member whose key is known to be new.
    @inlinable package mutating func append(_ key: String, _ value: Value) { members.append(Member(key: key, value: value)) }

    @inlinable package mutating func removeAll(where unwanted: (Member) -> Bool) { members.removeAll(where: unwanted) }
}

extension Value {
    /// Changes an object where it is, without copying what it holds; nil when this is no object.
    @inlinable @discardableResult
    package mutating func changeObject<R, E: Error>(_ body: (inout Object) throws(E) -> R) throws(E) -> R? {
        guard case .object(var object) = self else { return nil }
        self = .null
        defer { self = .object(object) }
        return try body(&object)
    }

    /// Changes a list where it is, without copying what it holds; nil when this is no list.
    @inlinable @discardableResult
    package mutating func changeArray<R, E: Error>(_ body: (inout [Value]) throws(E) -> R) throws(E) -> R? {
        guard case .array(var items) = self else { return nil }
        self = .null
        defer { self = .array(items) }
        return try body(&items)
    }
}

extension Object: Hashable {
    package static func == (a: Object, b: Object) -> Bool {
        a.members.count == b.members.count
            && (a.members == b.members || a.members.allSatisfy { b[$0.key] == $0.value })
    }

    package func hash(into hasher: inout Hasher) {
        var sum = 0
        for member in members {
            var own = Hasher()
            own.combine(member)
            sum ^= own.finalize()
        }
        hasher.combine(sum)
    }
}
