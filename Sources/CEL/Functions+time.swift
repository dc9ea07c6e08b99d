extension FunctionTable {
    static func timeFunctions() -> Part {
        var part = Part()
        part.global("timestamp", 1, .timestamp) { arguments, _ throws(Fault) in
            switch arguments[0] {
            case .timestamp: return arguments[0]
            case .int(let seconds): return .timestamp(try CELTimestamp(seconds: seconds))
            case .string(let text): return .timestamp(try CELTimestamp(text: text))
            default: return nil
            }
        }
        part.global("duration", 1, .duration) { arguments, _ throws(Fault) in
            switch arguments[0] {
            case .duration: return arguments[0]
            case .string(let text): return .duration(try CELDuration(text: text))
            default: return nil
            }
        }
        for (name, field) in calendarFields {
            part.method(name, 1, .int, reading(field, lengths[name]))
            part.method(name, 2, .int) { arguments, _ throws(Fault) in
                guard case .timestamp(let moment) = arguments[0], case .string(let zone) = arguments[1] else { return nil }
                return .int(field(ClockReading(moment, offset: try ClockReading.offset(ofZone: zone, at: moment)), moment))
            }
        }
        return part
    }

    private typealias Field = @Sendable (ClockReading, CELTimestamp) -> Int64

    /// What a clock shows; months and days of the week, month and year count from 0, but for `getDate`.
    private static let calendarFields: [(String, Field)] = [
        ("getFullYear", { clock, _ in clock.date.year }),
        ("getMonth", { clock, _ in clock.date.month - 1 }),
        ("getDate", { clock, _ in clock.date.day }),
        ("getDayOfMonth", { clock, _ in clock.date.day - 1 }),
        ("getDayOfWeek", { clock, _ in clock.dayOfWeek }),
        ("getDayOfYear", { clock, _ in clock.date.dayOfYear }),
        ("getHours", { clock, _ in clock.hour }),
        ("getMinutes", { clock, _ in clock.minute }),
        ("getSeconds", { clock, _ in clock.second }),
        ("getMilliseconds", { _, moment in moment.nanoseconds / 1_000_000 }),
    ]

    /// How long a duration is in all. (cel-go, which Flux uses, gives all its milliseconds too, not only those beyond whole seconds.)
    private static let lengths: [String: @Sendable (Int64) -> Int64] = [
        "getHours": { $0 / 3_600_000_000_000 }, "getMinutes": { $0 / 60_000_000_000 }, "getSeconds": { $0 / 1_000_000_000 },
        "getMilliseconds": { $0 / 1_000_000 },
    ]

    private static func reading(_ field: @escaping Field, _ length: (@Sendable (Int64) -> Int64)?) -> Function.Body {
        { arguments, _ throws(Fault) in
            switch arguments[0] {
            case .timestamp(let moment): return .int(field(ClockReading(moment), moment))
            case .duration(let duration): return length.map { .int($0(duration.nanoseconds)) }
            default: return nil
            }
        }
    }
}
