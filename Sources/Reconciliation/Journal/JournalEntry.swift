package import KubernetesModel
package import YAML

/// One line of the journal: what an agent did to a node, or was asked to do and did not.
package struct JournalEntry: Hashable, Sendable {
    package enum Result: String, Hashable, Sendable, CaseIterable {
        /// Written before the step begins, so that a step which was cut off is known.
        case started
        case done
        case failed
        case skipped
        /// Found when the agent came back: begun, and nobody saw its end.
        case interrupted
        /// A commit's inventory was not taken.
        case refused
        /// Something that happened on the way.
        case note
    }

    package var time: Timestamp
    /// The server whose agent wrote it.
    package var server: String
    package var commit: String
    /// Hash of the plan that the step is of.
    package var plan: String
    package var phase: String
    /// Empty for what is about the whole cluster.
    package var node: String
    package var step: String
    package var result: Result
    package var seconds: Double?
    /// Why it failed or was left; free of secrets.
    package var message: String

    package init(
        time: Timestamp, server: String, commit: String, plan: String = "", phase: String = "", node: String, step: String,
        result: Result, seconds: Double? = nil, message: String = ""
    ) {
        self.time = time
        self.server = server
        self.commit = commit
        self.plan = plan
        self.phase = phase
        self.node = node
        self.step = step
        self.result = result
        self.seconds = seconds
        self.message = message
    }
}

extension JournalEntry {
    package var json: Value {
        var value: Value = ["time": .string(time.microseconds), "server": .string(server)]
        let texts = [
            ("commit", commit), ("plan", plan), ("phase", phase), ("node", node), ("step", step), ("result", result.rawValue),
        ]
        for (key, text) in texts where !text.isEmpty { value[key] = .string(text) }
        if let seconds { value["seconds"] = .double(seconds) }
        if !message.isEmpty { value["message"] = .string(message) }
        return value
    }

    package init?(json: Value) {
        guard let time = json["time"]?.string.flatMap({ Timestamp($0) }), let server = json["server"]?.string,
            let result = json["result"]?.string.flatMap(Result.init)
        else { return nil }
        let text = { (key: String) in json[key]?.string ?? "" }
        self.init(
            time: time, server: server, commit: text("commit"), plan: text("plan"), phase: text("phase"), node: text("node"),
            step: text("step"), result: result, seconds: json["seconds"]?.double ?? json["seconds"]?.int.map(Double.init),
            message: text("message"))
    }

    /// The entries of JSON lines; a line that was cut off by a power cut is passed over.
    package static func entries(in text: some StringProtocol) -> [JournalEntry] {
        text.split(whereSeparator: \.isNewline).compactMap { line in
            (try? JSONReader.value(String(line))).flatMap { JournalEntry(json: $0) }
        }
    }

    package var line: String { JSONWriter.text(json) + "\n" }

    /// The same step of the same run, whatever came of it.
    package func isAboutSameStep(as other: JournalEntry) -> Bool {
        node == other.node && step == other.step && plan == other.plan && commit == other.commit && phase == other.phase
    }
}
