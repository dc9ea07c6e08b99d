import Foundation

private let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")

/// The names of the files of a fixture folder, below it, sorted.
func fixtures(_ name: String) -> [String] {
    let paths = FileManager.default.enumerator(atPath: folder.appending(path: name).path)?.compactMap { $0 as? String } ?? []
    return paths.filter { $0.hasSuffix(".yaml") }.sorted()
}

func fixture(_ path: String) throws -> String { try String(contentsOf: folder.appending(path: path), encoding: .utf8) }
