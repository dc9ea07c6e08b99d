package import YAML

/// A condition as Flux writes it.
package struct FluxCondition: Hashable, Sendable {
    package var type: String
    package var status: String
    package var reason: String
    package var message: String
    package var generation: Int64
    /// When the status last changed; filled in by `FluxConditions`.
    package var lastTransition: String

    package init(_ type: String, _ status: String, _ reason: String, _ message: String, generation: Int64 = 0, lastTransition: String = "")
    {
        self.type = type
        self.status = status
        self.reason = reason
        self.message = message
        self.generation = generation
        self.lastTransition = lastTransition
    }

    var value: Value {
        [
            "type": .string(type), "status": .string(status), "reason": .string(reason),
            // The API server takes at most 32768 code points, of which a character may have many.
            "message": .string(String(String.UnicodeScalarView(message.unicodeScalars.prefix(8000)))),
            "observedGeneration": .int(generation),
            "lastTransitionTime": .string(lastTransition),
        ]
    }

    init?(_ value: Value) {
        guard let type = value["type"]?.string, let status = value["status"]?.string else { return nil }
        self.init(
            type, status, value["reason"]?.string ?? "", value["message"]?.string ?? "",
            generation: value["observedGeneration"]?.int ?? 0, lastTransition: value["lastTransitionTime"]?.string ?? "")
    }
}

/// The conditions of an object, each keeping the time at which its status last changed.
package struct FluxConditions: Hashable, Sendable {
    package private(set) var all: [FluxCondition]

    package init(_ value: Value? = nil) { all = (value?.array ?? []).compactMap { FluxCondition($0) } }

    package var value: Value { .array(all.map(\.value)) }
    package subscript(type: String) -> FluxCondition? { all.first { $0.type == type } }

    /// Makes these the only conditions, in this order.
    package mutating func set(_ new: [FluxCondition], now: Timestamp) {
        all = new.map { condition in
            var condition = condition
            let old = self[condition.type]
            condition.lastTransition =
                old?.status == condition.status && old?.lastTransition.isEmpty == false ? old?.lastTransition ?? "" : now.description
            return condition
        }
    }
}
