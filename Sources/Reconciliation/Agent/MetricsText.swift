/// Prometheus' text format, version 0.0.4.
struct MetricsText {
    typealias Labels = [(name: String, value: String)]

    private(set) var text = ""

    mutating func gauge(_ name: String, _ help: String, _ value: Double, labels: [(String, String)] = []) {
        gauges(name, help, [(value, labels)])
    }

    mutating func gauges(_ name: String, _ help: String, _ samples: [(Double, [(String, String)])]) {
        family(name, help, "gauge")
        for (value, labels) in samples { sample(name, value, labels) }
    }

    mutating func counter(_ name: String, _ help: String, _ samples: [(Double, [(String, String)])]) {
        family(name, help, "counter")
        for (value, labels) in samples { sample(name, value, labels) }
    }

    mutating func summary(_ name: String, _ help: String, sum: Double, count: Int) {
        family(name, help, "summary")
        sample(name + "_sum", sum, [])
        sample(name + "_count", Double(count), [])
    }

    private mutating func family(_ name: String, _ help: String, _ type: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    private mutating func sample(_ name: String, _ value: Double, _ labels: [(String, String)]) {
        let list = labels.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
        let number = value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
        text += name + (list.isEmpty ? "" : "{\(list)}") + " \(number)\n"
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.append(character)
            }
        }
        return result
    }
}
