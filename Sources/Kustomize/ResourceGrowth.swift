import YAML

/// Bounds on what a resource may grow to: replacements, variables and copies can double it time and again.
extension Resource {
    private static let maximumValues = 1_000_000
    private static let maximumBytes = 64 << 20

    /// To be called after a step that may put a part of a resource into it once more.
    func refuseGrowth() throws(MergeFailure) {
        mayHaveGrown = true
        try Self.refuseGrowth(of: .object(object))
    }

    static func refuseGrowth(of value: Value) throws(MergeFailure) {
        var count = Count(values: Self.maximumValues, bytes: Self.maximumBytes)
        guard count.take(value) else {
            throw MergeFailure(problem: "the resource would grow beyond \(Self.maximumValues) values or \(Self.maximumBytes) bytes of text")
        }
    }

    /// What is left of a bound, here and when all resources are written.
    struct Count {
        var values: Int
        var bytes: Int

        /// Takes a value's size off; false once nothing is left, found without looking further.
        mutating func take(_ value: Value) -> Bool {
            values -= 1
            switch value {
            case .string(let text): bytes -= text.utf8.count
            case .array(let items):
                for item in items where !take(item) { return false }
            case .object(let object):
                for member in object {
                    bytes -= member.key.utf8.count
                    if !take(member.value) { return false }
                }
            default: break
            }
            return values >= 0 && bytes >= 0
        }
    }
}
