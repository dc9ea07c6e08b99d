package import ArgumentParser
import Diagnostics
import FileSystem

/// `homelab init`: writes a starter repository, and never over a file that is there.
package struct Init: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Write a starter repository: inventory/, bootstrap/, clusters/ and a small app.")

    @Argument(help: "The folder to write into; made when it is missing.")
    var directory = "."

    @Option(help: "The cluster's name: its inventory is inventory/NAME.yaml, its apps are below clusters/NAME/.")
    var name = "home"

    package init() {}

    package func run() async throws {
        guard Self.isName(name) else {
            throw Diagnostic(
                .error, "\"\(name)\" cannot be a cluster's name",
                remedy: "use lower-case letters, digits and dashes, beginning with a letter, at most 63 of them")
        }
        guard !directory.isEmpty else {
            throw Diagnostic(.error, "the folder's name is empty", remedy: "name a folder, or none for the present one")
        }
        let starter = StarterRepository(cluster: name)
        var written: [String] = []
        for file in starter.files {
            let path = directory + "/" + file.path
            guard !Files.exists(path) else {
                Console.standard.line("kept      \(path) (it was there)")
                continue
            }
            try Files.makeDirectory(String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]))
            try Files.write(file.text, to: path)
            Console.standard.line("written   \(path)")
            written.append(path)
        }
        guard !written.isEmpty else { return }
        Console.standard.line(
            """

            Next:
              1. list your machines in \(directory)/inventory/\(name).yaml
              2. cd \(directory); git init --initial-branch main; git add --all; git commit -m 'A cluster'
              3. homelab validate            checks everything without touching a machine
              4. homelab bootstrap           shows what it will do, asks, and does it
            """)
    }

    /// A DNS label (RFC 1123) that begins with a letter.
    static func isName(_ text: String) -> Bool {
        let allowed = text.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 }
        guard allowed, text.utf8.count <= 63, let first = text.utf8.first, let last = text.utf8.last else { return false }
        return (97...122).contains(first) && last != 45
    }
}
