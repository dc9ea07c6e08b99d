/// Rows in columns as wide as their widest cell, as kubectl prints them; escape codes do not count as width.
package struct Table {
    private var rows: [[String]]

    package init(header: [String]) { rows = [header] }

    package mutating func append(_ row: [String]) { rows.append(row) }

    package var isEmpty: Bool { rows.count == 1 }

    package var text: String { lines.joined(separator: "\n") }

    /// To go on below a table that has been shown.
    package var textWithoutHeader: String { lines.dropFirst().joined(separator: "\n") }

    private var lines: [String] {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in rows.map { column < $0.count ? Self.width(of: $0[column]) : 0 }.max() ?? 0 }
        return rows.map { row in
            row.enumerated().map { column, cell in
                column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - Self.width(of: cell) + 3)
            }.joined()
        }
    }

    private static func width(of cell: String) -> Int {
        var width = 0
        var inEscape = false
        for character in cell {
            if character == "\u{1B}" {
                inEscape = true
            } else if inEscape {
                inEscape = character != "m"
            } else {
                width += 1
            }
        }
        return width
    }
}
