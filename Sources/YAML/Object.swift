/// The members of a mapping in the order they were written. Look-up is a linear search, which wins at Kubernetes' small sizes;
/// two objects are equal when they have equal members, in whatever order.
package struct Object: Sendable, RandomAccessCollection {
    package struct Member: Hashable, Sendable {
        package var key: String
        package var value: Value

        package init(key: String, value: Value) {
            self.key = key
            self.value = value
        }
    }

    package private(set) var members: [Member]

    package init(_ members: [Member] = []) { self.members = members }

    package var startIndex: Int { members.startIndex }
    package var endIndex: Int { members.endIndex }
    package subscript(position: Int) -> Member { members[position] }

    package var keys: [String] { members.map(\.key) }

    package func index(of key: String) -> Int? { members.firstIndex { $0.key == key } }

    /// Setting nil removes the member; a new key goes to the end.
    package subscript(key: String) -> Value? {
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
