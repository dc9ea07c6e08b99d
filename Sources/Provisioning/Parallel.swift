/// Runs `body` for every item, at most `limit` at the same time, and gives the results in the order of the items.
package func parallel<Item: Sendable, Result: Sendable>(
    _ items: [Item], limit: Int, _ body: @escaping @Sendable (Item) async -> Result
) async -> [Result] {
    await withTaskGroup(of: (Int, Result).self) { group in
        var results = [Result?](repeating: nil, count: items.count)
        var next = 0
        func startOne() {
            guard next < items.count else { return }
            let index = next
            next += 1
            group.addTask { (index, await body(items[index])) }
        }
        for _ in 0..<max(1, limit) { startOne() }
        for await (index, result) in group {
            results[index] = result
            startOne()
        }
        return results.compactMap { $0 }
    }
}

/// Runs `body` to its end even when the calling task is cancelled: for giving back what must not stay behind, such as locks.
package func shielded<Result: Sendable>(_ body: @escaping @Sendable () async -> Result) async -> Result {
    await Task { await body() }.value
}
