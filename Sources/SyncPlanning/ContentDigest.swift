package import KubernetesModel
import YAML

/// A digest of what a manifest says, the same whatever the order of its keys; it tells a changed manifest from an unchanged one
/// after a restart and on another server. It protects against nobody: FNV-1a, 64 bits.
package enum ContentDigest {
    /// - Parameter ignored: the fields that are left alone; other ones make it another manifest.
    package static func of(_ manifest: Manifest, ignored: Set<String> = []) -> String {
        var hash = Hash()
        hash.add(manifest.value)
        for pointer in ignored.sorted() { hash.add(text: pointer) }
        let digits = String(hash.state, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private struct Hash {
        var state: UInt64 = 0xcbf2_9ce4_8422_2325

        mutating func add(byte: UInt8) { state = (state ^ UInt64(byte)) &* 0x100_0000_01b3 }

        mutating func add(text: String) {
            for byte in text.utf8 { add(byte: byte) }
            // No UTF-8 text holds this byte, so no two sequences of texts run together to the same bytes.
            add(byte: 0xff)
        }

        mutating func add(_ value: Value) {
            switch value {
            case .null: add(byte: 0)
            case .bool(let flag): add(byte: flag ? 2 : 1)
            case .int(let number):
                add(byte: 3)
                add(text: String(number))
            case .uint(let number):
                add(byte: 3)
                add(text: String(number))
            case .double(let number):
                add(byte: 4)
                add(text: String(number))
            case .string(let text):
                add(byte: 5)
                add(text: text)
            case .array(let items):
                add(byte: 6)
                for item in items { add(item) }
                add(byte: 7)
            case .object(let object):
                add(byte: 8)
                for member in object.members.sorted(by: { $0.key < $1.key }) {
                    add(text: member.key)
                    add(member.value)
                }
                add(byte: 9)
            }
        }
    }
}
