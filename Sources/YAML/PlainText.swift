/// Tells which strings may be written without quotes: those that a YAML 1.1 reader takes for strings.
enum PlainText {
    static func isSafe(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let first = bytes.first else { return false }
        switch first {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"):
            if Timestamp(bytes) != nil || isBase60(bytes) { return false }
        default: break
        }
        if case .string = ScalarResolver.resolve(bytes, schema: .kubernetes) { return true }
        return false
    }

    /// A plain `<<` would be read back as a merge key.
    static func isMergeKey(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        bytes.count == 2 && bytes[0] == UInt8(ascii: "<") && bytes[1] == UInt8(ascii: "<")
    }

    /// `190:20:30`, a number to the base 60 in YAML 1.1: `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`.
    static func isBase60(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        guard bytes.contains(UInt8(ascii: ":")) else { return false }
        func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") <= 9 }
        var at = bytes[0] == UInt8(ascii: "+") || bytes[0] == UInt8(ascii: "-") ? 1 : 0
        guard at < bytes.count, isDigit(bytes[at]) else { return false }
        while at < bytes.count, isDigit(bytes[at]) || bytes[at] == UInt8(ascii: "_") { at += 1 }
        var groups = 0
        while at < bytes.count, bytes[at] == UInt8(ascii: ":") {
            let start = at + 1
            at = start
            while at < bytes.count, isDigit(bytes[at]) { at += 1 }
            let count = at - start
            guard count == 1 || count == 2 && bytes[start] <= UInt8(ascii: "5") else { return false }
            groups += 1
        }
        if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
            at += 1
            while at < bytes.count, isDigit(bytes[at]) || bytes[at] == UInt8(ascii: "_") { at += 1 }
        }
        return groups > 0 && at == bytes.count
    }
}
