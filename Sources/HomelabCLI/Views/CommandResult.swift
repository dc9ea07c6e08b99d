import YAML

/// What a command found out, in every form it can be asked for.
protocol CommandResult: Sendable {
    /// For programs: what `-o json` prints.
    var value: Value { get }
    /// The documents of `-o yaml`.
    var documents: [Value] { get }
    /// For people; `isWide` asks for more columns.
    func text(_ console: Console, isWide: Bool) -> String
    /// What is shown of it when an earlier result has been shown; nil for nothing.
    func news(since earlier: Self) -> Self?
    /// Whether results follow one another, so that nothing shown before is taken back.
    static var isLog: Bool { get }
}

extension CommandResult {
    var documents: [Value] { [value] }
    func news(since earlier: Self) -> Self? { value == earlier.value ? nil : self }
    static var isLog: Bool { false }
}
