extension FunctionTable {
    /// One function for each type that makes a value of it.
    static func conversionFunctions() -> Part {
        var part = Part()
        part.global("int", 1, .int) { arguments, _ throws(Fault) in try int(arguments[0]).map { .int($0) } }
        part.global("uint", 1, .uint) { arguments, _ throws(Fault) in try uint(arguments[0]).map { .uint($0) } }
        part.global("double", 1, .double) { arguments, _ throws(Fault) in try double(arguments[0]).map { .double($0) } }
        part.global("bool", 1, .bool) { arguments, _ throws(Fault) in try bool(arguments[0]).map { .bool($0) } }
        part.global("string", 1, .string) { arguments, budget throws(Fault) in
            if case .bytes(let bytes) = arguments[0] { try budget.spend(forText: bytes.count) }
            return try arguments[0].text.map { .string($0) }
        }
        part.global("bytes", 1, .bytes) { arguments, budget throws(Fault) in
            switch arguments[0] {
            case .bytes: return arguments[0]
            case .string(let text):
                try budget.spend(forText: text.utf8.count)
                return .bytes(Array(text.utf8))
            default: return nil
            }
        }
        return part
    }

    private static let outOfRange = Fault("the number is out of range")

    private static func int(_ value: CELValue) throws(Fault) -> Int64? {
        switch value {
        case .int(let number): return number
        case .uint(let number):
            guard let result = Int64(exactly: number) else { throw outOfRange }
            return result
        case .double(let number):
            // The ends of the range are not exactly doubles, so cel-go leaves them out.
            guard number > -0x1p63, number < 0x1p63 else { throw outOfRange }
            return Int64(number)
        case .string(let text):
            guard let number = Int64(text) else { throw Fault("\"\(text)\" is no whole number") }
            return number
        case .timestamp(let moment): return moment.seconds
        default: return nil
        }
    }

    private static func uint(_ value: CELValue) throws(Fault) -> UInt64? {
        switch value {
        case .uint(let number): return number
        case .int(let number):
            guard let result = UInt64(exactly: number) else { throw outOfRange }
            return result
        case .double(let number):
            guard number > -1, number < 0x1p64 else { throw outOfRange }
            return UInt64(number)
        case .string(let text):
            guard text.first != "+", let number = UInt64(text) else { throw Fault("\"\(text)\" is no whole number of zero or more") }
            return number
        default: return nil
        }
    }

    private static func double(_ value: CELValue) throws(Fault) -> Double? {
        switch value {
        case .double(let number): return number
        case .int(let number): return Double(number)
        case .uint(let number): return Double(number)
        case .string(let text):
            guard let number = Double(text) else { throw Fault("\"\(text)\" is no number") }
            return number
        default: return nil
        }
    }

    private static func bool(_ value: CELValue) throws(Fault) -> Bool? {
        switch value {
        case .bool(let flag): return flag
        case .string(let text):
            if ["1", "t", "T", "true", "TRUE", "True"].contains(text) { return true }
            if ["0", "f", "F", "false", "FALSE", "False"].contains(text) { return false }
            throw Fault("\"\(text)\" is neither true nor false")
        default: return nil
        }
    }
}
