/// The `sha256sum-<arch>.txt` of a k3s release: lines of a hash, blanks and a file name, as sha256sum writes them.
package struct ReleaseSums: Hashable, Sendable {
    private var hashes: [String: String] = [:]

    package init(text: String) {
        for line in text.split(whereSeparator: \.isNewline) {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard words.count == 2, words[0].count == 64, words[0].allSatisfy(\.isHexDigit) else { continue }
            let name = words[1].hasPrefix("*") ? words[1].dropFirst() : words[1]
            hashes[String(name.split(separator: "/").last ?? name)] = words[0].lowercased()
        }
    }

    /// The lower-case hex SHA-256 of a file of the release; nil when the list does not name it.
    package subscript(file: String) -> String? { hashes[file] }
}
