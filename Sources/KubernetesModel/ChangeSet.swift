/// What happened to each object, the unchanged and the skipped ones too.
package struct ChangeSet: Hashable, Sendable {
    package enum Action: String, Hashable, Sendable, CaseIterable {
        case created, configured, unchanged, deleted, skipped
    }

    package struct Entry: Hashable, Sendable, CustomStringConvertible {
        package var key: ObjectKey
        package var action: Action
        /// Why it was skipped, or what differed.
        package var detail: String

        package init(_ key: ObjectKey, _ action: Action, detail: String = "") {
            self.key = key
            self.action = action
            self.detail = detail
        }

        package var description: String { detail.isEmpty ? "\(key) \(action.rawValue)" : "\(key) \(action.rawValue) (\(detail))" }
    }

    package private(set) var entries: [Entry]

    package init(_ entries: [Entry] = []) { self.entries = entries }

    package mutating func append(_ entry: Entry) { entries.append(entry) }
    package mutating func append(contentsOf other: ChangeSet) { entries += other.entries }

    package func keys(_ action: Action) -> [ObjectKey] { entries.filter { $0.action == action }.map(\.key) }
    package func count(_ action: Action) -> Int { entries.count { $0.action == action } }

    /// Whether the cluster is other than before.
    package var hasChanges: Bool { entries.contains { $0.action != .unchanged && $0.action != .skipped } }

    /// `2 created, 1 configured, 40 unchanged`; `nothing` for an empty set.
    package var summary: String {
        let parts = Action.allCases.compactMap { action in
            let count = count(action)
            return count == 0 ? nil : "\(count) \(action.rawValue)"
        }
        return parts.isEmpty ? "nothing" : parts.joined(separator: ", ")
    }
}
