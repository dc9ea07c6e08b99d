internal import CGitSupport
internal import CLibgit2

/// The SHA-1 name of a git object.
package struct ObjectID: Hashable, Sendable, CustomStringConvertible {
    /// Forty lower-case hex digits.
    package let hex: String

    package init?(_ hex: String) {
        guard hex.utf8.count == 40, hex.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) }) else { return nil }
        self.hex = hex
    }

    /// What stands for "no object" in ref updates.
    package static let zero = ObjectID(git: git_oid())

    init(git: git_oid) {
        var git = git
        var text = [CChar](repeating: 0, count: Int(GIT_OID_HEXSZ))
        git_oid_fmt(&text, &git)
        hex = String(decoding: text.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    var git: git_oid {
        var oid = git_oid()
        _ = git_oid_fromstr(&oid, hex)
        return oid
    }

    package var isZero: Bool { self == Self.zero }
    package var description: String { hex }
}

/// What a commit says about itself.
package struct CommitInfo: Hashable, Sendable {
    package var id: ObjectID
    package var parents: [ObjectID]
    package var tree: ObjectID
    package var authorName: String
    package var authorEmail: String
    /// Seconds since 1970.
    package var time: Int64
    package var message: String
    /// The first line of the message.
    package var summary: String { String(message.prefix { $0 != "\n" }) }
}

/// The bytes of an object that can be signed, without git's header.
package enum StoredObject: Hashable, Sendable {
    case commit([UInt8])
    case tag([UInt8])
}
